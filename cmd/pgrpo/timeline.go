package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// timelineFlags say which nodes are looked at, and what is asked about them.
type timelineFlags struct {
	cluster    clusterFlags
	dirs       []string
	at, format string
}

func (t *timelineFlags) add(f *pflag.FlagSet) {
	t.cluster.add(f, "")
	f.Lookup("repo-pgdsn").Hidden = true
	f.Lookup("standby-pgdsn").Usage = "`DSN` of one more node, whatever its role (repeatable)"
	f.StringArrayVar(&t.dirs, "data-dir", nil, "data `directory` of a server that is down (repeatable)")
	f.StringVar(&t.at, "at", "", "`TIMELINE/LSN` to look for in each node's history, as 1/0/3000060")
	f.StringVar(&t.format, "report", "text", "text or json")
}

// hosts are the servers to ask, each host of each DSN once.
func (t *timelineFlags) hosts() ([]node.Target, error) {
	if t.cluster.primary == "" && len(t.cluster.standbys) == 0 && len(t.dirs) > 0 {
		return nil, nil
	}
	primary, standbys, err := t.cluster.targets()
	if err != nil {
		return nil, err
	}
	var hosts []node.Target
	for _, target := range append([]node.Target{primary}, standbys...) {
		for _, h := range target.Hosts() {
			if !slices.ContainsFunc(hosts, func(k node.Target) bool { return k.Addresses()[0] == h.Addresses()[0] }) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts, nil
}

func timelineCommand() *cobra.Command {
	var flags timelineFlags
	cmd := &cobra.Command{
		Use:   "timeline",
		Short: "which nodes share which log, and where their timelines forked",
		Long: `timeline asks every node by itself, each host of each DSN, for its role, timeline,
log positions and history, and shows where the histories forked, which nodes are on
one log, and how many bytes each has that another has not. It changes nothing.

--at asks of each node whether the record that starts at a position of a timeline is
in its history. --data-dir adds a server that is down, from its files: name the
directory of a dead primary before pg_rewind is run on it.

The history is read over a replication connection, for which the role needs the
attribute REPLICATION. What could not be seen is named; nothing is guessed for it.

Exit status: 0 all was told, 2 a node was not reached or something cannot be told,
3 refused (flags, a position on a timeline that no node knows), 4 no node reached.`,
		Example: `  pgrpo timeline --primary-pgdsn 'postgres://tester@db1:5432,db2:5432/test' \
      --data-dir /var/lib/postgresql/15/dead --at 1/0/3000060`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	flags.add(cmd.Flags())
	return cmd
}

func (t *timelineFlags) run(cmd *cobra.Command) error {
	if t.format != "text" && t.format != "json" {
		return usageError{fmt.Errorf("--report %q: want text or json", t.format)}
	}
	var asked *lineage.Question
	if t.at != "" {
		q, err := lineage.ParseQuestion(t.at)
		if err != nil {
			return usageError{fmt.Errorf("--at: %w", err)}
		}
		asked = &q
	}
	hosts, err := t.hosts()
	if err != nil {
		return err
	}
	var files []lineage.Node
	for i, dir := range t.dirs {
		if slices.Contains(t.dirs[:i], dir) {
			continue
		}
		n, err := fromFiles(dir)
		if err != nil {
			return trouble.Refuse("--data-dir: %w", err)
		}
		files = append(files, n)
	}
	nodes, err := fromServers(cmd.Context(), hosts)
	if interrupted := cmd.Context().Err(); interrupted != nil {
		return interrupted
	}
	if err != nil && len(files) == 0 {
		return err
	}
	seen := sight{Picture: lineage.Draw(append(nodes, files...)), asked: asked}
	if err := seen.answer(); err != nil {
		return err
	}
	print := seen.text
	if t.format == "json" {
		print = seen.json
	}
	if err := print(cmd.OutOrStdout()); err != nil {
		return err
	}
	return seen.doubt()
}

// sight is the picture of the nodes with what was asked about it.
type sight struct {
	lineage.Picture
	asked   *lineage.Question
	answers []lineage.Answer
}

// answer answers what was asked, and refuses a timeline that nobody knows.
func (s *sight) answer() error {
	if s.asked == nil {
		return nil
	}
	if !s.Known(s.asked.Timeline) {
		return trouble.Refuse("--at %s: no node knows timeline %d; they are on %s", s.asked, s.asked.Timeline, s.timelines())
	}
	s.answers = s.Where(*s.asked)
	return nil
}

// timelines lists the timelines of the nodes, for people.
func (s *sight) timelines() string {
	var all []string
	for _, n := range s.Nodes {
		if word := fmt.Sprint(n.Timeline); n.Timeline != 0 && !slices.Contains(all, word) {
			all = append(all, word)
		}
	}
	return strings.Join(all, ", ")
}

// doubt is an error if something could not be told: in one line the first that
// could not, for the rest stands in the report.
func (s *sight) doubt() error {
	lines := s.Untold()
	for _, a := range s.answers {
		if a.Verdict == lineage.Unclear {
			lines = append(lines, fmt.Sprintf("whether %s is in the history of %s cannot be told: %s", s.asked, a.Node, a.Why))
		}
	}
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return judgingError{fmt.Errorf("not all could be told: %s", lines[0])}
	default:
		return judgingError{fmt.Errorf("not all could be told: %s (and %d more, see the report)", lines[0], len(lines)-1)}
	}
}
