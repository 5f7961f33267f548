package capture

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestPublication(t *testing.T) {
	primary := sandboxtest.Primary(t)
	for name, test := range map[string]func(*testing.T, *sandbox.Server){
		"mended before the first stream": testPublicationMended,
		"gone while nobody listened":     testPublicationGone,
		"not ours to make":               testPublicationNotOurs,
	} {
		t.Run(name, func(t *testing.T) { test(t, primary) })
	}
}

// A publication that lacks something is mended before the first stream begins,
// and nothing is missing then.
func testPublicationMended(t *testing.T, primary *sandbox.Server) {
	for name, harm := range map[string]string{
		"gone": "drop publication %s", "lacks a table": "alter publication %s drop table pgrpo.worker_0001",
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, primary, primary.DSN("postgres"))
			tr.must(primary.Exec(tr.ctx, fmt.Sprintf(harm, node.NameOf(tr.run))))
			r := tr.capture()
			r.awaitReady(t)
			stop := tr.load(primary, 1)
			tr.pass(r, 20)
			stop()
			tr.finish(r, primary)
			tr.exactly(primary)
		})
	}
}

// What was written while a publication was gone is not in the stream: the gap
// is recorded, and what follows is heard.
func testPublicationGone(t *testing.T, primary *sandbox.Server) {
	for name, harm := range map[string]func(tr *trial, r *running, name string){
		"dropped": func(tr *trial, _ *running, name string) {
			tr.must(primary.Exec(tr.ctx, "drop publication "+name))
		},
		// The server's error is then all that tells.
		"dropped and made again by hand": func(tr *trial, _ *running, name string) {
			tr.must(primary.Exec(tr.ctx, "drop publication "+name))
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 2, 1)))
			tr.must(primary.Exec(tr.ctx, "create publication "+name+" for table pgrpo.marker, pgrpo.worker_0000, pgrpo.worker_0001, pgrpo.worker_0002"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, primary, primary.DSN("postgres"))
			r := tr.capture()
			r.awaitReady(t)
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 1, 1)))
			tr.reach(r, 1)
			r.halt(t)
			tr.slotOn(primary)
			harm(tr, r, node.NameOf(tr.run))
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 3, 1)))
			unheard := tr.lsnOf(primary, "select pg_current_wal_flush_lsn()")
			r = tr.capture()
			if name != "dropped" && onlyWarnsOfMissing(tr, primary) {
				// Nothing tells capture: what was written meanwhile is just not
				// in the stream, and is for the judge to find.
				r.awaitReady(t)
				tr.reach(r, 1)
				tr.finish(r, primary)
				got := tr.captured()
				if len(got[txn.ID{Run: tr.run, Seq: 2}]) != 0 || len(got[txn.ID{Run: tr.run, Seq: 3}]) != 1 {
					t.Errorf("captured %+v", got)
				}
				return
			}
			// A stream begins with 42704 only when the first transaction is
			// decoded, so being ready does not mean that the new slot stands.
			tr.until("wait for the gap", func() bool { return r.Counters().Gaps.Load() == 1 })
			tr.until("wait for the stream", func() bool { return tr.slotUser(primary) != "" })
			tr.must(primary.Exec(tr.ctx, insertMany(tr.run, 4, 1)))
			tr.reach(r, 1)
			tr.finish(r, primary)
			gaps, err := tr.repo.Gaps(tr.ctx, tr.run)
			tr.must(err)
			if len(gaps) != 1 || gaps[0].To < unheard || !strings.Contains(gaps[0].Reason, "publication") {
				t.Errorf("gaps: %+v, unheard up to %v", gaps, unheard)
			}
			got := tr.captured()
			if len(got[txn.ID{Run: tr.run, Seq: 1}]) != 1 || len(got[txn.ID{Run: tr.run, Seq: 3}]) != 0 || len(got[txn.ID{Run: tr.run, Seq: 4}]) != 1 {
				t.Errorf("captured %+v", got)
			}
		})
	}
}

// onlyWarnsOfMissing tells whether the server, from 18 on, only warns of a
// publication that was missing when a transaction was written.
func onlyWarnsOfMissing(tr *trial, primary *sandbox.Server) bool {
	version, err := primary.Value(tr.ctx, "select current_setting('server_version_num')::int >= 180000")
	tr.must(err)
	return version == "t"
}

// A role that may not make the publication does not stream, and says so; once
// somebody has made it, the stream begins.
func testPublicationNotOurs(t *testing.T, primary *sandbox.Server) {
	tr := newTrial(t, primary, primary.DSN("postgres"))
	name := node.NameOf(tr.run)
	tr.must(primary.Exec(tr.ctx, "create role guest login replication; grant usage on schema pgrpo to guest; "+
		"grant select, insert, update, delete on all tables in schema pgrpo to guest; drop publication "+name))
	tr.must(primary.SetHBA(tr.ctx, "host all guest 127.0.0.1/32 trust", "host replication guest 127.0.0.1/32 trust"))
	u, err := url.Parse(primary.DSN("postgres"))
	tr.must(err)
	u.User = url.User("guest")
	tr.target, err = node.Parse(u.String())
	tr.must(err)
	var told heard
	r := tr.captureWith(&told)
	tr.until("wait for the event", func() bool { return told.count(EventPublication) > 0 })
	select {
	case <-r.Ready():
		t.Error("the stream began without a publication")
	default:
	}
	tr.must(primary.Exec(tr.ctx, "create publication "+name+" for table pgrpo.marker, pgrpo.worker_0000, pgrpo.worker_0001, pgrpo.worker_0002"))
	r.awaitReady(t)
	r.halt(t)
}

// heard keeps the events that it is told of.
type heard struct {
	mu     sync.Mutex
	events []Event
}

func (h *heard) Event(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *heard) count(kind EventKind) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
