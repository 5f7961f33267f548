package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgrpo/pgrpo/slots"
)

func slotsWatchCommand() *cobra.Command {
	var nodes nodesFlags
	every, most := duration(time.Second), duration(0)
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "tell what happens to the slots of all nodes, as it happens",
		Long: `watch asks every node by itself, again and again, and prints a line for each change: a
slot that appears, vanishes, was dropped and made again under its name, went back, was
moved on with nobody seen to read from it, is confirmed past the end of the log, was
given up by the server; its wal_status and flags, and who reads from it; a node that is
away and back, was promoted, or went to another timeline. What a consumer confirms in
the usual way is no change.

A server does not tell a slot from another of the same name. That it was made again
between two looks shows in what was decoded from it (PostgreSQL 15 and newer), in its
plugin, its database, or in a state that no slot comes back from; where nothing shows
it, a slot that was never read from is said to have been moved on, which is a doubt.

It ends with --duration or an interrupt. It changes nothing and needs no rights; what
more rights would show is named. With --report json each line is a JSON value.

Exit status: 0 nothing bad was seen; 1 a slot vanished, was made again, went back,
was lost, or is confirmed past the end of the log; 2 a node could not be seen all the
time, or what happened to a slot cannot be told; 3 refused (flags, a version before
13, nodes of two clusters); 4 no node was reached at first.`,
		Example: `  pgrpo slots watch --primary-pgdsn 'postgres://tester@db1:5432,db2:5432/test' --duration 10m`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hosts, err := nodes.hosts()
			if err != nil {
				return err
			}
			if every <= 0 {
				return usageError{fmt.Errorf("--interval %s: want more than 0", every.String())}
			}
			ctx := cmd.Context()
			if most > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(most))
				defer cancel()
			}
			tell := tellText(cmd.OutOrStdout())
			if nodes.format == "json" {
				tell = tellJSON(cmd.OutOrStdout())
			}
			answer, err := slots.Watch(ctx, slots.Vigil{Hosts: hosts, Every: time.Duration(every), Tell: tell})
			if err != nil {
				return err
			}
			return answered(answer)
		},
	}
	f := cmd.Flags()
	nodes.add(f)
	f.Var(&every, "interval", "time between two looks at a node")
	f.Var(&most, "duration", "how long to watch; until interrupted, unless given")
	return cmd
}

// tellText prints a line for people.
func tellText(to io.Writer) func(slots.Change) error {
	return func(c slots.Change) error {
		what := c.Node
		if c.Slot != "" {
			what += " slot " + c.Slot
		}
		_, err := fmt.Fprintf(to, "%s  %-5s  %s: %s: %s\n", c.At.UTC().Format("2006-01-02T15:04:05.000Z"), strings.ToUpper(c.Weight.String()), what, c.Kind, c.Text)
		return err
	}
}

// tellJSON prints a JSON value in a line, for programs.
func tellJSON(to io.Writer) func(slots.Change) error {
	out := json.NewEncoder(to)
	type line struct {
		Schema int `json:"schema_version"`
		slots.Change
	}
	return func(c slots.Change) error { return out.Encode(line{slots.Schema, c}) }
}
