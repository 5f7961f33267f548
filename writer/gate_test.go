package writer

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

var (
	first  = process{line{1, 1}, 100}
	second = process{line{1, 1}, 200}
)

// must enters and demands the turn.
func must(t *testing.T, g *gate, p process) *turn {
	t.Helper()
	got, err := g.enter(t.Context(), p)
	if err != nil || got == nil {
		t.Fatalf("enter(%v) = %v, %v; want a turn", p, got, err)
	}
	return got
}

// pass enters and demands to be let through.
func pass(t *testing.T, g *gate, p process) {
	t.Helper()
	if got, err := g.enter(t.Context(), p); err != nil || got != nil {
		t.Fatalf("enter(%v) = %v, %v; want to pass", p, got, err)
	}
}

func TestGateOneLooksAndOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		turn := must(t, g, first)
		passed := 0
		done := make(chan struct{})
		for range 3 {
			go func() {
				if other, err := g.enter(t.Context(), first); err != nil || other != nil {
					t.Errorf("a waiting worker got %v, %v", other, err)
				}
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		select {
		case <-done:
			t.Error("a worker passed before the look was over")
			passed++
		default:
		}
		turn.saw(pg.NotLooked)
		for ; passed < 3; passed++ {
			<-done
		}
	})
}

func TestGateFailedLookPassesTheTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		turn := must(t, g, first)
		got := make(chan bool)
		go func() {
			next, err := g.enter(t.Context(), first)
			got <- err == nil && next != nil
		}()
		synctest.Wait()
		turn.failed()
		if !<-got {
			t.Fatal("nobody took the turn over")
		}
	})
}

func TestGateWaitEndsWithTheContext(t *testing.T) {
	g := newGate()
	must(t, g, first)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ctx, first); err == nil {
		t.Fatal("enter returned no error")
	}
}

func TestGateLooksAgain(t *testing.T) {
	g := newGate()
	must(t, g, first).saw(pg.NotLooked)
	pass(t, g, first)
	g.acked(first.line, txn.ID{Seq: 1}, 50)
	g.acked(first.line, txn.ID{Seq: 2}, 70)
	g.acked(first.line, txn.ID{Seq: 3}, 60)
	pass(t, g, first)

	// A new process of the line is looked at, and so is an old one after a
	// loss: for the ack with the greatest position.
	turn := must(t, g, second)
	if want := (floor{txn.ID{Seq: 2}, 70}); turn.floor != want {
		t.Fatalf("floor %+v, want %+v", turn.floor, want)
	}
	turn.saw(pg.Present)
	turn.failed() // does nothing any more
	pass(t, g, second)
	g.lost()
	must(t, g, second).saw(pg.Present)
	must(t, g, first).saw(pg.Present)

	other := must(t, g, process{line{1, 2}, 200})
	if other.floor != (floor{}) {
		t.Fatalf("another timeline has floor %+v", other.floor)
	}
}

func TestGateForgetsWhatIsProvenLost(t *testing.T) {
	g := newGate()
	g.acked(first.line, txn.ID{Seq: 9}, 90)
	must(t, g, first).saw(pg.Absent)
	g.acked(first.line, txn.ID{Seq: 10}, 40)
	g.lost()
	if got, want := must(t, g, first).floor, (floor{txn.ID{Seq: 10}, 40}); got != want {
		t.Fatalf("floor after the loss %+v, want %+v", got, want)
	}
}

// TestGateKeepsWhatWasAckedMeanwhile lets an ack come while a look is under way
// for one that is lost: the look says nothing of it.
func TestGateKeepsWhatWasAckedMeanwhile(t *testing.T) {
	g := newGate()
	g.acked(first.line, txn.ID{Seq: 9}, 90)
	turn := must(t, g, first)
	g.acked(first.line, txn.ID{Seq: 10}, 100)
	turn.saw(pg.Absent)
	g.lost()
	if got, want := must(t, g, first).floor, (floor{txn.ID{Seq: 10}, 100}); got != want {
		t.Fatalf("floor %+v, want %+v", got, want)
	}
}
