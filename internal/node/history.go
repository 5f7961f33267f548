package node

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// System is a server's own word on its log, as IDENTIFY_SYSTEM and
// TIMELINE_HISTORY give it.
type System struct {
	SystemID pg.SystemID
	Timeline pg.Timeline
	// Position is how far the log is flushed; on a standby, how far it may
	// be streamed.
	Position pg.LSN
	Database string
	// HasHistory says that History is known. It is for timeline 1, which has
	// no file and no steps.
	HasHistory bool
	History    pg.History
}

// ReadSystem asks on a replication connection of its own, which the role must
// be allowed to open. A history file that is gone leaves HasHistory false.
func ReadSystem(ctx context.Context, t Target) (System, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := ConnectReplication(ctx, t, "pgrpo/identify")
	if err != nil {
		return System{}, err
	}
	defer Close(conn)
	return ReadSystemOn(ctx, conn)
}

// ReadSystemOn asks on a replication connection that is open already.
func ReadSystemOn(ctx context.Context, repl *pgconn.PgConn) (System, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	got, err := pglogrepl.IdentifySystem(ctx, repl)
	if err != nil {
		return System{}, fmt.Errorf("identify system %s: %w", remote(repl), err)
	}
	id, err := pg.ParseSystemID(got.SystemID)
	if err != nil {
		return System{}, fmt.Errorf("identify system %s: %w", remote(repl), err)
	}
	s := System{SystemID: id, Timeline: pg.Timeline(got.Timeline), Position: pg.LSN(got.XLogPos), Database: got.DBName}
	if s.Timeline <= 1 {
		s.HasHistory = s.Timeline == 1
		return s, nil
	}
	h, err := pglogrepl.TimelineHistory(ctx, repl, got.Timeline)
	if err != nil {
		if sqlState(err) != "" {
			return s, nil
		}
		return System{}, fmt.Errorf("read history of timeline %d on %s: %w", s.Timeline, remote(repl), err)
	}
	if s.History, err = pg.ParseHistory(string(h.Content)); err != nil {
		return System{}, fmt.Errorf("read history of timeline %d on %s: %w", s.Timeline, remote(repl), err)
	}
	s.HasHistory = true
	return s, nil
}
