package plan

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// story keeps all that any attempt may have done to any row, for ever.
type story map[txn.RowID][]deed

type deed struct {
	Version
	marker pg.Presence
}

// expected folds the story of each row, by the words of the definition.
func (s story) expected() []Expected {
	var all []Expected
	for _, id := range slices.Sorted(maps.Keys(s)) {
		e := Expected{ID: id}
		for _, d := range s[id] {
			switch {
			case d.marker == pg.Present:
				e = Expected{ID: id, Last: d.Version}
			case e.Open != Version{}:
				e.Vague, e.Open = true, d.Version
			default:
				e.Open = d.Version
			}
		}
		all = append(all, e)
	}
	return all
}

func (s story) add(a txn.Attempt, marker pg.Presence) {
	if marker == pg.Absent {
		return
	}
	for _, op := range a.Ops {
		s[op.ID] = append(s[op.ID], deed{Version{a.Seq, op.Kind}, marker})
	}
}

func drain(r *Replay, into []Expected) []Expected {
	for e, ok := r.Pop(); ok; e, ok = r.Pop() {
		into = append(into, e)
	}
	return into
}

func TestReplayAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		insert := rapid.IntRange(0, 100).Draw(t, "insert")
		update := rapid.IntRange(0, 100-insert).Draw(t, "update")
		mix := Mix{Insert: insert, Update: update, Delete: 100 - insert - update}
		mix.MaxOps = rapid.SampledFrom([]int{1, 3, 32, 33, 300}).Draw(t, "max ops")
		seed := rapid.Uint64().Draw(t, "seed")
		replay, view, told := NewReplay(mix, seed, 7, 3), New(mix, seed, 7, 3), story{}
		var got []Expected
		step := func(e txn.Entry, marker pg.Presence) {
			a, same := replay.Next(), view.Next()
			if !slices.Equal(a.Ops, same.Ops) || a.ID != same.ID {
				t.Fatalf("the replay of %v differs from its plan:\n%s", same.ID, cmp.Diff(same, a))
			}
			told.add(a, marker)
			view.Settle(e)
			replay.Settle(e, marker)
			if rapid.Bool().Draw(t, "drain") {
				got = drain(replay, got)
			}
		}
		// In some of the cases, enough acks that rows leave the window.
		for range rapid.SampledFrom([]int{0, 0, 60, 600}).Draw(t, "acks first") {
			step(acked, pg.Present)
		}
		for range rapid.IntRange(1, 40).Draw(t, "attempts") {
			e := rapid.SampledFrom([]txn.Entry{
				acked, acked, acked, {Outcome: txn.AckedUnreplicated}, {Outcome: txn.Failed}, {},
				{Outcome: txn.Failed, Fault: txn.Miss}, {Outcome: txn.Failed, State: txn.StateOf("22012")},
			}).Draw(t, "entry")
			step(e, rapid.SampledFrom([]pg.Presence{pg.Present, pg.Present, pg.Present, pg.Absent, pg.NotLooked}).Draw(t, "marker"))
		}
		want := told.expected()
		if rapid.Bool().Draw(t, "unheard") {
			for i := range want {
				_, in := view.window.find(want[i].ID)
				want[i].Vague = want[i].Vague || in
			}
			replay.EndUnheard()
		} else {
			replay.End()
		}
		if got = drain(replay, got); !slices.Equal(want, got) {
			t.Fatalf("expected rows differ:\n%s", cmp.Diff(want, got))
		}
		if replay.Planned() != view.nextID {
			t.Fatalf("planned up to %d, want %d", replay.Planned(), view.nextID)
		}
	})
}

// fateOf gives every kind of fate in turn, by a rhythm of its own.
func fateOf(seq txn.Seq) pg.Presence {
	switch seq % 13 {
	case 4, 6:
		return pg.Absent
	case 8:
		return pg.NotLooked
	default:
		return pg.Present
	}
}

// A million attempts keep no more than the stretch of ids that the window
// spans.
func TestReplayMemoryIsBounded(t *testing.T) {
	for _, mix := range []Mix{single, mixed, {Insert: 30, Update: 40, Delete: 30, MaxOps: 4}, {Insert: 10, Update: 80, Delete: 10, MaxOps: 1}} {
		r, rows := NewReplay(mix, 1, 7, 3), 0
		for range 1_000_000 / mix.MaxOps {
			a := r.Next()
			r.Settle(varied(a.Seq), fateOf(a.Seq))
			for _, ok := r.Pop(); ok; _, ok = r.Pop() {
				rows++
			}
		}
		if kept := len(r.shelf.all); kept > 32*windowRows {
			t.Errorf("%+v: %d rows of memory", mix, kept)
		}
		if rows == 0 {
			t.Errorf("%+v: no row was settled", mix)
		}
	}
}

func TestReplayDoesNotAllocate(t *testing.T) {
	for _, mix := range []Mix{single, mixed, {Insert: 50, Update: 30, Delete: 20, MaxOps: 32}} {
		r := NewReplay(mix, 1, 7, 3)
		step := func() {
			a := r.Next()
			r.Settle(varied(a.Seq), fateOf(a.Seq))
			for _, ok := r.Pop(); ok; _, ok = r.Pop() {
			}
		}
		for range 50_000 {
			step()
		}
		if n := testing.AllocsPerRun(5000, step); n != 0 {
			t.Errorf("%+v: %v allocations an attempt", mix, n)
		}
	}
}

// BenchmarkReplayRows is what the judge pays for an attempt of one operation,
// the expected rows included.
func BenchmarkReplayRows(b *testing.B) {
	r := NewReplay(single, 1, 7, 3)
	b.ReportAllocs()
	for b.Loop() {
		a := r.Next()
		r.Settle(acked, fateOf(a.Seq))
		for _, ok := r.Pop(); ok; _, ok = r.Pop() {
		}
	}
}
