package node

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// contentRows is how many rows with their payloads are asked for before their
// size is known: a payload may have a mebibyte.
const contentRows = 16

// sumBuckets is how many buckets are summed at a time: at most 262 144 rows,
// which takes a server about 0.1 s.
const sumBuckets = 16

// bucketsSQL sums the rows of some ids by bucket as [txn.Bucket] does. No sum
// needs more than 63 bits, whatever the rows hold.
const bucketsSQL = `select id >> 14, count(*), sum(place)::int8, sum(crc), sum(crc * place)::int8, sum(folded)::int8, sum(folded * place)::int8
 from (select id, crc, (id & 16383) + 1 as place, (seq & 2147483647) + 3 * (seq >> 31) as folded
  from pgrpo.%s where run = $1::int and id between $2::bigint and $3::bigint) r
 group by 1 order by 1`

// Buckets sums the rows of one worker of the run by [txn.Bucket], those of
// negative ids too, in the order of their ids. Buckets without a row are not
// among them. Errors and deadlines are as for [Snapshot.Markers].
func (s *Snapshot) Buckets(ctx context.Context, number txn.Run, w txn.Worker) ([]txn.Bucket, error) {
	all, err := s.sums(ctx, number, w)
	if err != nil {
		return nil, s.explain(fmt.Sprintf("sum the rows of worker %d", w), err)
	}
	return all, nil
}

// sums goes from one stretch of buckets that has a row to the next, so that no
// answer of the server takes long.
func (s *Snapshot) sums(ctx context.Context, number txn.Run, w txn.Worker) (all []txn.Bucket, err error) {
	for from, last := txn.RowID(math.MinInt64), txn.RowID(0); last < math.MaxInt64; from = last + 1 {
		first, there, err := s.firstRow(ctx, number, w, from)
		if err != nil || !there {
			return all, err
		}
		last = lastOf(txn.BucketOf(first) + sumBuckets - 1)
		if all, err = s.sum(ctx, all, number, w, first, last); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// firstRow is the least id from from on, if there is one.
func (s *Snapshot) firstRow(ctx context.Context, number txn.Run, w txn.Worker, from txn.RowID) (first txn.RowID, there bool, err error) {
	ctx, cancel := within(ctx, s.wait)
	defer cancel()
	rows, err := query(ctx, s.conn, "select id from pgrpo."+txn.TableOf(w)+" where run = $1::int and id >= $2::bigint order by id limit 1",
		decimal(number), decimal(from))
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	r := record{cols: rows[0]}
	first = txn.RowID(r.number())
	return first, true, r.err
}

// sum appends the buckets of the rows with ids from first to last.
func (s *Snapshot) sum(ctx context.Context, all []txn.Bucket, number txn.Run, w txn.Worker, first, last txn.RowID) ([]txn.Bucket, error) {
	ctx, cancel := within(ctx, s.wait)
	defer cancel()
	rows, err := query(ctx, s.conn, fmt.Sprintf(bucketsSQL, txn.TableOf(w)), decimal(number), decimal(first), decimal(last))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		r := record{cols: row}
		all = append(all, txn.Bucket{
			Number: r.number(), Rows: r.number(), Place: r.number(),
			Sum: r.number(), Placed: r.number(), Seq: r.number(), PlacedSeq: r.number(),
		})
		if r.err != nil {
			return nil, r.err
		}
	}
	return all, nil
}

// lastOf is the greatest id of a bucket, or of all where there is no such one.
func lastOf(bucket int64) txn.RowID {
	return txn.RowID(min(bucket, math.MaxInt64>>14))<<14 | (txn.BucketRows - 1)
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
