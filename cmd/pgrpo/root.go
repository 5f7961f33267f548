package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/scenario"
)

// usageError is a command line that cannot be carried out.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// rootCommand builds the whole command tree.
func rootCommand(stdout, stderr io.Writer) *cobra.Command {
	logging := &logFlags{format: "text", level: "info"}
	root := &cobra.Command{
		Use:   "pgrpo",
		Short: "proves what a PostgreSQL failover really lost",
		Long: `pgrpo loads a primary and keeps the client's own account of every commit, records
the logical change stream in a second PostgreSQL, and after a switchover or
failover compares what was promised, what was shown and what survived.

Exit status: 0 objectives met, 1 breached, 2 not proven, 3 refused (flags,
preflight), 4 not to be had (server, database, disk), 130 interrupted
before there was a verdict.
Every flag can also be given as PGRPO_..., as in PGRPO_PRIMARY_PGDSN; one that may be
repeated takes a value from each line of its variable.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseUnknown(cmd.Root(), os.Environ()); err != nil {
				return err
			}
			if err := fromEnvironment(cmd.Flags(), os.LookupEnv); err != nil {
				return err
			}
			return moreThanNothing(cmd.Flags(), "rto-conn-timeout", "capture-timeout", "outage-threshold", "decode-timeout")
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", inPlainWords(err), cmd.CommandPath())}
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&logging.format, "log-format", logging.format, "how the log is written: text or json")
	root.PersistentFlags().StringVar(&logging.level, "log-level", logging.level, "the least that is logged: debug, info, warn or error")
	root.AddCommand(demoCommand(logging), runCommand(logging), compareCommand(logging),
		initCommand(logging), resetCommand(logging), reportCommand(), recheckCommand(), slotsCommand(), timelineCommand(),
		explainCommand(logging),
		selfTestCommand(logging, compare.Judge, scenario.All()...))
	refuseUnknownTopics(root)
	sayWhichHelp(root)
	return root
}

// refuseUnknownTopics makes help on what is no command a usage error.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}
	help.Args = func(_ *cobra.Command, topic []string) error {
		c := root
		for _, word := range topic {
			i := slices.IndexFunc(c.Commands(), func(below *cobra.Command) bool { return below.Name() == word })
			if i < 0 {
				return fmt.Errorf("unknown command %q for %q", word, c.CommandPath())
			}
			c = c.Commands()[i]
		}
		return nil
	}
}

// sayWhichHelp makes a wrong number of arguments a usage error of the command that
// it was given to, down the whole tree.
func sayWhichHelp(c *cobra.Command) {
	args := c.Args
	if args == nil {
		args = cobra.NoArgs
	}
	c.Args = func(cmd *cobra.Command, given []string) error {
		err := args(cmd, given)
		if i := slices.IndexFunc(given, isTruth); err != nil && i >= 0 {
			err = fmt.Errorf("%q belongs to no flag: one that is true or false takes its value after a \"=\", as in --async-repo-mode=false", given[i])
		}
		if err != nil {
			return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
	for _, below := range c.Commands() {
		sayWhichHelp(below)
	}
}

// oneArgument wants the one argument that the command's line of usage names.
func oneArgument(cmd *cobra.Command, given []string) error {
	if len(given) == 1 {
		return nil
	}
	_, what, _ := strings.Cut(cmd.Use, " ")
	return fmt.Errorf("%d arguments: want one, %s", len(given), what)
}

func isTruth(word string) bool { return word == "true" || word == "false" }

// inPlainWords says of a value that is none of the flag's type what the flag wants,
// and of a word behind one dash that it wants two.
func inPlainWords(err error) error {
	if absent, ok := errors.AsType[*pflag.NotExistError](err); ok && absent.GetSpecifiedShortnames() != "" {
		word, _, _ := strings.Cut(absent.GetSpecifiedShortnames(), "=")
		return fmt.Errorf("unknown flag: -%s: the flags of pgrpo begin with two dashes", word)
	}
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	want, ok := map[string]string{
		"bool": "true or false", "int": "a whole number", "int32": "a whole number", "int64": "a whole number",
		"uint32": "a whole number of 0 or more", "uint64": "a whole number of 0 or more", "float64": "a number",
	}[invalid.GetFlag().Value.Type()]
	if !ok {
		return err
	}
	return fmt.Errorf("--%s %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// version is the module's version as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
