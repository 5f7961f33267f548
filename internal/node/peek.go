package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// ErrUndecodable says that the server can no longer decode from the slot: it
// gave the slot up (SQLSTATE 55000), or WAL that the slot needs is gone (58P01).
var ErrUndecodable = errors.New("the server does not decode from the slot")

// The SQLSTATEs that say so (PostgreSQL manual, appendix A).
const invalidState, undefinedFile = "55000", "58P01"

// In returns a target in another database of the same servers.
func (t Target) In(database string) Target {
	cfg := t.config.Copy()
	cfg.Database = database
	return Target{config: cfg, cancel: t.cancel}
}

// PeekSlot decodes the first changes that wait in a logical slot, and leaves
// confirmed_flush_lsn where it is; restart_lsn may follow that. For a moment the
// slot is in use by this session. Nil means
// that the server decodes from it, also where nothing waits. The error wraps
// [ErrUndecodable] where the server said that it no longer can; any other error
// means that it could not be tried.
//
// pgoutput is asked for the publications of the slot's database, all together or,
// where one of them was made after the changes that wait, each by itself.
func PeekSlot(ctx context.Context, t Target, s pg.Slot) error {
	_, err := peek(ctx, t, s, 0, 1)
	if err != nil {
		return fmt.Errorf("decode from slot %s: %w", s.Name, err)
	}
	return nil
}

// CountPeeked counts the transactions that wait in a logical slot and whose commit
// record ends at or before upto. Transactions without a change for the consumer
// are counted where the server sends them: 13 and 14 do, with pgoutput.
func CountPeeked(ctx context.Context, t Target, s pg.Slot, upto pg.LSN) (int, error) {
	n, err := peek(ctx, t, s, upto, 0)
	if err != nil {
		return 0, fmt.Errorf("count what waits in slot %s: %w", s.Name, err)
	}
	return n, nil
}

// peek counts the transactions of which the slot shows changes. An upto or most of
// 0 is no limit.
func peek(ctx context.Context, t Target, s pg.Slot, upto pg.LSN, most int) (int, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := Connect(ctx, t.In(s.Database), "pgrpo/slots")
	if err != nil {
		return 0, err
	}
	defer Close(conn)
	p := peeking{conn: conn, slot: s.Name, upto: upto.String(), most: strconv.Itoa(most)}
	if s.Plugin == "pgoutput" {
		return p.published(ctx, s.Database)
	}
	n, err := p.count(ctx, "'{}'::text[]")
	return n, p.explain(ctx, err)
}

// peeking is one look into a slot.
type peeking struct {
	conn             *pgconn.PgConn
	slot, upto, most string
}

// published asks pgoutput. The first of its questions is for all publications
// together; the server quotes their names.
func (p peeking) published(ctx context.Context, database string) (int, error) {
	names, err := query(ctx, p.conn, "select string_agg(quote_ident(pubname), ',') from pg_publication group by rollup (oid) order by count(*) desc")
	if err != nil {
		return 0, p.explain(ctx, err)
	}
	none := names[0][0] == nil
	if none {
		// What waits may need no publication.
		names = table{{[]byte("pgrpo_none")}}
	}
	var n int
	for _, row := range names {
		n, err = p.count(ctx, "array['proto_version', '1', 'publication_names', $4]", string(row[0]))
		if sqlState(err) != undefinedObject {
			break
		}
	}
	if none && sqlState(err) == undefinedObject {
		return 0, fmt.Errorf("there is no publication in database %q", database)
	}
	return n, p.explain(ctx, err)
}

// count takes the plugin's options as SQL and their parameters. Only the number
// leaves the server.
func (p peeking) count(ctx context.Context, options string, params ...string) (int, error) {
	r, err := one(ctx, p.conn, `select count(distinct xid::text) from pg_logical_slot_peek_binary_changes($1,
 nullif($2::pg_lsn, '0/0'), nullif($3::int, 0), variadic `+options+`)`, append([]string{p.slot, p.upto, p.most}, params...)...)
	if err != nil {
		return 0, err
	}
	n := int(r.number())
	return n, r.err
}

// explain says what an error of the server means for the slot.
func (p peeking) explain(ctx context.Context, err error) error {
	text := ""
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		text = pe.Message
		if pe.Detail != "" {
			text += " (" + pe.Detail + ")"
		}
	}
	switch sqlState(err) {
	case "":
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("the server did not get to the end of it in time: there is much to decode, or synchronized_standby_slots makes it wait for a standby: %w", ctx.Err())
		}
		return err
	case invalidState, undefinedFile:
		return fmt.Errorf("%w: %s", ErrUndecodable, text)
	case objectInUse:
		return fmt.Errorf("somebody reads from it: %s", text)
	case insufficientRight:
		return fmt.Errorf("the role may not: %s", text)
	default:
		return fmt.Errorf("%s (SQLSTATE %s)", text, sqlState(err))
	}
}
