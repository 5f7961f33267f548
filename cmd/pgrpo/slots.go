package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/slots"
)

func slotsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "slots",
		Short: "what replication slots are, and what became of them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(slotsListCommand(), slotsCheckCommand(), slotsWatchCommand(), decodeCommand())
	return cmd
}

// nodesFlags say which nodes are asked for their slots, and how that is shown.
type nodesFlags struct {
	cluster clusterFlags
	format  string
}

func (n *nodesFlags) add(f *pflag.FlagSet) {
	f.StringVar(&n.cluster.primary, "primary-pgdsn", "", "`DSN` of the cluster; each of its hosts is asked by itself")
	f.StringArrayVar(&n.cluster.standbys, "standby-pgdsn", nil, "`DSN` of one more node to ask (repeatable)")
	f.StringVar(&n.format, "report", "text", "text or json")
}

// hosts are all nodes, each once.
func (n *nodesFlags) hosts() ([]node.Target, error) {
	if n.format != "text" && n.format != "json" {
		return nil, usageError{fmt.Errorf("--report %q: want text or json", n.format)}
	}
	primary, standbys, err := n.cluster.targets()
	if err != nil {
		return nil, err
	}
	return slots.Hosts(append([]node.Target{primary}, standbys...)...), nil
}

// answered carries an answer to the exit status.
func answered(a slots.Answer) error {
	switch a {
	case slots.Yes:
		return verdictError{compare.Met}
	case slots.No:
		return verdictError{compare.Breached}
	default:
		return verdictError{compare.Inconclusive}
	}
}
