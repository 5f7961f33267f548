package capture

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// behindPooler puts a pooler between the writers and the server; the stream is
// read past it, from the nodes, which are asked in the order in which they are
// given.
func (tr *trial) behindPooler(box *sandbox.Sandbox, to *sandbox.Server, nodes ...*sandbox.Server) *sandbox.Pooler {
	tr.t.Helper()
	// A client that no server answers is told so soon, by the pooler.
	pool, err := box.Pooler(tr.ctx, "pooler", to, map[string]string{"query_wait_timeout": "2"})
	tr.must(err)
	tr.writers, err = node.Parse(pool.DSN("postgres"))
	tr.must(err)
	var all []node.Target
	for _, v := range nodes {
		target, err := node.Parse(v.DSN("postgres"))
		tr.must(err)
		all = append(all, target)
	}
	tr.target, err = node.Union(all)
	tr.must(err)
	return pool
}

// A pooler is moved to the promoted standby while the old primary lives on, takes
// writes, and is the first of the nodes: the stream follows the writers, and a
// capture that begins after the move does so too.
func TestWritersMovedBehindAPooler(t *testing.T) {
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "alpha", nil)
	if err != nil {
		t.Fatal(err)
	}
	standby, err := box.Standby(t.Context(), "beta", primary, "")
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrial(t, primary, primary.DSN("postgres"))
	pool := tr.behindPooler(box, primary, primary, standby)
	r := tr.capture()
	r.awaitReady(t)
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
	tr.reach(r, 1)
	tr.must(standby.WaitReplayed(tr.ctx, primary))
	tr.must(standby.Promote(tr.ctx))
	tr.must(pool.Retarget(tr.ctx, standby))
	tr.until("wait for the stream of the new primary", func() bool { return tr.slotUser(standby) != "" })
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 1)))
	tr.must(standby.Exec(tr.ctx, insertMany(tr.run, 3, 1)))
	tr.until("wait for the third", func() bool { return len(tr.captured()) == 2 })
	r.halt(t)

	r = tr.capture()
	r.awaitReady(t)
	if tr.slotUser(standby) == "" {
		t.Error("nobody reads from the new primary")
	}
	tr.until("wait until the old primary is left", func() bool { return tr.slotUser(primary) == "" })
	tr.finish(r, standby)
	markers, got := tr.markers(standby), tr.captured()
	for id := range markers {
		if len(got[id]) != 1 {
			t.Errorf("%v was captured %d times", id, len(got[id]))
		}
	}
	if len(markers) != 3 || len(got) != 3 {
		t.Errorf("%d transactions there, %d captured, want the two and the end", len(markers), len(got))
	}
}

// No node that was named is the writers' server: nothing is read, and the error
// says why.
func TestWritersElsewhere(t *testing.T) {
	box := sandboxtest.Open(t)
	var servers [2]*sandbox.Server
	for i := range servers {
		var err error
		if servers[i], err = box.Primary(t.Context(), fmt.Sprintf("server_%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	tr := newTrial(t, servers[0], servers[0].DSN("postgres"))
	tr.behindPooler(box, servers[0], servers[1])
	c := New(tr.config(nil))
	if _, err := c.reader(tr.ctx); err == nil {
		t.Error("a reader was found")
	} else {
		t.Log(err)
	}
	tr.target = tr.writers
	if _, err := New(tr.config(nil)).reader(tr.ctx); err != nil {
		t.Errorf("where the stream is read as the writers write: %v", err)
	}
}

// A server behind a pooler that shuts down is not made to wait for a repo that
// takes nothing.
func TestShutdownBehindAPooler(t *testing.T) {
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "alpha", nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrial(t, primary, primary.DSN("postgres"))
	tr.behindPooler(box, primary, primary)
	r := tr.capture()
	r.awaitReady(t)
	release := tr.store.block()
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
	tr.until("wait for the store", func() bool { return tr.store.waiting.Load() > 0 })
	ctx, cancel := context.WithTimeout(tr.ctx, 40*time.Second)
	defer cancel()
	tr.must(primary.Stop(ctx, sandbox.Fast))
	release()
	tr.must(primary.Start(tr.ctx))
	tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 1)))
	tr.until("wait for both", func() bool { return len(tr.captured()) == 2 })
	r.halt(t)
}
