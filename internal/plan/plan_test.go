package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var mixed = Mix{Insert: 50, Update: 30, Delete: 20, MaxOps: 4, PayloadBytes: 64}

var acked = txn.Entry{Outcome: txn.Acked, Phase: txn.Answered}

// text writes n attempts for people and for comparison; each is settled by
// what entry says of its seq.
func text(v *View, n int, entry func(txn.Seq) txn.Entry) string {
	var b strings.Builder
	for range n {
		a := v.Next()
		fmt.Fprintf(&b, "%d/%d/%d", a.Run, a.Worker, a.Seq)
		for _, op := range a.Ops {
			fmt.Fprintf(&b, " %s %d", op.Kind, op.ID)
			if op.Kind != txn.Insert {
				fmt.Fprintf(&b, "@%d", op.Expect)
			}
		}
		b.WriteByte('\n')
		v.Settle(entry(a.Seq))
	}
	return b.String()
}

func always(e txn.Entry) func(txn.Seq) txn.Entry { return func(txn.Seq) txn.Entry { return e } }

// varied gives every kind of entry in turn.
func varied(seq txn.Seq) txn.Entry {
	switch seq % 11 {
	case 3:
		return txn.Entry{Outcome: txn.Failed}
	case 5:
		return txn.Entry{Outcome: txn.Failed, Fault: txn.Miss}
	case 7:
		return txn.Entry{}
	case 9:
		return txn.Entry{Outcome: txn.AckedUnreplicated}
	default:
		return acked
	}
}

func TestSameInputsSamePlan(t *testing.T) {
	const n = 3000
	base := text(New(mixed, 1, 7, 3), n, varied)
	if d := cmp.Diff(base, text(New(mixed, 1, 7, 3), n, varied)); d != "" {
		t.Error(d)
	}
	payload := mixed
	payload.PayloadBytes = 1
	if d := cmp.Diff(base, text(New(payload, 1, 7, 3), n, varied)); d != "" {
		t.Errorf("the payload's size changes the plan: %s", d)
	}
	if base == text(New(mixed, 2, 7, 3), n, varied) {
		t.Error("the seed does not change the plan")
	}
	if base == text(New(mixed, 1, 7, 3), n, always(acked)) {
		t.Error("the entries do not change the plan")
	}
	// The names alone differ by run; all but the names differ by worker.
	strip := func(s, name string) string { return strings.ReplaceAll("\n"+s, "\n"+name, "\n") }
	if strip(base, "7/3/") != strip(text(New(mixed, 1, 8, 3), n, varied), "8/3/") {
		t.Error("the run changes the plan")
	}
	if strip(base, "7/3/") == strip(text(New(mixed, 1, 7, 4), n, varied), "7/4/") {
		t.Error("the worker does not change the plan")
	}
}

// The entries of time, place and duration say nothing to the view.
func TestOnlyTheFateMatters(t *testing.T) {
	noisy := func(seq txn.Seq) txn.Entry {
		e := varied(seq)
		e.LSN, e.Sent, e.Took, e.Xid, e.Conn = 1<<40, 5, 6, 7, 8
		return e
	}
	if d := cmp.Diff(text(New(mixed, 1, 7, 3), 500, varied), text(New(mixed, 1, 7, 3), 500, noisy)); d != "" {
		t.Error(d)
	}
}

// A change of this text means that old ledgers can no longer be judged.
func TestFirstTwentyAttemptsArePinned(t *testing.T) {
	if d := cmp.Diff(pinnedPlan, "\n"+text(New(mixed, 1, 7, 3), 20, varied)); d != "" {
		t.Errorf("the plan is a contract between versions (-want +got):\n%s", d)
	}
}

func TestSharesOfKinds(t *testing.T) {
	for _, mix := range []Mix{
		{Insert: 50, Update: 30, Delete: 20, MaxOps: 1},
		{Insert: 34, Update: 33, Delete: 33, MaxOps: 5},
		{Insert: 100, MaxOps: 3},
		{Insert: 60, Update: 40, MaxOps: 32},
		{Insert: 60, Delete: 40, MaxOps: 2},
	} {
		v := New(mix, 9, 7, 0)
		count := map[txn.Kind]int{}
		sizes := map[int]int{}
		ops, attempts := 0, 40_000
		for range attempts {
			a := v.Next()
			sizes[len(a.Ops)]++
			for _, op := range a.Ops {
				count[op.Kind]++
				ops++
			}
			v.Settle(acked)
		}
		for kind, percent := range map[txn.Kind]int{txn.Insert: mix.Insert, txn.Update: mix.Update, txn.Delete: mix.Delete} {
			got := 100 * float64(count[kind]) / float64(ops)
			if got < float64(percent)-1 || got > float64(percent)+1 {
				t.Errorf("%+v: %.2f %% %s, want %d", mix, got, kind, percent)
			}
			if percent == 0 && count[kind] != 0 {
				t.Errorf("%+v: %d %s", mix, count[kind], kind)
			}
		}
		for n := 1; n <= mix.MaxOps; n++ {
			share, want := float64(sizes[n])/float64(attempts), 1/float64(mix.MaxOps)
			if share < want*0.85 || share > want*1.15 {
				t.Errorf("%+v: share of attempts with %d operations is %.4f, want %.4f", mix, n, share, want)
			}
		}
		if len(sizes) != mix.MaxOps {
			t.Errorf("%+v: sizes %v", mix, sizes)
		}
	}
}

// Where there is no row to change an insert is planned in its place.
func TestInsertForWantOfRows(t *testing.T) {
	want := `
7/3/1 insert 1
7/3/2 delete 1@1
7/3/3 insert 2
7/3/4 delete 2@3
`
	if d := cmp.Diff(want, "\n"+text(New(Mix{Delete: 100, MaxOps: 1}, 1, 7, 3), 4, always(acked))); d != "" {
		t.Error(d)
	}
	// Nothing ever enters: ids are not used twice all the same.
	want = "\n7/3/1 insert 1\n7/3/2 insert 2\n7/3/3 insert 3\n"
	if d := cmp.Diff(want, "\n"+text(New(Mix{Update: 100, MaxOps: 1}, 1, 7, 3), 3, always(txn.Entry{Outcome: txn.Failed}))); d != "" {
		t.Error(d)
	}
}

func TestLargeAttemptsOnlyInsert(t *testing.T) {
	v := New(Mix{Insert: 10, Update: 80, Delete: 10, MaxOps: 20_000}, 1, 7, 3)
	large := 0
	for range 40 {
		a := v.Next()
		for _, op := range a.Ops {
			if len(a.Ops) > MixedOps && op.Kind != txn.Insert {
				t.Fatalf("%v: %s among %d operations", a.ID, op.Kind, len(a.Ops))
			}
		}
		if len(a.Ops) > MixedOps {
			large++
		}
		v.Settle(acked)
		if n := len(v.window.rows); n > windowRows {
			t.Fatalf("the view holds %d rows", n)
		}
	}
	if large == 0 {
		t.Error("no large attempt was planned")
	}
}

func TestMisuseIsNotPlanned(t *testing.T) {
	panics := func(name string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	v := New(mixed, 1, 7, 3)
	panics("an entry before any attempt", func() { v.Settle(acked) })
	v.Next()
	panics("an attempt before the entry", func() { v.Next() })
	v.Settle(acked)
	panics("two entries", func() { v.Settle(acked) })
}

func TestMixValidate(t *testing.T) {
	for mix, ok := range map[Mix]bool{
		mixed:                                 true,
		{Delete: 100, MaxOps: MostOps}:        true,
		{}:                                    false,
		{Insert: 100}:                         false,
		{Insert: 99, MaxOps: 1}:               false,
		{Insert: 101, MaxOps: 1}:              false,
		{Insert: 100, MaxOps: 1}:              true,
		{Insert: 100, MaxOps: 1_000_001}:      false,
		{Insert: 150, Update: -50, MaxOps: 1}: false,
		{Insert: 100, MaxOps: 1, PayloadBytes: -1}:                                         false,
		{Insert: 100, MaxOps: 1, PayloadBytes: MostPayload}:                                true,
		{Insert: 100, MaxOps: 1, PayloadBytes: 1 << 21}:                                    false,
		{Insert: 1 << 62, Update: 1 << 62, Delete: 100 - 1<<63 + 1<<62 + 1<<62, MaxOps: 1}: false,
	} {
		if err := mix.Validate(); (err == nil) != ok {
			t.Errorf("%+v: %v", mix, err)
		}
	}
}
