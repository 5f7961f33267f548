package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// ErrMoved says that the endpoint does not lead to the expected server any
// more; nothing was committed.
var ErrMoved = errors.New("the endpoint leads to another server than the survivor")

// EndPrefix is the prefix of the end transaction's logical message.
const EndPrefix = "pgrpo.end"

// EndContent is the content of that message: run, sentinel and nonce.
func EndContent(number txn.Run, s txn.Sentinel) string {
	return fmt.Sprintf("%d/%d/%s", number, s.Number, hex.EncodeToString(s.Nonce[:]))
}

// End commits sentinel s on the survivor, in one transaction: the logical
// message (from PostgreSQL 14 on), the marker (run, -1, s.Number) that promises
// one operation for each worker, and one row with id -s.Number in each worker's
// table. Sums are made as for an insert of worker -1 with an empty payload.
//
// It commits locally, without waiting for a standby. Before the COMMIT it
// checks that the server is the expected one: [ErrMoved] if not. The context
// bounds it. The caller has journalled the sentinel before; any other error
// leaves open whether it committed.
func End(ctx context.Context, conn *pgconn.PgConn, number txn.Run, workers []txn.Worker, s txn.Sentinel, on Server) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	defer rollback(conn)
	if err := run(ctx, conn, endSQL(number, workers, s)); err != nil {
		if tablesAbsent(err) {
			err = fmt.Errorf("%w (%w)", ErrTablesAbsent, err)
		}
		return fmt.Errorf("send end transaction %d to %s: %w", s.Number, remote(conn), err)
	}
	there, err := Answering(ctx, conn)
	if err != nil {
		return fmt.Errorf("send end transaction %d to %s: %w", s.Number, remote(conn), err)
	}
	if there != on {
		return fmt.Errorf("send end transaction %d to %s: timeline %d, expected %d: %w", s.Number, remote(conn), there.Timeline, on.Timeline, ErrMoved)
	}
	results, err := conn.Exec(ctx, "commit").ReadAll()
	if err != nil {
		return fmt.Errorf("commit end transaction %d on %s: %w", s.Number, remote(conn), err)
	}
	if len(results) != 1 || results[0].CommandTag.String() != "COMMIT" {
		return fmt.Errorf("commit end transaction %d on %s: it was rolled back", s.Number, remote(conn))
	}
	return nil
}

// endSQL is the transaction without its COMMIT. It has no value from outside
// but numbers and hexadecimal digits.
func endSQL(number txn.Run, workers []txn.Worker, s txn.Sentinel) string {
	id := txn.ID{Run: number, Worker: txn.SentinelWorker, Seq: txn.Seq(s.Number)}
	row := txn.RowID(-int64(s.Number))
	sum := txn.SumOf(id, row, txn.Insert, nil)
	var all txn.Sum
	for range workers {
		all ^= sum
	}
	var b strings.Builder
	b.WriteString("begin isolation level read committed; set local synchronous_commit to local; ")
	fmt.Fprintf(&b, "insert into pgrpo.marker (seq, run, worker, ops, crc) values (%d, %d, %d, %d, %d); ",
		id.Seq, id.Run, id.Worker, len(workers), all)
	for _, w := range workers {
		fmt.Fprintf(&b, "insert into pgrpo.%s (id, seq, run, crc, payload) values (%d, %d, %d, %d, ''); ",
			txn.TableOf(w), row, id.Seq, id.Run, sum)
	}
	// On 13, pgoutput cannot send messages: none is written.
	fmt.Fprintf(&b, "select case when current_setting('server_version_num')::int >= 140000 then pg_logical_emit_message(true, '%s', '%s') end",
		EndPrefix, EndContent(number, s))
	return b.String()
}
