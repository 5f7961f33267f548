package node

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Leftovers lists the slots of pgrpo's that nobody uses, with the WAL that each
// holds back: runs that did not end in order have left them.
func Leftovers(ctx context.Context, conn *pgconn.PgConn) ([]Slot, error) {
	rows, err := query(ctx, conn, "select slot_name from pg_replication_slots where database = current_database() and not active")
	if err != nil {
		return nil, fmt.Errorf("list slots of %s: %w", remote(conn), err)
	}
	var all []Slot
	for _, name := range firstColumn(rows) {
		if !ownName.MatchString(name) {
			continue
		}
		s, found, err := FindSlot(ctx, conn, name)
		if err != nil {
			return nil, err
		}
		if found && !s.Active {
			all = append(all, s)
		}
	}
	return all, nil
}
