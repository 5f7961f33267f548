package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/slots/statefile"
)

func decodeCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "decode PATH",
		Short: "read slots and pg_control from the files of a server that is down",
		Long: `decode reads the data directory of a server, its pg_replslot, one slot's directory,
or one file (state, pg_control), and shows the slots, the last checkpoint and the
timelines that are written there. It asks no server and changes nothing.

Read the directory of a dead primary before pg_rewind is run on it: that empties
pg_replslot. Files of PostgreSQL 13 to 18 are known; checksums are verified, and a
file that is cut, damaged or unknown is named and ends with status 3.`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usageError{fmt.Errorf("--report %q: want text or json", format)}
			}
			d, err := statefile.Read(args[0])
			if err != nil {
				return trouble.Refuse("%w", err)
			}
			print := decodedText
			if format == "json" {
				print = decodedJSON
			}
			if d.Readable() {
				if err := print(cmd.OutOrStdout(), d); err != nil {
					return err
				}
			}
			if err := d.Damaged(); err != nil {
				return trouble.Refuse("%w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "report", "text", "text or json")
	return cmd
}

// decodedText prints what was read for people.
func decodedText(to io.Writer, d statefile.Directory) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if c := d.Control; c != nil {
		fmt.Fprintf(w, "system\t%s\n", c.System)
		fmt.Fprintf(w, "state\t%s, written %s\n", c.State, c.Modified.Format(time.RFC3339))
		fmt.Fprintf(w, "checkpoint\t%s (%s), redo from %s\n", c.Checkpoint, pg.SegmentName(c.Timeline, c.Checkpoint, c.SegmentBytes), c.Redo)
		fmt.Fprintf(w, "timeline\t%d (of the checkpoint)\n", c.Timeline)
		fmt.Fprintf(w, "next xid\t%d\n", c.NextXid)
		if c.MinRecovery != 0 {
			fmt.Fprintf(w, "replay to\t%s on timeline %d before it may be read\n", c.MinRecovery, c.MinRecoveryTimeline)
		}
		if c.State == statefile.InProduction {
			fmt.Fprint(w, "\tit was not shut down: its WAL goes on past the checkpoint\n")
		}
	}
	for _, t := range d.Timelines {
		for _, s := range t.History {
			fmt.Fprintf(w, "timeline %d\tleft %d at %s: %s\n", t.Timeline, s.Parent, s.End, s.Reason)
		}
	}
	fmt.Fprintln(w)
	if err := w.Flush(); err != nil {
		return err
	}
	if len(d.Slots) == 0 {
		return nil
	}
	fmt.Fprintln(w, "slot\tplugin\tdatabase\tkind\trestart_lsn\tconfirmed_flush_lsn\tcatalog_xmin\tstate")
	for _, s := range d.Slots {
		if s.Err != nil {
			continue
		}
		slot := s.Slot
		plugin, database, confirmed := slot.Plugin, fmt.Sprint(slot.Database), slot.Confirmed.String()
		if !slot.Logical() {
			plugin, database, confirmed = "(physical)", "-", "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", slot.Name, plugin, database, slot.Persistence, slot.Restart, confirmed,
			slot.CatalogXmin, slotState(slot))
	}
	return w.Flush()
}

// slotState is what matters of a slot beside its positions, in words.
func slotState(s statefile.Slot) string {
	var words []string
	if s.Invalidation != "" {
		words = append(words, "lost: "+s.Invalidation)
	}
	if s.Persistence != statefile.Persistent {
		words = append(words, "dropped by a promotion or restart")
	}
	if s.Failover {
		words = append(words, "failover")
	}
	if s.Synced {
		words = append(words, "synced")
	}
	if s.TwoPhase {
		words = append(words, "two_phase")
	}
	if len(words) == 0 {
		return "valid"
	}
	return strings.Join(words, ", ")
}

// decodedJSON prints the same for programs. Positions are text, as in every
// report of pgrpo; what the files do not tell is absent.
func decodedJSON(to io.Writer, d statefile.Directory) error {
	type control struct {
		System string `json:"system_id"`
		State  string `json:"state"`
		statefile.Control
	}
	type slot struct {
		File        string `json:"file"`
		Persistence string `json:"persistence"`
		statefile.Slot
	}
	type step struct {
		Parent pg.Timeline `json:"parent"`
		Fork   pg.LSN      `json:"fork_lsn"`
		Reason string      `json:"reason"`
	}
	type timeline struct {
		Timeline pg.Timeline `json:"timeline"`
		History  []step      `json:"history"`
	}
	all := struct {
		Schema    int        `json:"schema_version"`
		Path      string     `json:"path"`
		Major     int        `json:"postgresql,omitempty"`
		Control   *control   `json:"control,omitempty"`
		Slots     []slot     `json:"slots"`
		Timelines []timeline `json:"timelines"`
	}{Schema: 1, Path: d.Path, Major: d.Major, Slots: []slot{}, Timelines: []timeline{}}
	if c := d.Control; c != nil {
		all.Control = &control{c.System.String(), c.State.String(), *c}
	}
	for _, s := range d.Slots {
		if s.Err == nil {
			all.Slots = append(all.Slots, slot{s.Path, s.Slot.Persistence.String(), s.Slot})
		}
	}
	for _, t := range d.Timelines {
		steps := []step{}
		for _, s := range t.History {
			steps = append(steps, step{s.Parent, s.End, s.Reason})
		}
		all.Timelines = append(all.Timelines, timeline{t.Timeline, steps})
	}
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(all)
}
