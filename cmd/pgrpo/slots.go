package main

import "github.com/spf13/cobra"

func slotsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "slots",
		Short: "what replication slots are, and what became of them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(decodeCommand())
	return cmd
}
