package node

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// NameOf is the name of a run's publication and of its slot.
func NameOf(number txn.Run) string { return fmt.Sprintf("pgrpo_%d", number) }

// Publication is what a server has of a run's publication.
type Publication struct {
	Exists bool
	// Missing are the tables, with schema, that it should list and does not.
	Missing []string
}

// Complete tells whether the stream of this publication has all.
func (p Publication) Complete() bool { return p.Exists && len(p.Missing) == 0 }

// CheckPublication asks what a run's publication lists. PostgreSQL 18 only
// warns of a missing publication and leaves out its rows, so that each
// connection of capture has to ask.
func CheckPublication(ctx context.Context, conn *pgconn.PgConn, number txn.Run, workers []txn.Worker) (Publication, error) {
	want := publishedTables(workers)
	rows, err := query(ctx, conn, `select t, p.pubname is not null from unnest(string_to_array($2, ',')) t
 left join pg_publication p on p.pubname = $1 and p.pubinsert and p.pubupdate and p.pubdelete
 where p.oid is null or not exists (select from pg_publication_tables x
   where x.pubname = p.pubname and x.schemaname || '.' || x.tablename = t)
 union all select null, exists (select from pg_publication where pubname = $1)`, NameOf(number), strings.Join(want, ","))
	if err != nil {
		return Publication{}, fmt.Errorf("check publication %s on %s: %w", NameOf(number), remote(conn), err)
	}
	var p Publication
	for _, r := range rows {
		if r[0] == nil {
			p.Exists = string(r[1]) == "t"
			continue
		}
		p.Missing = append(p.Missing, string(r[0]))
	}
	return p, nil
}

// CreatePublication makes the run's publication of the marker table and of
// these workers' tables, or adds the tables that an earlier one lacks. It needs
// the tables' ownership and CREATE on the database, no superuser; without them
// the error is of kind trouble.Refused.
func CreatePublication(ctx context.Context, conn *pgconn.PgConn, number txn.Run, workers []txn.Worker) error {
	p, err := CheckPublication(ctx, conn, number, workers)
	if err != nil || p.Complete() {
		return err
	}
	sql := fmt.Sprintf("create publication %s for table %s", NameOf(number), strings.Join(publishedTables(workers), ", "))
	if p.Exists {
		sql = fmt.Sprintf("alter publication %s add table %s", NameOf(number), strings.Join(p.Missing, ", "))
	}
	if err := run(ctx, conn, "begin; set local synchronous_commit to local; "+sql+"; commit"); err != nil {
		rollback(conn)
		if sqlState(err) == insufficientRight {
			return trouble.Refuse("make publication %s on %s: the role must own the tables of schema pgrpo and have CREATE on the database (%w); "+
				"grant that, or let their owner make it", NameOf(number), remote(conn), err)
		}
		return fmt.Errorf("make publication %s on %s: %w", NameOf(number), remote(conn), refuseRights(conn, err))
	}
	return nil
}

// DropPublication removes the run's publication; one that is not there is
// fine.
func DropPublication(ctx context.Context, conn *pgconn.PgConn, number txn.Run) error {
	err := run(ctx, conn, "begin; set local synchronous_commit to local; drop publication if exists "+NameOf(number)+"; commit")
	if err != nil {
		rollback(conn)
		return fmt.Errorf("drop publication %s on %s: %w", NameOf(number), remote(conn), refuseRights(conn, err))
	}
	return nil
}

func publishedTables(workers []txn.Worker) []string {
	names := []string{"pgrpo.marker"}
	for _, w := range workers {
		names = append(names, "pgrpo."+txn.TableOf(w))
	}
	return names
}

// rollback ends a transaction that failed, so that the connection is of use
// again. It has a deadline of its own: the caller's may be over.
func rollback(conn *pgconn.PgConn) {
	if conn.IsClosed() || conn.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), defaultTimeout)
	defer cancel()
	_ = run(ctx, conn, "rollback")
}
