package writer

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Statements says how a session sends its statements.
type Statements uint8

const (
	// Prepared statements are parsed once for each connection.
	Prepared Statements = iota
	// Unnamed statements are parsed each time, as a pooler needs that gives
	// each transaction another server connection.
	Unnamed
)

// session is one connection of one worker, past its identification. It sends
// attempts and says what became of them.
type session struct {
	hijacked *pgconn.HijackedConn
	conn     net.Conn
	from     *pgproto3.Frontend
	timeout  time.Duration
	now      func() time.Duration
	composer composer
	// record is the connection that entries name.
	record txn.Connection
	// hop is set when an attempt came from another server process or
	// backend than the record says: a pooler switched.
	hop hop
	// records are those of all server connections that a pooler gave this
	// session.
	records map[hop]txn.Connection
	// pooled says that attempts may go to another server connection than the
	// record's.
	pooled bool
	// dead says that nothing more may be sent.
	dead bool
}

// hop is where an attempt came from.
type hop struct {
	happened bool
	backend  int32
	start    pg.ProcessStart
}

// answer is what reading showed of one attempt.
type answer struct {
	reply
	lsn   pg.LSN
	xid   pg.Xid
	from  hop
	tags  int
	rows  int
	multi bool
}

// Do sends one attempt and waits for its end, at most for the statement timeout
// or until the context's deadline. Whatever goes wrong is in the entry.
func (s *session) Do(ctx context.Context, a txn.Attempt) txn.Entry {
	until := time.Now().Add(s.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	e := txn.Entry{Sent: s.now(), Conn: s.record.Conn()}
	got := s.exchange(a, until)
	e.Took = s.now() - e.Sent
	e.Outcome, e.Phase, e.Fault = settle(got.reply)
	e.State, e.LSN, e.Xid = got.state, got.lsn, got.xid
	if e.Outcome == txn.InDoubt || got.broken != txn.NoFault || got.ready == 0 {
		s.dead = true
	}
	switch f := got.from; {
	case f.happened && (f.backend != s.record.Backend || f.start != s.record.Start):
		s.hop = f
	case !f.happened && s.pooled:
		// Which server it went to is not known: it may not stand beside
		// those that went to the record's.
		e.Conn = 0
	}
	if !s.dead && got.ready != 'I' {
		s.dead = !s.rollback(until)
	}
	if fault := e.State.String(); fault == "26000" || fault == "42P05" {
		// The statement is on another server connection than this one.
		s.composer.mode = Unnamed
	}
	return e
}

// exchange writes the attempt and reads up to ReadyForQuery.
func (s *session) exchange(a txn.Attempt, until time.Time) answer {
	got := answer{multi: len(a.Ops) > 1}
	got.write, got.severity, got.commit, got.results = wroteNothing, noError, noCommit, incomplete
	if got.multi {
		got.commit = unanswered
	}
	if err := s.conn.SetDeadline(until); err != nil {
		got.broken = ioFault(err)
		return got
	}
	err := s.composer.compose(a, func(b []byte) error {
		n, err := s.conn.Write(b)
		if n > 0 {
			got.write = wroteSome
		}
		return err
	})
	if err != nil {
		// What the server said before it closed may still be read, but it
		// cannot make the outcome better known: the attempt was cut short.
		got.broken = ioFault(err)
		return got
	}
	s.read(&got)
	return got
}

// read takes the answer in, up to ReadyForQuery, a fatal error, or the end of
// the connection.
func (s *session) read(got *answer) {
	for parsed := 0; ; {
		m, err := s.from.Receive()
		if err != nil {
			got.broken = ioFault(err)
			return
		}
		switch m := m.(type) {
		case *pgproto3.ParseComplete:
			if parsed < len(s.composer.parsing) {
				s.composer.prepared[s.composer.parsing[parsed]] = true
				parsed++
			}
		case *pgproto3.DataRow:
			got.row(m.Values)
		case *pgproto3.CommandComplete:
			got.tag(m.CommandTag, s.composer.sent)
		case *pgproto3.NoticeResponse:
			if m.Code == warningState {
				got.warned = true
			}
		case *pgproto3.ErrorResponse:
			v := severityOf(m.SeverityUnlocalized)
			fatal := v == isFatal || v == isPanic
			if got.severity == noError || fatal {
				got.severity, got.state = v, txn.StateOf(m.Code)
			}
			if fatal {
				return
			}
		case *pgproto3.ReadyForQuery:
			got.ready = m.TxStatus
			if got.tags == s.composer.sent && got.rows == s.composer.rows {
				got.results = complete
			}
			return
		}
	}
}

// warningState is the SQLSTATE of a plain warning, as which a server says that a
// commit did not wait for its standbys (PostgreSQL's syncrep.c). Any other warning
// leaves an ack the promise that it is.
const warningState = "01000"

// epoch2000 is PostgreSQL's epoch in microseconds since 1970.
const epoch2000 = 946_684_800_000_000

// row keeps what an operation returned; the last one's counts. A row of another
// form leaves the results incomplete.
func (g *answer) row(v [][]byte) {
	if len(v) != 5 || len(v[0]) != 8 || len(v[1]) != 8 || len(v[2]) != 4 || len(v[3]) != 8 {
		return
	}
	g.rows++
	g.xid = pg.Xid(binary.BigEndian.Uint64(v[0]))
	g.lsn = pg.LSN(binary.BigEndian.Uint64(v[1]))
	g.from = hop{
		happened: true,
		backend:  int32(binary.BigEndian.Uint32(v[2])),
		start:    pg.ProcessStart(int64(binary.BigEndian.Uint64(v[3])) + epoch2000),
	}
}

// tag counts statements; the last of several is the COMMIT.
func (g *answer) tag(tag []byte, statements int) {
	g.tags++
	if !g.multi || g.tags != statements {
		return
	}
	switch string(tag) {
	case "COMMIT":
		g.commit = committed
	case "ROLLBACK":
		g.commit = rolledBack
	}
}

// rollback ends a transaction that failed, and tells whether that worked.
func (s *session) rollback(until time.Time) bool {
	if err := s.conn.SetDeadline(until); err != nil {
		return false
	}
	b, _ := (&pgproto3.Query{String: "rollback"}).Encode(nil)
	if _, err := s.conn.Write(b); err != nil {
		return false
	}
	for {
		m, err := s.from.Receive()
		if err != nil {
			return false
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return false
		case *pgproto3.ReadyForQuery:
			return m.TxStatus == 'I'
		}
	}
}

// close ends the connection and never waits for the network: politely where it
// is sound, else by closing the socket.
func (s *session) close() {
	if s.dead {
		discard(s.conn)
	} else {
		s.dead = true
		b, _ := (&pgproto3.Terminate{}).Encode(nil)
		_ = s.conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = s.conn.Write(b)
	}
	closeSocket(s.conn)
}

// discard lets the system drop what the network has not taken yet: it must not
// arrive later, when the attempt may have been settled.
func discard(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// closeSocket closes a connection without the farewell of TLS, which would wait
// for a peer that does not read.
func closeSocket(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}
