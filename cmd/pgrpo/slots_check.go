package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/slots"
)

// slotsCheckFlags say what is kept or judged.
type slotsCheckFlags struct {
	nodes            nodesFlags
	before, after    string
	names, consumers []string
	patience         duration
	positions        map[string]pg.LSN
}

func slotsCheckCommand() *cobra.Command {
	f := slotsCheckFlags{patience: duration(30 * time.Second)}
	cmd := &cobra.Command{
		Use:   "check --before FILE | --after FILE",
		Short: "say what became of logical slots across a switchover or failover",
		Long: `check --before FILE keeps what all nodes show of their slots. After the switchover,
check --after FILE asks the nodes again, decodes from each logical slot on the server
that took the service over, and gives a verdict on each:

  survived            its consumer goes on without a gap
  survived_rewound    the same, and transactions come again
  ahead               its consumer saw what the new primary never had
  gap_skipped         it was moved on by a position of the old timeline
  gap_recreated       it was made again at a later position
  gap_poisoned        it is confirmed past the end of the log
  lost_temporary      it was temporary when the standby was promoted
  lost_invalidated    the server gave it up
  lost_missing        it is not there
  not_checked         with the reason

Run it before consumers go to the new primary: what they confirm there cannot be told
from a gap. A slot that stands past where it was is judged only where its consumer's
position is known: name with --consumer-lsn the end of the last transaction of the old
primary that the consumer has durably.

A primary that stayed on its timeline and was started again is judged up to where its
log is seen to be the one of the snapshot: a timeline's number and history are not
enough for that.

No slot's confirmed_flush_lsn is moved. While check decodes from a slot, no consumer can;
a slot that its consumer reads from is not_checked. The role needs the right to
replicate, to decode and to read the history of the timeline.

Exit status: 0 all survived (transactions may come again), 1 any ahead, gap or lost, 2
any not checked, 3 refused (flags, file, a version before 13, another cluster), 4 no
node was reached, or no primary for --before. --before: 0 kept.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.before == "") == (f.after == "") {
				return usageError{fmt.Errorf("name one file, with --before or with --after (see %s --help)", cmd.CommandPath())}
			}
			hosts, err := f.parse()
			if err != nil {
				return err
			}
			if f.before != "" {
				return f.keep(cmd, hosts)
			}
			return f.judge(cmd, hosts)
		},
	}
	flags := cmd.Flags()
	f.nodes.add(flags)
	flags.StringVar(&f.before, "before", "", "`file` to keep what the nodes show now")
	flags.StringVar(&f.after, "after", "", "`file` that --before wrote")
	flags.StringArrayVar(&f.names, "slot", nil, "`name` of a slot to look at (repeatable); all logical ones unless given")
	flags.StringArrayVar(&f.consumers, "consumer-lsn", nil, "`SLOT=LSN` up to which a consumer has all durably (repeatable)")
	flags.Var(&f.patience, "decode-timeout", "time for decoding from one slot")
	return cmd
}

// parse checks the flags and gives the nodes.
func (f *slotsCheckFlags) parse() ([]node.Target, error) {
	f.positions = map[string]pg.LSN{}
	for _, given := range f.consumers {
		name, text, ok := strings.Cut(given, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("--consumer-lsn %q: want SLOT=LSN, as in orders=0/16B3748", given)}
		}
		at, err := pg.ParseLSN(text)
		if err == nil && at == 0 {
			err = fmt.Errorf("0/0 is no position")
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("--consumer-lsn %s: %w", name, err)}
		}
		f.positions[name] = at
	}
	return f.nodes.hosts()
}

// choose are the slots to look at, among those of the snapshot's primary.
func (f *slotsCheckFlags) choose(s slots.Snapshot) ([]pg.Slot, error) {
	chosen, err := s.Choose(f.names)
	if err != nil {
		return nil, err
	}
	for name := range f.positions {
		if !slices.ContainsFunc(chosen, func(s pg.Slot) bool { return s.Name == name }) {
			return nil, trouble.Refuse("--consumer-lsn %s: there is no such logical slot among those to look at", name)
		}
	}
	return chosen, nil
}

// keep takes the snapshot.
func (f *slotsCheckFlags) keep(cmd *cobra.Command, hosts []node.Target) error {
	s := slots.Keep(cmd.Context(), hosts)
	if err := s.Refuse(); err != nil {
		return err
	}
	primary, ok := s.Primary()
	unseen(cmd.ErrOrStderr(), s, "is not in the snapshot")
	if !ok {
		return trouble.Unreachable("keep the slots: no primary was seen, or more than one")
	}
	chosen, err := f.choose(s)
	if err != nil {
		return err
	}
	s.Consumers = f.positions
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the slots: %w", err)
	}
	if err := run.WriteFile(f.before, append(content, '\n')); err != nil {
		return trouble.Unreachable("keep the slots: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "kept %d logical slots of %s in %s\n", len(chosen), primary.Name, f.before)
	return err
}

// judge compares now with the snapshot.
func (f *slotsCheckFlags) judge(cmd *cobra.Command, hosts []node.Target) error {
	before, err := slots.Load(f.after)
	if err != nil {
		return err
	}
	chosen, err := f.choose(before)
	if err != nil {
		return err
	}
	now := slots.Survey(cmd.Context(), hosts)
	if err := now.RefuseAfter(before); err != nil {
		return err
	}
	all := slots.Check(cmd.Context(), before, now, chosen, f.positions, hosts, time.Duration(f.patience))
	if err := cmd.Context().Err(); err != nil {
		return fmt.Errorf("check the slots: %w", err)
	}
	print := checkedText
	if f.nodes.format == "json" {
		print = checkedJSON
	}
	// The server that took the service over may be among them.
	unseen(cmd.ErrOrStderr(), now, "was not seen, and nothing of it is in the verdicts")
	if err := print(cmd.OutOrStdout(), all); err != nil {
		return err
	}
	return answered(slots.AllSurvived(all))
}

// unseen names the nodes that did not answer.
func unseen(to io.Writer, s slots.Snapshot, what string) {
	for _, n := range s.Nodes {
		if n.Err != "" {
			fmt.Fprintf(to, "pgrpo: %s %s: %s\n", n.Name, what, n.Err)
		}
	}
}

// checkedText prints a line for each slot.
func checkedText(to io.Writer, all []slots.Judged) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(to, "not checked: the snapshot has no logical slot")
		return err
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, j := range all {
		stretch := "-"
		if j.To != 0 {
			stretch = j.From.String() + " to " + j.To.String()
		}
		reason := j.Reason
		for i, v := range j.Also {
			reason += "; also " + v.String() + ": " + j.AlsoReasons[i]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", j.Name, j.Verdict, stretch, reason)
	}
	return w.Flush()
}

// checkedJSON prints the same for programs, with the keys of a run's report.
func checkedJSON(to io.Writer, all []slots.Judged) error {
	type slot struct {
		Name    string   `json:"name"`
		Node    string   `json:"node"`
		Verdict string   `json:"verdict"`
		Also    []string `json:"also"`
		Reason  string   `json:"reason"`
		// AlsoReasons say of each in Also why it holds.
		AlsoReasons []string `json:"also_reasons"`
		Before      *pg.Slot `json:"before"`
		After       *pg.Slot `json:"after"`
		// From and To bound what the verdict speaks of.
		From *pg.LSN `json:"from_lsn"`
		To   *pg.LSN `json:"to_lsn"`
		// Again is how many transactions come again.
		Again *int `json:"transactions_again"`
	}
	shown := []slot{}
	for _, j := range all {
		s := slot{Name: j.Name, Node: j.Node, Verdict: j.Verdict.String(), Also: []string{}, Reason: j.Reason, AlsoReasons: append([]string{}, j.AlsoReasons...), Before: j.Before, After: j.After, Again: j.Times}
		for _, v := range j.Also {
			s.Also = append(s.Also, v.String())
		}
		if j.To != 0 {
			s.From, s.To = &j.From, &j.To
		}
		shown = append(shown, s)
	}
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(struct {
		Schema int    `json:"schema_version"`
		Slots  []slot `json:"slots"`
	}{slots.Schema, shown})
}
