package node

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// mostWAL bounds what [ReadWAL] is to hold.
const mostWAL = 32 << 20

// ReadWAL reads the bytes of a server's log between two positions of a timeline, as
// a standby would get them, on a replication connection of its own. A server that
// does not have all of them, since its log is shorter, forked before, or no longer
// kept, answers with an error. No slot is used, and nothing is kept for the reader.
func ReadWAL(ctx context.Context, t Target, on pg.Timeline, from, to pg.LSN) ([]byte, error) {
	if to < from || to-from > mostWAL {
		return nil, fmt.Errorf("read WAL of timeline %d: from %s to %s is no stretch to be read", on, from, to)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := ConnectReplication(ctx, t, "pgrpo/wal")
	if err != nil {
		return nil, err
	}
	defer Close(conn)
	log, err := readWAL(ctx, conn, on, from, to)
	if err != nil {
		return nil, fmt.Errorf("read WAL of timeline %d from %s to %s on %s: %w", on, from, to, remote(conn), err)
	}
	return log, nil
}

func readWAL(ctx context.Context, conn *pgconn.PgConn, on pg.Timeline, from, to pg.LSN) ([]byte, error) {
	conn.Frontend().SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION PHYSICAL %s TIMELINE %d", from, on)})
	if err := conn.Frontend().Flush(); err != nil {
		return nil, err
	}
	var log []byte
	for uint64(len(log)) < uint64(to-from) {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return nil, err
		}
		switch msg := msg.(type) {
		case *pgproto3.ErrorResponse:
			return nil, pgconn.ErrorResponseToPgError(msg)
		case *pgproto3.CopyDone, *pgproto3.RowDescription:
			return nil, fmt.Errorf("timeline %d ends before", on)
		case *pgproto3.CopyData:
			if len(msg.Data) == 0 || msg.Data[0] != pglogrepl.XLogDataByteID {
				continue
			}
			part, err := pglogrepl.ParseXLogData(msg.Data[1:])
			if err != nil {
				return nil, err
			}
			if at := from + pg.LSN(len(log)); pg.LSN(part.WALStart) != at {
				return nil, fmt.Errorf("the server sent WAL from %s on, expected %s", pg.LSN(part.WALStart), at)
			}
			log = append(log, part.WALData...)
		}
	}
	return log[:to-from], nil
}
