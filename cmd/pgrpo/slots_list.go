package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/slots"
)

func slotsListCommand() *cobra.Command {
	var nodes nodesFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "show the slots of all nodes, and which would survive a failover now",
		Long: `list asks every node for its replication slots and for the settings that they
depend on, and says of each logical slot of the primary whether it would survive a
failover to each other node now, and why not. It changes nothing and needs no
rights; what more rights would show is named.

Exit status: 0 all logical slots would survive, 1 some would not, 2 it cannot be
told (a node could not be seen, no standby was named), 3 refused (flags, a version
before 13, nodes of two clusters), 4 no node was reached.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hosts, err := nodes.hosts()
			if err != nil {
				return err
			}
			seen := slots.Survey(cmd.Context(), hosts)
			if err := cmd.Context().Err(); err != nil {
				return fmt.Errorf("list the slots: %w", err)
			}
			if err := seen.Refuse(); err != nil {
				return err
			}
			ready := slots.Ready(seen)
			print := listedText
			if nodes.format == "json" {
				print = listedJSON
			}
			if err := print(cmd.OutOrStdout(), seen, ready); err != nil {
				return err
			}
			all, _ := slots.Overall(seen, ready)
			return answered(all)
		},
	}
	nodes.add(cmd.Flags())
	return cmd
}

// listedJSON prints all for programs.
func listedJSON(to io.Writer, seen slots.Snapshot, ready []slots.Readiness) error {
	answer, why := slots.Overall(seen, ready)
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(struct {
		Schema   int               `json:"schema_version"`
		Taken    time.Time         `json:"taken_at"`
		Survives slots.Answer      `json:"would_survive"`
		Reason   string            `json:"reason"`
		Failover []slots.Readiness `json:"failover"`
		Nodes    []slots.Node      `json:"nodes"`
	}{slots.Schema, seen.Taken, answer, why, ready, seen.Nodes})
}

// listedText prints the same for people.
func listedText(to io.Writer, seen slots.Snapshot, ready []slots.Readiness) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, n := range seen.Nodes {
		listNode(w, n)
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, r := range ready {
		fmt.Fprintf(w, "slot %s, failover to %s: %s\n", r.Slot, r.Standby, map[slots.Answer]string{
			slots.Yes: "would survive", slots.No: "would NOT survive", slots.Untold: "cannot be told"}[r.Survives])
		for _, why := range r.Why {
			fmt.Fprintf(w, "  because %s\n", why)
		}
		for _, warning := range r.Warnings {
			fmt.Fprintf(w, "  but %s\n", warning)
		}
	}
	if answer, why := slots.Overall(seen, ready); why != "" {
		fmt.Fprintf(w, "would all survive a failover? %s: %s\n", answer, why)
	}
	return w.Flush()
}

// listNode prints one node with its slots.
func listNode(w io.Writer, n slots.Node) {
	if n.Role == slots.RoleUnreachable {
		fmt.Fprintf(w, "%s: not seen: %s\n\n", n.Name, n.Err)
		return
	}
	timeline := "unknown"
	if n.Timeline != 0 {
		timeline = fmt.Sprint(n.Timeline)
	}
	fmt.Fprintf(w, "%s: %s, PostgreSQL %d, timeline %s, log to %s\n", n.Name, n.Role, n.Version/10000, timeline, position(n.End))
	if len(n.Settings) > 0 {
		fmt.Fprintf(w, "  settings: %s\n", settingsText(n.Settings))
	}
	for _, what := range n.Unseen {
		fmt.Fprintf(w, "  not seen: %s\n", what)
	}
	columns := slotColumns(n)
	if len(n.Slots) > 0 {
		var heads []string
		for _, c := range columns {
			heads = append(heads, c.head)
		}
		fmt.Fprintln(w, "  "+strings.Join(heads, "\t"))
	}
	for _, s := range n.Slots {
		var cells []string
		for _, c := range columns {
			cells = append(cells, c.cell(s))
		}
		fmt.Fprintln(w, "  "+strings.Join(cells, "\t"))
	}
	fmt.Fprintln(w)
}

// settingsText lists settings by name.
func settingsText(all map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+" = "+orElse(all[name], "(empty)"))
	}
	return strings.Join(list, ", ")
}

// slotColumn is a column of the table of slots, for versions from since on.
type slotColumn struct {
	since int
	head  string
	cell  func(pg.Slot) string
}

// slotColumns are those that a node's version has.
func slotColumns(n slots.Node) []slotColumn {
	var have []slotColumn
	for _, c := range []slotColumn{
		{0, "slot", func(s pg.Slot) string { return s.Name }},
		{0, "plugin", func(s pg.Slot) string { return orElse(s.Plugin, "(physical)") }},
		{0, "database", func(s pg.Slot) string { return orElse(s.Database, "-") }},
		{0, "temporary", func(s pg.Slot) string { return yesNo(s.Temporary) }},
		{0, "active", func(s pg.Slot) string { return yesNo(s.Active) }},
		{0, "restart_lsn", func(s pg.Slot) string { return position(s.Restart) }},
		{0, "confirmed_flush_lsn", func(s pg.Slot) string { return position(s.Confirmed) }},
		{0, "lag", func(s pg.Slot) string { return amount(n.Lag(s)) }},
		{0, "retained", func(s pg.Slot) string { return amount(n.Retained(s)) }},
		{0, "wal_status", func(s pg.Slot) string { return orElse(s.WalStatus, "-") }},
		{0, "safe_wal_size", func(s pg.Slot) string { return amount(s.SafeBytes) }},
		{14, "two_phase", func(s pg.Slot) string { return yesNo(s.TwoPhase) }},
		{16, "conflicting", func(s pg.Slot) string { return yesNo(s.Conflicting) }},
		{17, "invalidation_reason", func(s pg.Slot) string { return orElse(s.Invalidation, "-") }},
		{17, "failover", func(s pg.Slot) string { return yesNo(s.Failover) }},
		{17, "synced", func(s pg.Slot) string { return yesNo(s.Synced) }},
		{17, "inactive_since", func(s pg.Slot) string { return moment(s.InactiveSince) }},
		{18, "two_phase_at", func(s pg.Slot) string { return position(s.TwoPhaseAt) }},
	} {
		if n.Version/10000 >= c.since {
			have = append(have, c)
		}
	}
	return have
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func position(l pg.LSN) string {
	if l == 0 {
		return "-"
	}
	return l.String()
}

// amount is a number of bytes.
func amount(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
