package node

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// scanTimeout bounds one reading of a whole table, where the context does not:
// summing takes about 0.3 s for a million rows.
const scanTimeout = time.Hour

// contentRows is how many rows with their payloads are asked for before their
// size is known: a payload may have a mebibyte.
const contentRows = 16

// bucketsSQL sums a table by bucket as [txn.Bucket] does. No sum needs more than
// 63 bits, whatever the rows hold.
const bucketsSQL = `select id >> 14, count(*), sum(place)::int8, sum(crc), sum(crc * place)::int8, sum(folded)::int8, sum(folded * place)::int8
 from (select id, crc, (id & 16383) + 1 as place, (seq & 2147483647) + 3 * (seq >> 31) as folded
  from pgrpo.%s where run = $1::int) r
 group by 1 order by 1`

// Buckets sums the rows of one worker of the run by [txn.Bucket], those of
// negative ids too, in the order of their ids. Buckets without a row are not
// among them. Errors are as for [Snapshot.Markers].
func (s *Snapshot) Buckets(ctx context.Context, number txn.Run, w txn.Worker) ([]txn.Bucket, error) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	var all []txn.Bucket
	for v, err := range s.stream(ctx, fmt.Sprintf(bucketsSQL, txn.TableOf(w)), decimal(number)) {
		if err != nil {
			return nil, s.explain(fmt.Sprintf("sum the rows of worker %d", w), err)
		}
		all = append(all, txn.Bucket{
			Number: int64At(v, 0), Rows: int64At(v, 1), Place: int64At(v, 2),
			Sum: int64At(v, 3), Placed: int64At(v, 4), Seq: int64At(v, 5), PlacedSeq: int64At(v, 6),
		})
	}
	return all, nil
}

// RowsIn reads the rows of one worker of the run with ids from first to last,
// both included, ordered by id and without their payload. Errors are as for
// [Snapshot.Markers].
func (s *Snapshot) RowsIn(ctx context.Context, number txn.Run, w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	sql := "select id, seq, crc from pgrpo." + txn.TableOf(w) + " where run = $1::int and id between $2::bigint and $3::bigint order by id"
	return func(yield func(txn.Row, error) bool) {
		for v, err := range s.stream(ctx, sql, decimal(number), decimal(first), decimal(last)) {
			if err != nil {
				yield(txn.Row{}, s.explain(fmt.Sprintf("read the rows of worker %d", w), err))
				return
			}
			if !yield(rowAt(number, v), nil) {
				return
			}
		}
	}
}

// Contents reads the rows that [Snapshot.RowsIn] reads, with their payload,
// which is valid until the next row.
func (s *Snapshot) Contents(ctx context.Context, number txn.Run, w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	sql := "select id, seq, crc, payload from pgrpo." + txn.TableOf(w) + " where run = $1::int and id between $2::bigint and $3::bigint order by id"
	return func(yield func(txn.Content, error) bool) {
		for v, err := range s.streamFrom(ctx, contentRows, sql, decimal(number), decimal(first), decimal(last)) {
			if err != nil {
				yield(txn.Content{}, s.explain(fmt.Sprintf("read the content of worker %d", w), err))
				return
			}
			if !yield(txn.Content{Row: rowAt(number, v), Payload: v[3]}, nil) {
				return
			}
		}
	}
}

func rowAt(number txn.Run, v [][]byte) txn.Row {
	return txn.Row{Run: number, ID: txn.RowID(int64At(v, 0)), Seq: txn.Seq(int64At(v, 1)), Sum: txn.Sum(int32At(v, 2))}
}
