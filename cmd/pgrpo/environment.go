package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variablePrefix begins the name of each variable that is pgrpo's.
const variablePrefix = "PGRPO_"

// variable is the name of a flag's variable.
func variable(flag string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment gives each flag that the command line does not set the value
// of its PGRPO_ variable; one that may be repeated takes a value from each line. An
// empty variable is as good as none. The flags that turn a run into something else
// are for the command line alone: left in an environment, they would end every run
// with status 0.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := variable(f.Name)
		text, ok := lookup(name)
		if !ok || text == "" || f.Changed || commandLineOnly(f.Name) || failed != nil {
			return
		}
		for _, value := range values(f, text) {
			if err := flags.Set(f.Name, value); err != nil {
				failed = usageError{fmt.Errorf("%s: %w", name, inPlainWords(err))}
				return
			}
		}
	})
	return failed
}

// values are what a variable holds for its flag.
func values(f *pflag.Flag, text string) []string {
	if _, repeatable := f.Value.(pflag.SliceValue); !repeatable {
		return []string{text}
	}
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func commandLineOnly(flag string) bool {
	return slices.Contains([]string{"help", "version", "init", "reset", "check-primary-latency", "print-sql"}, flag)
}

// refuseUnknown refuses an environment with a variable of pgrpo's name that is no
// flag's of any command: a run would go on without what was asked of it.
func refuseUnknown(root *cobra.Command, environ []string) error {
	known := map[string]bool{}
	learn(root, known)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		flag, ours := strings.CutPrefix(name, variablePrefix)
		if !ours || value == "" || known[name] || notOfAFlag(name) {
			continue
		}
		return usageError{fmt.Errorf("%s is set, and there is no flag --%s: correct the name, or unset it",
			name, strings.ToLower(strings.ReplaceAll(flag, "_", "-")))}
	}
	return nil
}

// learn adds the variables of a command's flags, and of all commands below it.
func learn(c *cobra.Command, known map[string]bool) {
	for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) { known[variable(f.Name)] = true })
	}
	for _, below := range c.Commands() {
		learn(below, known)
	}
}

// ofAService matches the variables that Kubernetes makes in each container for a
// service whose name begins with pgrpo.
var ofAService = regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// notOfAFlag tells whether a variable is read by somebody, but for no flag: it
// says where programs are found, is a test's, or one of a service.
func notOfAFlag(name string) bool {
	return slices.Contains([]string{"PGRPO_PG_BINDIRS", "PGRPO_PGBOUNCER", "PGRPO_PG_CACHE"}, name) ||
		strings.HasPrefix(name, "PGRPO_TEST_") || ofAService.MatchString(name)
}
