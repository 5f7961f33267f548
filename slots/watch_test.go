package slots_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// vigil is a watch under way, and what it has told.
type vigil struct {
	stop   context.CancelFunc
	done   chan struct{}
	answer slots.Answer
	err    error

	mu  sync.Mutex
	all []slots.Change
}

// watch begins to watch these nodes.
func watch(t *testing.T, consumers func() map[string]pg.LSN, targets ...node.Target) *vigil {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	v := &vigil{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		v.answer, v.err = slots.Watch(ctx, slots.Vigil{Hosts: slots.Hosts(targets...), Every: 50 * time.Millisecond, Consumers: consumers,
			Tell: func(c slots.Change) error {
				v.mu.Lock()
				defer v.mu.Unlock()
				v.all = append(v.all, c)
				return nil
			}})
	}()
	t.Cleanup(func() {
		stop()
		<-v.done
		for _, c := range v.told() {
			t.Logf("%s %s %s %q %s %s: %s", c.At.Format("05.000"), c.Node, c.Role, c.Slot, c.Kind, c.Weight, c.Text)
		}
	})
	return v
}

func (v *vigil) told() []slots.Change {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.all)
}

// end ends the watch, and gives its answer.
func (v *vigil) end(t *testing.T) slots.Answer {
	t.Helper()
	v.stop()
	<-v.done
	check(t, v.err)
	return v.answer
}

// heard tells how often that was told of a server's slot, or of the server.
func (v *vigil) heard(on *sandbox.Server, slot string, k slots.Kind) int {
	n := 0
	for _, c := range v.told() {
		if c.Node == on.Addr() && c.Slot == slot && c.Kind == k {
			n++
		}
	}
	return n
}

// await waits until that was told.
func (v *vigil) await(t *testing.T, on *sandbox.Server, slot string, k slots.Kind) {
	t.Helper()
	until(t, fmt.Sprintf("slot %q of %s is told to be %s", slot, on.Name(), k), func() bool { return v.heard(on, slot, k) > 0 })
}

// A watch through the death of a primary says of each node once that it is away, and
// of each slot what became of it; a node that hangs holds up none of the others.
func TestWatchAFailover(t *testing.T) {
	t.Parallel()
	box := sandboxtest.Open(t)
	settings, failover := map[string]string{}, ""
	keeps := major(t) >= 17
	if keeps {
		settings["sync_replication_slots"], failover = "on", failoverSlot
	}
	primary, err := box.Primary(t.Context(), "primary", settings)
	check(t, err)
	sql(t, primary, "create table t (a int)")
	// They are older than the standby: its copies stay temporary until their consumers
	// go on.
	create(t, primary, failover, "idle", "kept")
	insert(t, primary, 2)
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), primary))
	hung, err := relay.Listen(t.Context(), standby.Addr())
	check(t, err)
	t.Cleanup(func() { _ = hung.Close() })
	hung.Freeze()
	behind, err := node.Parse(standby.DSNAt(hung.Addr(), "postgres"))
	check(t, err)

	v := watch(t, nil, append(hosts(t, primary, standby), behind)...)
	v.await(t, primary, "", slots.Watching)
	v.await(t, standby, "", slots.Watching)
	create(t, primary, "", "new")
	v.await(t, primary, "new", slots.Appeared)
	if keeps {
		for _, name := range []string{"idle", "kept"} {
			until(t, name+" is on the standby, temporary", func() bool {
				return value(t, standby, "select coalesce(bool_and(temporary), false) from pg_replication_slots where slot_name = '"+name+"'") == "t"
			})
		}
		// The watch has seen what was there before this.
		sql(t, standby, "select pg_create_physical_replication_slot('beacon')")
		v.await(t, standby, "beacon", slots.Appeared)
		until(t, "kept is told to stay on the standby", func() bool {
			sql(t, primary, "select pg_log_standby_snapshot()")
			insert(t, primary, 1)
			consume(t, primary, "kept")
			return v.heard(standby, "kept", slots.Persistent) > 0
		})
	}
	check(t, primary.Kill())
	v.await(t, primary, "", slots.Away)
	check(t, standby.Promote(t.Context()))
	v.await(t, standby, "", slots.Promoted)
	if keeps {
		// Its copy is seen to go before the promotion, or with it.
		until(t, "idle is told to be missing", func() bool {
			return slices.ContainsFunc(v.told(), func(c slots.Change) bool {
				return c.Slot == "idle" && c.Role == slots.RolePrimary && c.Weight == slots.Bad
			})
		})
	} else {
		v.await(t, standby, "idle", slots.Missing)
		v.await(t, standby, "kept", slots.Missing)
		create(t, standby, "", "kept")
		v.await(t, standby, "kept", slots.Remade)
	}
	check(t, primary.Start(t.Context()))
	v.await(t, primary, "", slots.Back)
	if answer := v.end(t); answer != slots.No {
		t.Errorf("all is well: %s", answer)
	}
	if v.heard(primary, "", slots.Away) != v.heard(primary, "", slots.Back) || v.heard(primary, "", slots.Restarted) != 1 || keeps && v.heard(standby, "kept", slots.Missing)+v.heard(standby, "kept", slots.Vanished) != 0 {
		t.Error("told more than once, or of a slot that was kept")
	}
}

// A consumer that goes on is no change, and one that is moved past what it has is.
func TestWatchAConsumer(t *testing.T) {
	t.Parallel()
	p := sandboxtest.Primary(t)
	sql(t, p, "create table t (a int)")
	create(t, p, "", "followed")
	var has pg.LSN
	var mu sync.Mutex
	var looks atomic.Int64
	v := watch(t, func() map[string]pg.LSN {
		mu.Lock()
		defer mu.Unlock()
		looks.Add(1)
		return map[string]pg.LSN{"followed": has}
	}, hosts(t, p)...)
	v.await(t, p, "", slots.Watching)
	for range 5 {
		insert(t, p, 1)
		mu.Lock()
		has = lsn(t, p, "select pg_current_wal_lsn()")
		sql(t, p, "select pg_replication_slot_advance('followed', '"+has.String()+"')")
		mu.Unlock()
		// The second look from here began after the slot was moved.
		seen := looks.Load()
		until(t, "it was looked at", func() bool { return looks.Load() > seen+1 })
	}
	if n := v.heard(p, "followed", slots.Jumped); n != 0 {
		t.Errorf("%d jumps were told of a consumer that goes on", n)
	}
	insert(t, p, 1)
	sql(t, p, "select pg_replication_slot_advance('followed', pg_current_wal_lsn())")
	v.await(t, p, "followed", slots.Jumped)
	if answer := v.end(t); answer != slots.No {
		t.Errorf("all is well: %s", answer)
	}
}

// The end of a watch, which comes in the middle of a look, is nobody's absence.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	p := sandboxtest.Primary(t)
	seen := false
	for limit := time.Second; !seen; limit *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		answer, err := slots.Watch(ctx, slots.Vigil{Hosts: hosts(t, p), Every: time.Millisecond, Tell: func(c slots.Change) error {
			seen = true
			t.Logf("%s: %s", c.Kind, c.Text)
			return nil
		}})
		cancel()
		if answer != slots.Yes && seen || err != nil {
			t.Fatalf("all is well: %s, %v", answer, err)
		}
	}
	broken := errors.New("the reader is gone")
	if _, err := slots.Watch(t.Context(), slots.Vigil{Hosts: hosts(t, p), Every: time.Millisecond, Tell: func(slots.Change) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}
