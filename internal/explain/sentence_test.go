package explain_test

import (
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// acked are the facts of an attempt that the old primary acknowledged, and that the
// survivor, which left it at 0/1000, lacks.
func acked() explain.Facts {
	history := pg.History{{Parent: 1, End: 0x1000, Reason: "r"}}
	server := txn.Connection{Address: "db1:5432", Contact: pg.Contact{System: 7, Timeline: 1, Start: 5}}
	return explain.Facts{
		ID: txn.ID{Run: 9, Worker: 3, Seq: 4711}, Account: compare.Acked,
		Entry:   txn.Entry{Outcome: txn.Acked, Sent: time.Second, Took: time.Millisecond, LSN: 0x2000, Xid: 88, Conn: 1},
		Started: time.Date(2026, 11, 20, 17, 2, 0, 0, time.UTC), Server: &server, Branch: 1, Min: 0x2000, Max: 0x2100,
		Branches: pg.Branches{
			{ID: 1, System: 7, Timeline: 1, HasHistory: true},
			{ID: 2, System: 7, Timeline: 2, HasHistory: true, History: history, Parent: 1, Fork: 0x1000},
		},
		Survivor: explain.Survivor{Name: "db2:5432", Branch: 2},
		Capture:  compare.CaptureFacts{Heard: true, Complete: true, Followed: pg.Position{Branch: 2, LSN: 0x9000}},
		Nodes:    []explain.Node{{Name: "db2:5432", Role: "primary", Branch: 2, Marker: pg.Absent, Survivor: true}},
	}
}

// captured lets the stream have shown the attempt at that position of branch 1.
func captured(at pg.LSN) func(*explain.Facts) {
	return func(f *explain.Facts) {
		f.Commits = []txn.Commit{{ID: f.ID, Branch: 1, LSN: at, End: at + 0x30, Xid: 88}}
	}
}

// read lets somebody have read the commit record in the WAL at that position.
func read(at pg.LSN) func(*explain.Facts) {
	return func(f *explain.Facts) {
		f.Sightings = append(f.Sightings, explain.Sighting{Branch: 1, Source: "d", Start: at, End: at + 0x30, Xid: 88})
	}
}

func unasked(f *explain.Facts) { f.Nodes = nil }

func TestSentence(t *testing.T) {
	const who, ack = "Worker 3 seq 4711 ", "was acknowledged by db1:5432 on timeline 1 at 17:02:01.001, "
	const lost, kept = "it was lost with the old primary, db2:5432 does not have it; ", "it is kept on db2:5432; "
	const unshown = "the stream did not show it to pgrpo."
	for _, tc := range []struct {
		name    string
		changes []func(*explain.Facts)
		want    string
	}{
		{"lost, seen", []func(*explain.Facts){captured(0x14B0)},
			ack + "its commit record at 0/14B0 lies 1.2 kB past the fork 0/1000 to timeline 2: " + lost + "consumers of the stream saw it."},
		{"lost at the very fork", []func(*explain.Facts){captured(0x1000)},
			ack + "its commit record at 0/1000 lies 0 B past the fork 0/1000 to timeline 2: " + lost + "consumers of the stream saw it."},
		{"lost, not seen", nil,
			ack + "its commit record, between 0/2000 and 0/2100, lies at least 4.1 kB past the fork 0/1000 to timeline 2: " + lost + unshown},
		{"lost, not seen, read in the WAL", []func(*explain.Facts){read(0x2040)},
			ack + "its commit record at 0/2040 lies 4.2 kB past the fork 0/1000 to timeline 2: " + lost + unshown},
		{"lost, read where the client says that it is not", []func(*explain.Facts){read(0x20F0)},
			ack + "its commit record, between 0/2000 and 0/2100, lies at least 4.1 kB past the fork 0/1000 to timeline 2: " + lost + unshown},
		{"lost, read at two positions", []func(*explain.Facts){read(0x2040), read(0x2080)},
			ack + "its commit record, between 0/2000 and 0/2100, lies at least 4.1 kB past the fork 0/1000 to timeline 2: " + lost + unshown},
		{"lost, read by two", []func(*explain.Facts){read(0x2040), read(0x2040)},
			ack + "its commit record at 0/2040 lies 4.2 kB past the fork 0/1000 to timeline 2: " + lost + unshown},
		{"kept", []func(*explain.Facts){captured(0xFD0), func(f *explain.Facts) { f.Nodes[0].Marker = pg.Present }},
			ack + "its commit record at 0/FD0 lies 48 B before the fork 0/1000 to timeline 2: " + kept + "consumers of the stream saw it."},
		{"kept, across the fork for all that the client knows", []func(*explain.Facts){func(f *explain.Facts) {
			f.Min, f.Max, f.Nodes[0].Marker = 0xF00, 0x1100, pg.Present
		}}, ack + "its commit record, between 0/F00 and 0/1100, may lie before or past the fork 0/1000 to timeline 2: " + kept + unshown},
		{"an upper bound at the fork", []func(*explain.Facts){func(f *explain.Facts) {
			f.Min, f.Max, f.Nodes[0].Marker = 0xF00, 0x1000, pg.Present
		}}, ack + "its commit record, between 0/F00 and 0/1000, lies at least 0 B before the fork 0/1000 to timeline 2: " + kept + unshown},
		{"in doubt", []func(*explain.Facts){func(f *explain.Facts) {
			f.Account, f.Entry.Outcome, f.Max = compare.InDoubt, txn.InDoubt, 0
		}}, "was sent to db1:5432 on timeline 1 at 17:02:01.000 and is in doubt, since no answer told its end, " +
			"its commit record, which starts at or past 0/2000, if there is one, lies at least 4.1 kB past the fork 0/1000 to timeline 2: " +
			"it turned out rolled back, db2:5432 does not have it; " + unshown},
		{"failed", []func(*explain.Facts){func(f *explain.Facts) {
			f.Account, f.Entry.Outcome, f.Entry.Phase, f.Entry.State = compare.Failed, txn.Failed, txn.Answered, txn.StateOf("22012")
		}}, "was refused by db1:5432 on timeline 1 at 17:02:01.001 with SQLSTATE 22012: as promised, db2:5432 does not have it; " + unshown},
		{"account lost", []func(*explain.Facts){func(f *explain.Facts) {
			f.Account, f.Entry, f.Branch, f.Min = compare.NoEntry, txn.Entry{}, 0, 0
		}}, "has no entry in the ledger, whose end is missing: db2:5432 does not have it, and nobody knows what the client was told; " + unshown},
		{"nobody asked, the log", []func(*explain.Facts){unasked, captured(0x14B0)},
			ack + "its commit record at 0/14B0 lies 1.2 kB past the fork 0/1000 to timeline 2: by the log it was lost, and no survivor could be asked; consumers of the stream saw it."},
		{"nobody asked, and no history", []func(*explain.Facts){unasked, func(f *explain.Facts) { f.Survivor, f.Branches = explain.Survivor{}, f.Branches[:1] }},
			ack + "its commit record, between 0/2000 and 0/2100, lies where no history tells whether it was kept: " +
				"whether it was kept is not known, since no survivor could be asked; " + unshown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := acked()
			for _, change := range tc.changes {
				change(&f)
			}
			if got := explain.Of(f).Sentence; got != who+tc.want {
				t.Errorf("\n got %s\nwant %s", got, who+tc.want)
			}
		})
	}
}

// Where the stream did not show it, the reason is the first that the facts prove.
func TestWhyNotCaptured(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*explain.Facts)
		want   string
	}{
		{"failed", func(f *explain.Facts) { f.Account = compare.Failed }, "it was rolled back, and the stream shows commits alone"},
		{"no capture", func(f *explain.Facts) { f.Capture = compare.CaptureFacts{} }, "the run did not capture the stream"},
		{"before", func(f *explain.Facts) { f.Capture.Start = pg.Position{Branch: 1, LSN: 0x2100} },
			"it was committed before capture began at 0/2100 on timeline 1"},
		{"in a gap", func(f *explain.Facts) {
			f.Capture.Gaps = []txn.Gap{{Branch: 1, From: 0x20FF, To: 0x3000, Reason: "the slot was gone"}}
		},
			"capture has a gap from 0/20FF to 0/3000 on timeline 1, which it may lie in: the slot was gone"},
		{"of a position that is not known", func(f *explain.Facts) {
			f.Branch, f.Min, f.Max = 0, 0, 0
			f.Capture.Gaps = []txn.Gap{{Branch: 1, From: 0x1000, To: 0x1100, Reason: "the slot was gone"}}
		},
			"capture has a gap from 0/1000 to 0/1100 on timeline 1, which it may lie in: the slot was gone"},
		{"behind a gap", func(f *explain.Facts) { f.Capture.Gaps = []txn.Gap{{Branch: 1, From: 0x1000, To: 0x2000}} },
			"capture had gone on to timeline 2, and did not see the end of the timeline that it was acknowledged on"},
		{"followed so far only", func(f *explain.Facts) { f.Capture.Followed = pg.Position{Branch: 1, LSN: 0x2000} },
			"capture followed the stream to 0/2000 on timeline 1 only"},
		{"no end", func(f *explain.Facts) { f.Capture.Complete = false }, "the stream was not followed to its end"},
		{"unexplained", func(f *explain.Facts) { f.Branch = 2 }, "nothing explains it: it lies in no recorded gap"},
	} {
		f := acked()
		tc.change(&f)
		if got := explain.Of(f).Uncaptured; got == nil || *got != tc.want {
			t.Errorf("%s: %v, want %q", tc.name, got, tc.want)
		}
	}
}
