package writer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// refusal is a connect that leads to no attempt: a probe is kept in its place.
type refusal struct {
	name    string
	arrange func(*bench)
	fault   txn.Fault
	state   string
}

// refuse tries refusals on a server.
func refuse(t *testing.T, server *sandbox.Server, refusals []refusal) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) { r.play(t, server) })
	}
}

// play lets the connect fail, and then lets one succeed whose first attempt has
// the first seq.
func (r refusal) play(t *testing.T, server *sandbox.Server) {
	b := newBench(t, server, one.inserts(), nil)
	b.worker.hangUp()
	r.arrange(b)
	check(t, b.worker.connect(t.Context()))
	if b.worker.session != nil {
		t.Fatal("there is a session")
	}
	if len(b.probes) != 1 {
		t.Fatalf("probes %+v, want one", b.probes)
	}
	p := b.probes[0]
	same(t, "probe", txn.Probe{Worker: p.Worker, Fault: p.Fault, State: p.State},
		txn.Probe{Worker: b.worker.number, Fault: r.fault, State: txn.StateOf(r.state)})
	if n := b.count(func(txn.Entry) bool { return true }); n != 0 {
		t.Errorf("%d attempts, want none", n)
	}
	b.restore()
	b.speak(nil)
	b.reconnect()
	b.send(nil)
	if all := b.entries[b.worker.number]; len(all) != 1 || all[0].Outcome != txn.Acked {
		t.Errorf("entries %+v, want the first attempt acked", all)
	}
}

// reconnect connects until there is a session.
func (b *bench) reconnect() {
	b.t.Helper()
	until(b.t, "a session", func() bool {
		check(b.t, b.worker.connect(b.t.Context()))
		return b.worker.session != nil
	})
}

// role lets the worker connect as a role of its own, made with these options.
func role(options string) func(*bench) {
	return func(b *bench) {
		name := fmt.Sprintf("worker_%d", b.config.Run)
		b.sql("create role " + name + " superuser login; alter role " + name + " " + options)
		was := b.worker.target
		as, err := node.Parse(fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", b.relay.Port(), name))
		check(b.t, err)
		b.worker.target = as.WithTimeout(patience).WithoutCancel()
		b.later(func() { b.worker.target = was; b.sql("drop role " + name) })
	}
}

// impatient bounds the worker's connect.
func impatient(b *bench) {
	was := b.worker.load.ConnectTimeout
	b.worker.load.ConnectTimeout = brief
	b.later(func() { b.worker.load.ConnectTimeout = was })
}

func TestRefusals(t *testing.T) {
	frozen := func(b *bench) { b.relay.Freeze(); b.later(b.relay.Resume) }
	refuse(t, shared, []refusal{
		{"reset", func(b *bench) { b.relay.Cut(); b.later(b.relay.Resume) }, txn.Reset, ""},
		{"black hole", after(impatient, frozen), txn.Timeout, ""},
		{"black hole after the login", after(impatient, stopped(is('T'), relay.Silence)), txn.Timeout, ""},
		{"cut after the login", stopped(is('T'), relay.End), txn.Reset, ""},
		{"57P01 after the login", instead(is('T'), failure("FATAL", "57P01")...), txn.ShuttingDown, "57P01"},
		{"53300, the role's limit", role("nosuperuser connection limit 0"), txn.TooManyConnections, "53300"},
		{"28000", role("nologin"), txn.OtherFault, "28000"},
		{"read only by the role's setting", role("set default_transaction_read_only = on"), txn.ReadOnly, ""},
		{"3D000", func(b *bench) {
			was := b.worker.target
			gone, err := node.Parse(b.server.DSNAt(b.relay.Addr(), "nosuch"))
			check(b.t, err)
			b.worker.target = gone
			b.later(func() { b.worker.target = was })
		}, txn.OtherFault, "3D000"},
	})
}

// TestRefused has nobody listen.
func TestRefused(t *testing.T) {
	b := newBench(t, shared, one.inserts(), nil)
	b.worker.hangUp()
	check(t, b.relay.Close())
	check(t, b.worker.connect(t.Context()))
	if len(b.probes) != 1 || b.probes[0].Fault != txn.Refused || b.probes[0].State != (txn.SQLState{}) {
		t.Errorf("probes %+v, want one that was refused", b.probes)
	}
}

// TestFullServer has a server with all of its connections taken.
func TestFullServer(t *testing.T) {
	const most = 12
	server, err := sandboxtest.Open(t).Primary(t.Context(), "full", map[string]string{
		"max_connections": fmt.Sprint(most), "superuser_reserved_connections": "1", "autovacuum": "off",
	})
	check(t, err)
	refuse(t, server, []refusal{{"53300", func(b *bench) {
		target, err := node.Parse(server.DSN("postgres"))
		check(b.t, err)
		for range most {
			conn, err := node.Connect(b.t.Context(), target, "one of many")
			if err != nil {
				return
			}
			b.later(func() { node.Close(conn) })
		}
		b.t.Fatal("the server takes any number of connections")
	}, txn.TooManyConnections, "53300"}})
}

// TestNotReady has a server that shuts down as soon as its clients have gone,
// and then one that is held in recovery.
func TestNotReady(t *testing.T) {
	server := sandboxtest.Primary(t)
	b := newBench(t, server, one.inserts(), nil)
	number := b.worker.number
	// A server process that has just begun may not listen yet.
	notReady := func(what string) {
		t.Helper()
		until(t, what, func() bool {
			check(t, b.worker.connect(t.Context()))
			if b.worker.session != nil {
				t.Fatal("there is a session")
			}
			return b.probes[len(b.probes)-1].State != (txn.SQLState{})
		})
		p := b.probes[len(b.probes)-1]
		same(t, what, txn.Probe{Fault: p.Fault, State: p.State}, txn.Probe{Fault: txn.StartingUp, State: txn.StateOf("57P03")})
	}
	// The shutdown waits for the admin session.
	b.worker.hangUp()
	stopped := make(chan error, 1)
	go func() { stopped <- server.Stop(t.Context(), sandbox.Smart) }()
	until(t, "the shutdown", func() bool {
		target, err := node.Parse(server.DSN("postgres"))
		check(t, err)
		conn, err := node.Connect(t.Context(), target, "test")
		if err == nil {
			node.Close(conn)
		}
		return err != nil
	})
	notReady("shutting down")
	node.Close(b.admin)
	check(t, <-stopped)

	check(t, server.Start(t.Context()))
	held := filepath.Join(server.Dir(), "held.end")
	check(t, server.Set(t.Context(), "restore_command", "while test ! -e held.end; do sleep 0.05; done; false"))
	check(t, server.Stop(t.Context(), sandbox.Fast))
	check(t, os.WriteFile(filepath.Join(server.Dir(), "recovery.signal"), nil, 0o644))
	started := make(chan error, 1)
	go func() { started <- server.Start(t.Context()) }()
	notReady("starting up")
	if n := b.count(func(txn.Entry) bool { return true }); n != 0 {
		t.Errorf("%d attempts, want none", n)
	}
	check(t, os.WriteFile(held, nil, 0o644))
	check(t, <-started)
	b.reconnect()
	b.send(nil)
	if all := b.entries[number]; len(all) != 1 || all[0].Outcome != txn.Acked {
		t.Errorf("entries %+v, want the first attempt acked", all)
	}
}

// TestAttemptOnAStandby has a server in recovery answer an attempt, as it may
// behind a pooler: the worker itself would send it none.
func TestAttemptOnAStandby(t *testing.T) {
	box := sandboxtest.Open(t)
	primary, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	pool, err := box.Pooler(t.Context(), "pool", primary, nil)
	check(t, err)
	standby, err := box.Standby(t.Context(), "standby", primary, "")
	check(t, err)
	for _, f := range both() {
		t.Run(f.String(), func(t *testing.T) {
			check(t, pool.Retarget(t.Context(), primary))
			b := newBench(t, primary, f.inserts(), func(c *Config) {
				target, err := node.Parse(pool.DSN("postgres"))
				check(t, err)
				c.Target = target
			})
			check(t, standby.WaitReplayed(t.Context(), primary))
			check(t, pool.Retarget(t.Context(), standby))
			b.send(nil)
			same(t, "entry", plain(b.entries[b.worker.number][0]), judged(txn.Failed, txn.Answered, txn.ReadOnly, "25006"))
			if b.worker.session != nil {
				t.Error("the session lives")
			}
			marker, _ := b.truth(1)
			same(t, "the marker", marker, absent)
			check(t, b.worker.connect(t.Context()))
			if n := len(b.probes); n != 1 || b.probes[0].Fault != txn.ReadOnly {
				t.Errorf("probes %+v, want one of a server that only reads", b.probes)
			}
		})
	}
}
