package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/pg"
)

const (
	// statusEvery is the longest time between two status updates.
	statusEvery = time.Second
	// senderTimeout is the server's patience with us, and ours with it.
	senderTimeout = 60 * time.Second
	// writeTimeout bounds one status update.
	writeTimeout = 10 * time.Second
)

// stream is a replication connection that streams. One goroutine owns it; the
// others may call interrupt alone.
type stream struct {
	conn     net.Conn
	frontend *pgproto3.Frontend
	// paced is what frontend reads from once what the library had buffered
	// is used up; nil before. between says that the last message was read
	// to its end.
	paced    *paced
	between  bool
	status   statusFrame
	deadline time.Time

	received, confirmed pg.LSN
	sentAt, heardAt     time.Time
}

// request says what to stream.
type request struct {
	slot, publication string
	start             pg.LSN
	// confirmed is the slot's own position: a status update must not say 0/0.
	confirmed pg.LSN
	version   int
}

// messagesSince is the first server version whose pgoutput knows the options
// messages and binary.
const messagesSince = 140000

// startStream begins to stream on a replication connection and takes it over,
// whatever comes of it.
func startStream(ctx context.Context, conn *pgconn.PgConn, r request) (*stream, error) {
	args := []string{"proto_version '1'", "publication_names " + literal(identifier(r.publication))}
	if r.version >= messagesSince {
		args = append(args, "messages 'true'", "binary 'true'")
	}
	err := pglogrepl.StartReplication(ctx, conn, identifier(r.slot), pglogrepl.LSN(r.start),
		pglogrepl.StartReplicationOptions{Mode: pglogrepl.LogicalReplication, PluginArgs: args})
	if err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("start streaming from slot %s at %v: %w", r.slot, r.start, err)
	}
	taken, err := conn.Hijack()
	if err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("take over replication connection: %w", err)
	}
	now := time.Now()
	return &stream{
		conn: taken.Conn, frontend: taken.Frontend, between: true,
		received: max(r.start, r.confirmed), confirmed: r.confirmed, heardAt: now,
	}, nil
}

func identifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
func literal(text string) string    { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// errQuiet says that nothing came before the deadline, or that the wait was
// interrupted.
var errQuiet = errors.New("nothing came")

// wait sets until when next may block.
func (s *stream) wait(until time.Time) error {
	if until.Equal(s.deadline) {
		return nil
	}
	s.deadline = until
	return s.conn.SetReadDeadline(until)
}

// interrupt ends the wait of next, now or as soon as it begins. A wait that is
// set after it must look first for what it was called for.
func (s *stream) interrupt() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

// next reads one frame. The frame is valid until the next call. errQuiet means
// that none came in time.
func (s *stream) next(f *pgoutput.Frame) error {
	if s.paced == nil && plain(s.conn) && s.between && s.frontend.ReadBufferLen() == 0 {
		s.paced = newPaced(s.conn)
		s.frontend = pgproto3.NewFrontend(s.paced, s.conn)
	}
	m, err := s.frontend.Receive()
	s.between = err == nil
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.deadline = time.Time{}
			return errQuiet
		}
		return fmt.Errorf("read from the walsender: %w", err)
	}
	switch m := m.(type) {
	case *pgproto3.CopyData:
		if err := f.Parse(m.Data); err != nil {
			return err
		}
		if f.Kind == pgoutput.FrameKeepalive {
			s.received = max(s.received, f.Keepalive.End)
		} else {
			s.received = max(s.received, f.XLogData.Start)
		}
		return nil
	case *pgproto3.ErrorResponse:
		return fmt.Errorf("read from the walsender: %w", pgconn.ErrorResponseToPgError(m))
	case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		return errQuiet
	case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
		return errors.New("read from the walsender: it ended the stream")
	default:
		return fmt.Errorf("read from the walsender: unexpected message %T", m)
	}
}

// lag tells how long after its commit a transaction was sent.
func (s *stream) lag(d time.Duration) {
	if s.paced != nil {
		s.paced.lag(d)
	}
}

// confirm raises the position that status updates call durable.
func (s *stream) confirm(lsn pg.LSN) { s.confirmed = max(s.confirmed, lsn) }

// report sends a status update.
func (s *stream) report(now time.Time, reply replyWanted) error {
	if err := s.conn.SetWriteDeadline(now.Add(writeTimeout)); err != nil {
		return fmt.Errorf("report to the walsender: %w", err)
	}
	if _, err := s.conn.Write(s.status.fill(max(s.received, s.confirmed), s.confirmed, now, reply)); err != nil {
		return fmt.Errorf("report to the walsender: %w", err)
	}
	s.sentAt = now
	return nil
}

// end reports for the last time, ends the stream and reads on until the server
// agrees: a connection that is closed at once may take the last report with it.
// The connection is closed in any case.
func (s *stream) end(ctx context.Context) error {
	defer func() { _ = s.conn.Close() }()
	if err := s.report(time.Now(), noReply); err != nil {
		return err
	}
	s.frontend.Send(&pgproto3.CopyDone{})
	if err := s.frontend.Flush(); err != nil {
		return fmt.Errorf("end stream: %w", err)
	}
	until, bounded := ctx.Deadline()
	if !bounded {
		until = time.Now().Add(writeTimeout)
	}
	if err := s.conn.SetReadDeadline(until); err != nil {
		return fmt.Errorf("end stream: %w", err)
	}
	for {
		m, err := s.frontend.Receive()
		if err != nil {
			return fmt.Errorf("end stream: %w", err)
		}
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			return fmt.Errorf("end stream: %w", pgconn.ErrorResponseToPgError(m))
		case *pgproto3.ReadyForQuery:
			s.frontend.Send(&pgproto3.Terminate{})
			_ = s.frontend.Flush()
			return nil
		}
	}
}

// drop closes the connection without a word.
func (s *stream) drop() { _ = s.conn.Close() }
