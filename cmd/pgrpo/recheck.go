package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/verdict"
)

func recheckCommand() *cobra.Command {
	var (
		limits limitFlags
		format string
	)
	cmd := &cobra.Command{
		Use:   "recheck DIR",
		Short: "judge kept evidence again, without any server",
		Long: `recheck judges again what a run kept with --evidence, and exits by the verdict. It
needs no server. DIR is the directory of the evidence, or the directory of the
run that holds it.

Every file is held against the manifest first: a file that is missing, cut,
damaged or one too many is named, and nothing is judged (exit status 3). The
limits are those that the run was judged by, but for those that are given anew.

The findings are compared with those that were kept, byte for byte. Where they
are others, standard error says so: this pgrpo judges otherwise than the one
that kept them. The exit status is by the new verdict.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--report %q: want text or json", format)}
			}
			asked, err := limits.judge()
			if err != nil {
				return err
			}
			where, err := evidenceAt(args[0])
			if err != nil {
				return err
			}
			kept, err := source.Open(where)
			if err != nil {
				return trouble.Refuse("%s: %w", where, err)
			}
			found, err := verdict.Recheck(kept, limits.anew(kept.Case(), asked), version())
			if err != nil {
				return trouble.Refuse("%s: %w", where, err)
			}
			found.Report.Dir = where
			if format == "json" {
				err = found.Report.JSON(cmd.OutOrStdout())
			} else {
				_, err = fmt.Fprint(cmd.OutOrStdout(), found.Report.Text(style(cmd)))
			}
			if err != nil {
				return judgingError{err}
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "pgrpo: "+sameness(found, kept))
			return verdictError{found.Report.Judged()}
		},
	}
	limits.addLimits(cmd.Flags())
	cmd.Flags().StringVar(&format, "report", "text", "text or json")
	return cmd
}

// evidenceAt finds the evidence in a directory that is or holds it.
func evidenceAt(dir string) (string, error) {
	for _, where := range []string{dir, filepath.Join(dir, evidenceDir)} {
		_, err := os.Stat(filepath.Join(where, source.ManifestName))
		if err == nil {
			return where, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", trouble.Refuse("look for evidence: %w", err)
		}
	}
	return "", trouble.Refuse("%s holds no evidence: there is no %s in it, nor in its %s: a run keeps it with --evidence",
		dir, source.ManifestName, evidenceDir)
}

// sameness says how the findings stand to those that were kept.
func sameness(found verdict.Rechecked, kept *source.Directory) string {
	if found.Differs == "" {
		return fmt.Sprintf("the findings (%d) are those that were kept, byte for byte", found.Findings)
	}
	return fmt.Sprintf("the findings are not those that were kept: %s; pgrpo %s kept them, and pgrpo %s judges otherwise",
		found.Differs, kept.Version(), version())
}
