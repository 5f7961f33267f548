package node

import (
	"context"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Restored lists the attempts of this run that a salvage brought back, by worker and
// seq. The table that says so is made by the salvage; where it is not there, nothing
// was.
func (s *Snapshot) Restored(ctx context.Context, number txn.Run) ([]txn.ID, error) {
	rows, err := query(ctx, s.conn, `select from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'pgrpo' and c.relname = 'restored' and c.relkind in ('r', 'p')`)
	if err == nil && len(rows) > 0 {
		rows, err = query(ctx, s.conn, `select worker, seq from pgrpo.restored where run = $1::int order by worker, seq`, decimal(number))
	}
	if err != nil {
		return nil, s.explain("list what a salvage restored", err)
	}
	var all []txn.ID
	for _, row := range rows {
		r := record{cols: row}
		all = append(all, txn.ID{Run: number, Worker: txn.Worker(r.number()), Seq: txn.Seq(r.number())})
		if r.err != nil {
			return nil, s.explain("list what a salvage restored", r.err)
		}
	}
	return all, nil
}
