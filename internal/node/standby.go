package node

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Standby is one streaming standby as its primary shows it.
type Standby struct {
	Name   string
	Replay pg.LSN
	// Visible says that the role may see Replay; it needs pg_monitor or
	// pg_read_all_stats.
	Visible bool
}

// Standbys lists the standbys that stream from this server now.
func Standbys(ctx context.Context, conn *pgconn.PgConn) ([]Standby, error) {
	rows, err := query(ctx, conn, `select r.application_name, r.replay_lsn, r.state is not null
 from pg_stat_replication r
 where not exists (select from pg_replication_slots s where s.active_pid = r.pid and s.slot_type = 'logical')
   and (r.state is null or r.state in ('streaming', 'catchup'))`)
	if err != nil {
		return nil, fmt.Errorf("list standbys of %s: %w", remote(conn), err)
	}
	var all []Standby
	for _, row := range rows {
		r := record{cols: row}
		all = append(all, Standby{Name: r.text(), Replay: r.lsn(), Visible: r.truth()})
		if r.err != nil {
			return nil, fmt.Errorf("list standbys of %s: %w", remote(conn), r.err)
		}
	}
	return all, nil
}

// WaitForStandbys waits until each visible streaming standby has replayed up to
// lsn, as long as the context allows (30 seconds without a deadline), and
// returns those that have not, or that the role may not see. They are no error:
// a standby that is late or stopped must not keep a run from starting.
func WaitForStandbys(ctx context.Context, conn *pgconn.PgConn, lsn pg.LSN) ([]Standby, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		// Each look has its own deadline, so that the connection survives
		// the end of the wait.
		look, done := context.WithTimeout(context.WithoutCancel(ctx), defaultTimeout)
		all, err := Standbys(look, conn)
		done()
		if err != nil {
			return nil, err
		}
		var behind, hidden []Standby
		for _, s := range all {
			switch {
			case !s.Visible:
				hidden = append(hidden, s)
			case s.Replay < lsn:
				behind = append(behind, s)
			}
		}
		if len(behind) == 0 {
			return hidden, nil
		}
		select {
		case <-ctx.Done():
			return append(behind, hidden...), nil
		case <-pause.C:
		}
	}
}
