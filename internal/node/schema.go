package node

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// ErrTablesAbsent says that the server has no pgrpo tables at all (SQLSTATE
// 42P01 or 3F000). On a proven survivor it means that every attempt is absent;
// anywhere else it means nothing. The caller decides.
var ErrTablesAbsent = errors.New("the tables of schema pgrpo are absent")

// ErrRunTaken says that another run has this number.
var ErrRunTaken = errors.New("this run number is taken")

// schemaLock is the key of the advisory lock under which the schema is made
// and dropped: two sessions that create one object at a time collide.
const schemaLock = 0x7067_7270_6f

// schemaComment marks the schema as pgrpo's own.
const schemaComment = "Made by pgrpo, which measures what a failover loses. Drop it with: pgrpo reset."

const baseSQL = `create schema if not exists pgrpo;
comment on schema pgrpo is '` + schemaComment + `';
create table if not exists pgrpo.run (
  run int primary key,
  created_at timestamptz not null default now(),
  seed numeric(20) not null
);
comment on table pgrpo.run is 'pgrpo: one row for each run, so that its number is unique';
create table if not exists pgrpo.marker (
  seq bigint not null,
  run int not null,
  worker int not null,
  ops int not null,
  crc int not null,
  primary key (run, worker, seq)
);
comment on table pgrpo.marker is 'pgrpo: one row for each committed transaction of the load; never updated, never deleted';
`

func workerSQL(w txn.Worker) string {
	name := "pgrpo." + txn.TableOf(w)
	return fmt.Sprintf(`create table if not exists %s (
  id bigint not null,
  seq bigint not null,
  run int not null,
  crc int not null,
  payload text not null,
  primary key (run, id)
);
comment on table %s is 'pgrpo: rows of worker %d; seq is the transaction that wrote this version';
`, name, name, w)
}

// PrintSQL is the SQL that Init runs, for a DBA who would rather run it by
// hand. It may be run again and again.
func PrintSQL(workers []txn.Worker) string {
	var b strings.Builder
	b.WriteString(baseSQL)
	for _, w := range workers {
		b.WriteString(workerSQL(w))
	}
	return b.String()
}

// Init makes the schema and the tables that these workers need, where they are
// not there yet, and returns a log position after them for [WaitForStandbys].
// It does not wait for synchronous standbys. A role that may not make them
// passes if all is there and usable; else the error, of kind trouble.Refused,
// names what to grant.
func Init(ctx context.Context, conn *pgconn.PgConn, workers []txn.Worker) (pg.LSN, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	lacking, err := lackingTables(ctx, conn, workers)
	if err != nil {
		return 0, fmt.Errorf("look for schema pgrpo on %s: %w", remote(conn), refuseRights(conn, err))
	}
	if len(lacking) > 0 {
		if err := makeTables(ctx, conn, workers); err != nil {
			return 0, fmt.Errorf("make schema pgrpo on %s: %w", remote(conn), refuseRights(conn, err))
		}
	}
	if err := usable(ctx, conn, workers); err != nil {
		return 0, err
	}
	r, err := one(ctx, conn, "select pg_current_wal_insert_lsn()")
	if err != nil {
		return 0, fmt.Errorf("read log position of %s: %w", remote(conn), err)
	}
	return r.lsn(), r.err
}

func makeTables(ctx context.Context, conn *pgconn.PgConn, workers []txn.Worker) error {
	err := run(ctx, conn, fmt.Sprintf("begin; set local client_min_messages to warning; set local synchronous_commit to local; "+
		"select pg_advisory_xact_lock(%d);\n%s commit", schemaLock, PrintSQL(workers)))
	if err != nil {
		rollback(conn)
	}
	return err
}

// tableNames are the tables of these workers and the two common ones.
func tableNames(workers []txn.Worker) []string {
	names := []string{"run", "marker"}
	for _, w := range workers {
		names = append(names, txn.TableOf(w))
	}
	return names
}

// lackingTables lists the tables that are not there. It reads the catalog,
// which needs no right on the schema.
func lackingTables(ctx context.Context, conn *pgconn.PgConn, workers []txn.Worker) ([]string, error) {
	rows, err := query(ctx, conn, `select t from unnest(string_to_array($1, ',')) t where not exists (
  select from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'pgrpo' and c.relname = t and c.relkind in ('r', 'p'))`, strings.Join(tableNames(workers), ","))
	return firstColumn(rows), err
}

// usable checks the rights and the columns that the load needs.
func usable(ctx context.Context, conn *pgconn.PgConn, workers []txn.Worker) error {
	for _, name := range tableNames(workers) {
		columns, rights := "id, seq, run, crc, payload", "select, insert, update, delete"
		switch name {
		case "run":
			columns, rights = "run, created_at, seed", "select, insert"
		case "marker":
			columns, rights = "seq, run, worker, ops, crc", "select, insert"
		}
		_, err := query(ctx, conn, fmt.Sprintf("select %s from pgrpo.%s limit 0", columns, name))
		if err == nil {
			err = allowed(ctx, conn, name, rights)
		}
		switch state := sqlState(err); {
		case err == nil:
		case state == insufficientRight || errors.Is(err, errNotAllowed):
			return trouble.Refuse("use table pgrpo.%s on %s: rights are missing; run: grant usage on schema pgrpo to %s; grant %s on pgrpo.%s to %[3]s",
				name, remote(conn), userOf(ctx, conn), rights, name)
		case state == "42703":
			return trouble.Refuse("use table pgrpo.%s on %s: its columns are not pgrpo's; run pgrpo reset, or remove schema pgrpo", name, remote(conn))
		default:
			return fmt.Errorf("use table pgrpo.%s on %s: %w", name, remote(conn), err)
		}
	}
	return nil
}

var errNotAllowed = errors.New("not allowed")

func allowed(ctx context.Context, conn *pgconn.PgConn, name, rights string) error {
	r, err := one(ctx, conn, `select bool_and(has_table_privilege('pgrpo.' || $1, btrim(p))) from unnest(string_to_array($2, ',')) p`, name, rights)
	if err != nil {
		return err
	}
	if !r.truth() {
		return errNotAllowed
	}
	return nil
}

func userOf(ctx context.Context, conn *pgconn.PgConn) string {
	r, err := one(ctx, conn, "select quote_ident(current_user)")
	if err != nil {
		return "this role"
	}
	return r.text()
}

// refuseRights turns a lack of rights into a refusal that says what to do.
func refuseRights(conn *pgconn.PgConn, err error) error {
	switch sqlState(err) {
	case insufficientRight:
		return trouble.Refuse("the role may not make it (%w); run: grant create on database ... to the role, or let the owner run the output of pgrpo init --print-sql", err)
	case "25006":
		return trouble.Refuse("%s is read-only (%w); give the primary", remote(conn), err)
	default:
		return err
	}
}

// EnsureRun inserts the run's row. [ErrRunTaken] means that the number is in
// use; the caller takes the next second.
func EnsureRun(ctx context.Context, conn *pgconn.PgConn, number txn.Run, seed uint64) error {
	_, err := query(ctx, conn, "insert into pgrpo.run (run, seed) values ($1::int, $2::numeric)", decimal(number), strconv.FormatUint(seed, 10))
	switch {
	case sqlState(err) == uniqueViolation:
		return fmt.Errorf("insert run %d on %s: %w", number, remote(conn), ErrRunTaken)
	case tablesAbsent(err):
		return trouble.Refuse("insert run %d on %s: %w; run pgrpo init", number, remote(conn), ErrTablesAbsent)
	case err != nil:
		return fmt.Errorf("insert run %d on %s: %w", number, remote(conn), refuseRights(conn, err))
	}
	return nil
}

// ownTable is the form of the names of pgrpo's tables.
var ownTable = regexp.MustCompile(`^(run|marker|restored|worker_\d{4,})$`)

// ownName is the form of the names of pgrpo's publications and slots.
var ownName = regexp.MustCompile(`^pgrpo_\d+$`)

// Reset drops what pgrpo keeps in this database and nothing else: its
// publications, its inactive slots, its tables, and the schema if it is empty
// then. It returns what it dropped and what it left, for people. While a run is
// connected to the database, it drops nothing: the error is of kind
// trouble.Refused.
func Reset(ctx context.Context, conn *pgconn.PgConn) (dropped, left []string, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := refuseUnderWay(ctx, conn); err != nil {
		return nil, nil, err
	}
	slots, err := query(ctx, conn, "select slot_name, active from pg_replication_slots where database = current_database()")
	if err != nil {
		return nil, nil, fmt.Errorf("list slots of %s: %w", remote(conn), err)
	}
	for _, s := range slots {
		name := string(s[0])
		if !ownName.MatchString(name) {
			continue
		}
		if err := DropSlot(ctx, conn, name, 5*time.Second); err != nil {
			left = append(left, "slot "+name+": "+err.Error())
			continue
		}
		dropped = append(dropped, "slot "+name)
	}
	publications, err := query(ctx, conn, "select pubname from pg_publication")
	if err != nil {
		return dropped, left, fmt.Errorf("list publications of %s: %w", remote(conn), err)
	}
	var objects []string
	for _, name := range firstColumn(publications) {
		if ownName.MatchString(name) {
			objects = append(objects, "publication "+name)
		}
	}
	tables, err := query(ctx, conn, `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'pgrpo' and c.relkind in ('r', 'p') order by c.relname`)
	if err != nil {
		return dropped, left, fmt.Errorf("list tables of %s: %w", remote(conn), err)
	}
	for _, name := range firstColumn(tables) {
		if ownTable.MatchString(name) {
			objects = append(objects, "table pgrpo."+name)
		} else {
			left = append(left, "table pgrpo."+name+": it is not pgrpo's")
		}
	}
	for _, o := range objects {
		if err := run(ctx, conn, "set synchronous_commit to local; drop "+o); err != nil {
			return dropped, left, fmt.Errorf("drop %s on %s: %w", o, remote(conn), refuseRights(conn, err))
		}
		dropped = append(dropped, o)
	}
	switch err := run(ctx, conn, "drop schema pgrpo"); sqlState(err) {
	case "":
		if err != nil {
			return dropped, left, fmt.Errorf("drop schema pgrpo on %s: %w", remote(conn), err)
		}
		dropped = append(dropped, "schema pgrpo")
	case undefinedSchema:
	case dependentObjects:
		left = append(left, "schema pgrpo: it holds objects that are not pgrpo's")
	default:
		return dropped, left, fmt.Errorf("drop schema pgrpo on %s: %w", remote(conn), refuseRights(conn, err))
	}
	return dropped, left, nil
}

// tablesAbsent tells whether an error says that pgrpo's tables do not exist.
func tablesAbsent(err error) bool {
	s := sqlState(err)
	return s == undefinedTable || s == undefinedSchema
}

func firstColumn(rows table) []string {
	var names []string
	for _, r := range rows {
		names = append(names, string(r[0]))
	}
	return names
}
