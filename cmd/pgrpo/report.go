package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

func reportCommand() *cobra.Command {
	var (
		place  placeFlags
		format string
	)
	cmd := &cobra.Command{
		Use:   "report RUN",
		Short: "render a judged run again: text or json",
		Long: `report prints the report of a run that was judged, and exits by its verdict. RUN is
the run's number, as in 20261120-170201.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--report %q: want text or json", format)}
			}
			number, err := run.ParseRunName(args[0])
			if err != nil {
				return err
			}
			where, err := run.FindPlace(place.runDir, number)
			if err != nil {
				return err
			}
			f, err := os.Open(where.Report())
			if err != nil {
				return trouble.Refuse("run %s was not judged yet: %w: judge it with pgrpo compare %[1]s", args[0], err)
			}
			defer f.Close()
			r, err := report.Read(f)
			if err != nil {
				return trouble.Refuse("read %s: %w", where.Report(), err)
			}
			r.Dir = where.Dir
			if format == "json" {
				err = r.JSON(cmd.OutOrStdout())
			} else {
				_, err = fmt.Fprint(cmd.OutOrStdout(), r.Text(style(cmd)))
			}
			if err != nil {
				return err
			}
			return verdictError{r.Judged()}
		},
	}
	place.addRunDir(cmd.Flags())
	cmd.Flags().StringVar(&format, "report", "text", "text or json")
	return cmd
}
