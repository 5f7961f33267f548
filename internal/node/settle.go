package node

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// Settlement is what became of an in-doubt attempt on one server. Its zero
// value is "unresolved".
type Settlement uint8

// The settlements.
const (
	// Unresolved means that the attempt may still commit, or was not asked.
	Unresolved Settlement = iota
	// Committed means that the marker is there.
	Committed
	// RolledBack means that the marker is absent and nobody is left who
	// could still commit it.
	RolledBack
)

// String names the settlement for people.
func (s Settlement) String() string {
	switch s {
	case Committed:
		return "committed"
	case RolledBack:
		return "rolled back"
	default:
		return "unresolved"
	}
}

// AppName is the application_name of a worker's sessions.
func AppName(number txn.Run, w txn.Worker) string { return fmt.Sprintf("pgrpo/%d/%d", number, w) }

// Settle finds out what became of attempts, after the load. It inserts each
// marker's key and rolls that back: a unique violation (23505) proves the
// commit; success proves that nobody holds the key, and where no session of the
// worker is left either, that nobody ever will. A key that a running
// transaction holds for longer than lockTimeout is unresolved. The worker's own
// sessions must have been closed before.
//
// The error wraps [ErrTablesAbsent] where the server lacks the tables. With any
// error, what is in the map holds and the rest is unresolved.
func Settle(ctx context.Context, conn *pgconn.PgConn, ids []txn.ID, lockTimeout time.Duration) (map[txn.ID]Settlement, error) {
	return settleAll(ctx, conn, ids, lockTimeout, sessions{kind: named})
}

// SettlePooled is [Settle] for attempts that went through a pooler, which need
// not hand on the name of the worker's session: here nobody is left where every
// other client of the database is seen to be idle. An idle server connection is
// one for which the pooler holds nothing. A transaction that came to another
// server than that one settles nothing: the error wraps [ErrMoved].
func SettlePooled(ctx context.Context, conn *pgconn.PgConn, ids []txn.ID, lockTimeout time.Duration, on Server) (map[txn.ID]Settlement, error) {
	return settleAll(ctx, conn, ids, lockTimeout, sessions{anybody, on})
}

// sessions says which sessions may be a worker's, and on which server.
type sessions struct {
	kind sessionKind
	on   Server
}

type sessionKind uint8

const (
	// anybody may be, unless seen to be idle.
	anybody sessionKind = iota
	// named are those with the worker's application_name.
	named
)

// here proves, within the transaction that settles, that the server is the one.
func (s sessions) here(ctx context.Context, conn *pgconn.PgConn) error {
	if s.kind == named {
		return nil
	}
	there, err := Answering(ctx, conn)
	if err == nil && there != s.on {
		err = ErrMoved
	}
	return err
}

// left counts the sessions that may still commit the attempt. A session that
// the role may not look into has no state.
func (s sessions) left(ctx context.Context, conn *pgconn.PgConn, id txn.ID) (int64, error) {
	var r record
	var err error
	if s.kind == named {
		r, err = one(ctx, conn, `select count(*) from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()`,
			AppName(id.Run, id.Worker))
	} else {
		r, err = one(ctx, conn, `select count(*) from pg_stat_activity where pid <> pg_backend_pid() and state is distinct from 'idle'
 and datname = current_database() and coalesce(backend_type, 'client backend') = 'client backend'`)
	}
	if err != nil {
		return 0, err
	}
	n := r.number()
	return n, r.err
}

func settleAll(ctx context.Context, conn *pgconn.PgConn, ids []txn.ID, lockTimeout time.Duration, who sessions) (map[txn.ID]Settlement, error) {
	found := make(map[txn.ID]Settlement, len(ids))
	for _, id := range ids {
		s, err := settle(ctx, conn, id, lockTimeout, who)
		if err != nil {
			if tablesAbsent(err) {
				err = fmt.Errorf("%w (%w)", ErrTablesAbsent, err)
			}
			return found, fmt.Errorf("settle %s on %s: %w", id, remote(conn), err)
		}
		found[id] = s
	}
	return found, nil
}

func settle(ctx context.Context, conn *pgconn.PgConn, id txn.ID, lockTimeout time.Duration, who sessions) (Settlement, error) {
	defer rollback(conn)
	begin := fmt.Sprintf("begin isolation level read committed; set local lock_timeout to %d", max(lockTimeout.Milliseconds(), 1))
	if err := run(ctx, conn, begin); err != nil {
		return Unresolved, err
	}
	if err := who.here(ctx, conn); err != nil {
		return Unresolved, err
	}
	_, err := query(ctx, conn, "insert into pgrpo.marker (seq, run, worker, ops, crc) values ($1::bigint, $2::int, $3::int, 0, 0)",
		decimal(id.Seq), decimal(id.Run), decimal(id.Worker))
	switch sqlState(err) {
	case uniqueViolation:
		return Committed, nil
	case lockNotAvailable:
		return Unresolved, nil
	}
	if err != nil {
		return Unresolved, err
	}
	// The row inserted above holds the key until the rollback, so that a
	// session which ends between the two questions cannot slip through.
	if left, err := who.left(ctx, conn, id); left > 0 || err != nil {
		return Unresolved, err
	}
	return RolledBack, nil
}

// Prepared lists the prepared transactions of this database, for people: each
// may hold an attempt's marker, and none ends by itself.
func Prepared(ctx context.Context, conn *pgconn.PgConn) ([]string, error) {
	rows, err := query(ctx, conn, "select gid from pg_prepared_xacts where database = current_database() order by prepared")
	if err != nil {
		return nil, fmt.Errorf("list prepared transactions of %s: %w", remote(conn), err)
	}
	return firstColumn(rows), nil
}
