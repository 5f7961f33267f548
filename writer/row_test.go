package writer

import (
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// brief is a timeout that an attempt of a test is to reach.
const brief = time.Second

// presence is whether the server has a transaction.
type presence string

const (
	present presence = "there"
	absent  presence = "not there"
)

// life is what becomes of a session with an attempt.
type life string

const (
	// lives: the next attempt goes on the same connection.
	lives life = "lives"
	// leaves: the worker hangs up, though the connection is sound.
	leaves life = "leaves"
	// lost: the connection is lost, and the next one looks at the last acked
	// marker again.
	lost life = "lost"
)

// form is how an attempt is sent.
type form int

const (
	// one statement, which is its own transaction.
	one form = iota
	// many statements from BEGIN to COMMIT in one pipeline.
	many
)

func (f form) String() string { return [...]string{"one statement", "pipeline"}[f] }

// inserts is the sequence of one attempt that inserts.
func (f form) inserts() sequence { return sequence{[...]string{"insert", "insert insert"}[f]} }

// updates is a sequence whose last attempt updates what the one before inserted.
func (f form) updates() sequence {
	return [...]sequence{{"insert", "update"}, {"insert insert", "update update"}}[f]
}

// both are the forms that most rows are tried in.
func both() []form { return []form{one, many} }

// row is one row of the table of outcomes: how it comes about, what the entry
// must say, and what the server then has.
type row struct {
	name     string
	forms    []form // both, if none is named
	sequence func(form) sequence
	change   func(*Config)
	// arrange is done before the attempt, meanwhile while it is under way.
	arrange, meanwhile func(*bench)
	// spoken is what the server says, by the types of its messages, for each
	// form; not looked at if empty.
	spoken [2]string
	want   txn.Entry
	life   life
	there  presence
}

// judged is the entry of an attempt of which the server told nothing before it
// ended.
func judged(o txn.Outcome, p txn.Phase, f txn.Fault, state string) txn.Entry {
	return txn.Entry{Outcome: o, Phase: p, Fault: f, State: txn.StateOf(state)}
}

// told is the entry of an attempt of which the server told LSN and xid.
func told(o txn.Outcome, p txn.Phase, f txn.Fault, state string) txn.Entry {
	e := judged(o, p, f, state)
	e.LSN, e.Xid = 1, 1
	return e
}

// play tries rows on a server.
func play(t *testing.T, server *sandbox.Server, rows []row) {
	for _, r := range rows {
		forms := r.forms
		if forms == nil {
			forms = both()
		}
		for _, f := range forms {
			t.Run(r.name+"/"+f.String(), func(t *testing.T) { r.play(t, server, f) })
		}
	}
}

// play lets the row come about, and holds the entry, the session and the server
// against what is expected.
func (r row) play(t *testing.T, server *sandbox.Server, f form) {
	sequence := form.inserts
	if r.sequence != nil {
		sequence = r.sequence
	}
	b := newBench(t, server, sequence(f), r.change)
	seq := txn.Seq(len(b.entries[b.worker.number]) + 1)
	if r.arrange != nil {
		r.arrange(b)
	}
	b.heard()
	b.send(r.meanwhile)
	spoken := b.heard()
	e := b.entries[b.worker.number][seq-1]

	want := r.want
	want.Conn = 1
	same(t, "entry", plain(e), want)
	if r.spoken[f] != "" {
		same(t, "the server's words", spoken, r.spoken[f])
	}
	b.survives(r.life)
	b.restore()
	b.speak(nil)
	marker, rows := b.truth(seq)
	same(t, "the marker", marker, r.there)
	if full := (marker == present); full != (rows == int(f)+1) || !full && rows != 0 {
		t.Errorf("the marker is %s, with %d rows", marker, rows)
	}
	if e.Outcome.IsAck() && marker == absent || e.Outcome == txn.Failed && marker == present {
		t.Errorf("%v, and the marker is %s", e.Outcome, marker)
	}
	b.goesOn(r.life)
}

// send makes one attempt while the test does something else.
func (b *bench) send(meanwhile func(*bench)) {
	b.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- b.worker.attempt(b.t.Context()) }()
	if meanwhile != nil {
		meanwhile(b)
	}
	select {
	case err := <-ended:
		check(b.t, err)
	case <-time.After(2 * patience):
		b.t.Fatal("the attempt does not end")
	}
}

// survives holds the worker's session against what should have become of it.
func (b *bench) survives(want life) {
	b.t.Helper()
	got := lives
	switch {
	case b.worker.session == nil && b.worker.gate.era > 0:
		got = lost
	case b.worker.session == nil:
		got = leaves
	}
	same(b.t, "the session", got, want)
}

// goesOn demands that the next attempt is acked, on the first connection if that
// lives, else on the second, without a connect that failed.
func (b *bench) goesOn(l life) {
	b.t.Helper()
	// The row's own deadline is not that of what follows.
	b.worker.load.StatementTimeout = patience
	conn := txn.Conn(1)
	if l != lives {
		conn = 2
	}
	if b.worker.session == nil {
		b.connect()
	}
	b.send(nil)
	all := b.entries[b.worker.number]
	if e := all[len(all)-1]; e.Outcome != txn.Acked || e.Conn != conn {
		b.t.Errorf("the next attempt is %+v, want it acked on connection %d", e, conn)
	}
	if len(b.probes) != 0 {
		b.t.Errorf("failed connects were kept: %+v", b.probes)
	}
}
