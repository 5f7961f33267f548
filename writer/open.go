package writer

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// errReadOnly says that the server is in recovery: nothing is sent to it, so
// that no session lives through a promotion.
var errReadOnly = errors.New("the server is in recovery")

// errJournal marks a failure of the driver's own journal, which ends the run.
type errJournal struct{ error }

func (e errJournal) Unwrap() error { return e.error }

// open makes a session: connect, settings, identity, and the look at the
// driver's last acked marker. The connect timeout bounds each host of the
// target, and the rest once more.
func (w *worker) open(ctx context.Context) (*session, error) {
	each := w.load.ConnectTimeout
	dial, cancel := context.WithTimeout(ctx, each*timesHosts(w.load.Target))
	defer cancel()
	conn, err := node.Connect(dial, w.target, node.AppName(w.load.Run, w.number))
	if err != nil {
		return nil, err
	}
	rest, done := context.WithTimeout(ctx, each)
	defer done()
	record, pooled, err := w.introduce(rest, conn)
	if err != nil {
		abandon(conn)
		return nil, err
	}
	if pooled {
		// A prepared statement is on one server connection of several.
		w.mode = Unnamed
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		abandon(conn)
		return nil, fmt.Errorf("take over connection to %s: %w", record.Address, err)
	}
	return &session{
		hijacked: hijacked, conn: hijacked.Conn, from: hijacked.Frontend,
		timeout: w.load.StatementTimeout, now: w.load.Journal.Now, record: record, pooled: pooled,
		records:  map[hop]txn.Connection{{true, record.Backend, record.Start}: record},
		composer: composer{seed: w.load.Seed, payload: w.load.Mix.PayloadBytes, all: w.statements, mode: w.mode},
	}, nil
}

// introduce learns who answers, and whether that is by a pooler, looks where it
// must, and journals the connection before anything is sent on it.
func (w *worker) introduce(ctx context.Context, conn *pgconn.PgConn) (_ txn.Connection, pooled bool, err error) {
	// A warning is how the server tells that a commit was not replicated, so
	// the role's own setting must not hide it. Behind a pooler this may not
	// last: such a commit then counts as any other, which promises more.
	if _, err := conn.Exec(ctx, "set client_min_messages to notice").ReadAll(); err != nil {
		return txn.Connection{}, false, fmt.Errorf("set client_min_messages: %w", err)
	}
	id, err := node.Identify(ctx, conn)
	if err == nil && id.Pooled {
		// Who answers and what is there must be of one server: a transaction
		// keeps it.
		if _, err := conn.Exec(ctx, "begin read only").ReadAll(); err != nil {
			return txn.Connection{}, false, fmt.Errorf("begin look at %s: %w", id.Address, err)
		}
		defer func() {
			if _, cerr := conn.Exec(ctx, "commit").ReadAll(); err == nil && cerr != nil {
				err = fmt.Errorf("end look at %s: %w", id.Address, cerr)
			}
		}()
		id, err = node.Identify(ctx, conn)
	}
	if err != nil {
		return txn.Connection{}, false, err
	}
	if id.InRecovery || id.ReadOnly {
		return txn.Connection{}, false, fmt.Errorf("connect to %s: %w", id.Address, errReadOnly)
	}
	t, err := w.gate.enter(ctx, processOf(id.Connection))
	if err != nil {
		return txn.Connection{}, false, fmt.Errorf("wait for the look at %s: %w", id.Address, err)
	}
	saw := pg.NotLooked
	if t != nil {
		defer t.failed()
		if t.floor.lsn != 0 {
			if saw, err = node.MarkerPresent(ctx, conn, t.floor.id); err != nil {
				return txn.Connection{}, false, err
			}
			id.Floor, id.Marker = t.floor.lsn, saw
		}
	}
	record, err := w.journal(id.Connection)
	if err != nil {
		return txn.Connection{}, false, err
	}
	if t != nil {
		t.saw(saw)
	}
	return record, id.Pooled, nil
}

// journal numbers the connection and tells the observer.
func (w *worker) journal(c txn.Connection) (txn.Connection, error) {
	number, err := w.load.Journal.Connection(c)
	if err != nil {
		return txn.Connection{}, errJournal{err}
	}
	h := w.load.Journal.Header()
	c.Number, c.Observer = uint32(number), int32(h.Driver)
	c.At = h.Started.UnixNano() + int64(w.load.Journal.Now())
	w.load.Observer.Connected(c)
	return c, nil
}

// follow gives a session the record of the backend that its attempt came from,
// and makes it where the session was not there before. Where the server process is another
// one, the session asks who it is; if yet another one answers, the session ends.
func (w *worker) follow(ctx context.Context, s *session) error {
	c, from := s.record, s.hop
	s.hop, s.pooled = hop{}, true
	if known, ok := s.records[from]; ok {
		s.record = known
		return nil
	}
	c.Backend, c.Floor, c.Marker = from.backend, 0, pg.NotLooked
	if from.start != c.Start {
		// Until the new process has told its log, it stands for none.
		c.Start, c.Timeline, c.Insert = from.start, 0, 0
		if id, err := s.identify(ctx); err == nil && id.Start == from.start {
			c, c.Backend = id.Connection, from.backend
		} else {
			s.dead = true
		}
	}
	record, err := w.journal(c)
	if err != nil {
		return err
	}
	s.record, s.records[from] = record, record
	return nil
}

// identify asks on the open session who answers.
func (s *session) identify(ctx context.Context) (node.Identity, error) {
	if s.dead {
		return node.Identity{}, net.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	conn, err := pgconn.Construct(s.hijacked)
	if err != nil {
		return node.Identity{}, err
	}
	id, err := node.Identify(ctx, conn)
	if err != nil {
		abandon(conn)
		s.dead = true
		return node.Identity{}, err
	}
	if s.hijacked, err = conn.Hijack(); err != nil {
		s.dead = true
		return node.Identity{}, err
	}
	s.conn, s.from = s.hijacked.Conn, s.hijacked.Frontend
	return id, nil
}

// abandon closes a connection at once and waits for what closes it in the
// background.
func abandon(conn *pgconn.PgConn) {
	if conn.IsClosed() {
		closeSocket(conn.Conn())
		<-conn.CleanupDone()
		return
	}
	node.Close(conn)
}

func processOf(c txn.Connection) process {
	return process{line{c.System, c.Timeline}, c.Start}
}
