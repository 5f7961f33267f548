package writer

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// occupy puts a row in the way of an insert.
func occupy(id txn.RowID) func(*bench) {
	return func(b *bench) {
		b.sql(fmt.Sprintf("insert into %s (id, seq, run, crc, payload) values (%d, 0, %d, 0, '')", b.table(), id, b.config.Run))
		b.later(func() { b.sql(fmt.Sprintf("delete from %s where id = %d and seq = 0", b.table(), id)) })
	}
}

// setting gives the worker's session a setting, until the row's end if it lives.
func setting(text string) func(*bench) {
	return func(b *bench) { b.say("set " + text) }
}

// uniqueAtCommit makes a second row of one seq a violation that is seen only at
// commit, and gives the first attempt such a row.
func uniqueAtCommit(b *bench) {
	b.sql(fmt.Sprintf("insert into %[1]s (id, seq, run, crc, payload) values (-1, 1, %[2]d, 0, ''); alter table %[1]s add constraint late unique (run, seq) deferrable initially deferred",
		b.table(), b.config.Run))
	b.later(func() {
		b.sql(fmt.Sprintf("alter table %[1]s drop constraint late; delete from %[1]s where id = -1", b.table()))
	})
}

// TestServerRows has a real server give the answer, alone.
func TestServerRows(t *testing.T) {
	const (
		stated  = txn.Answered
		noFault = txn.NoFault
		other   = txn.OtherFault
	)
	play(t, shared, []row{
		{
			name:   "committed",
			spoken: [2]string{"DCZ", "CDCDCCZ"},
			want:   told(txn.Acked, stated, noFault, ""), life: lives, there: present,
		},
		{
			name:    "a notice is no warning",
			arrange: func(b *bench) { b.trigger(atOnce, "raise notice 'by the way'") },
			spoken:  [2]string{"NDCZ", "CNDCDCCZ"},
			want:    told(txn.Acked, stated, noFault, ""), life: lives, there: present,
		},
		{
			name:    "a warning in a statement",
			arrange: func(b *bench) { b.trigger(atOnce, "raise warning 'mind'") },
			spoken:  [2]string{"NDCZ", "CNDCDCCZ"},
			want:    told(txn.AckedUnreplicated, stated, noFault, ""), life: lives, there: present,
		},
		{
			name:    "a warning of another kind",
			arrange: func(b *bench) { b.trigger(atOnce, "raise warning 'mind' using errcode = '01P01'") },
			spoken:  [2]string{"NDCZ", "CNDCDCCZ"},
			want:    told(txn.Acked, stated, noFault, ""), life: lives, there: present,
		},
		{
			name:    "a warning while it commits",
			arrange: func(b *bench) { b.trigger(atCommit, "raise warning 'mind'") },
			spoken:  [2]string{"DCNZ", "CDCDCNCZ"},
			want:    told(txn.AckedUnreplicated, stated, noFault, ""), life: lives, there: present,
		},
		{
			name:    "23505 at once",
			arrange: occupy(1),
			spoken:  [2]string{"EZ", "CEZCZ"},
			want:    judged(txn.Failed, stated, other, "23505"), life: lives, there: absent,
		},
		{
			name:    "23505 in the middle of a pipeline",
			forms:   []form{many},
			arrange: occupy(2),
			spoken:  [2]string{many: "CDCEZCZ"},
			want:    told(txn.Failed, stated, other, "23505"), life: lives, there: absent,
		},
		{
			name:    "23505 after CommandComplete, at the commit",
			arrange: uniqueAtCommit,
			spoken:  [2]string{"DCEZ", "CDCDCEZ"},
			want:    told(txn.Failed, stated, other, "23505"), life: lives, there: absent,
		},
		{
			name:     "22012, the row is not there",
			sequence: form.updates,
			arrange:  func(b *bench) { b.sql("delete from " + b.table()) },
			spoken:   [2]string{"EZ", "CEZCZ"},
			want:     judged(txn.Failed, stated, txn.Miss, "22012"), life: lives, there: absent,
		},
		{
			name:     "22012, the row is another version",
			sequence: form.updates,
			arrange:  func(b *bench) { b.sql("update " + b.table() + " set seq = -1") },
			spoken:   [2]string{"EZ", "CEZCZ"},
			want:     judged(txn.Failed, stated, txn.Miss, "22012"), life: lives, there: absent,
		},
		{
			name:    "25006",
			arrange: setting("default_transaction_read_only = on"),
			spoken:  [2]string{"EZ", "CEZCZ"},
			want:    judged(txn.Failed, stated, txn.ReadOnly, "25006"), life: leaves, there: absent,
		},
		{
			name: "42P01",
			arrange: func(b *bench) {
				b.sql("alter table " + b.table() + " rename to elsewhere")
				b.later(func() { b.sql("alter table pgrpo.elsewhere rename to " + txn.TableOf(b.worker.number)) })
			},
			spoken: [2]string{"EZ", "CEZCZ"},
			want:   judged(txn.Failed, stated, other, "42P01"), life: lives, there: absent,
		},
		{
			name: "53400, temporary files past their limit",
			arrange: func(b *bench) {
				b.say("set temp_file_limit = 0; set work_mem = '64kB'")
				b.trigger(atOnce, "perform count(*) from (select g from generate_series(1, 50000) g order by md5(g::text)) s")
			},
			spoken: [2]string{"EZ", "CEZCZ"},
			want:   judged(txn.Failed, stated, other, "53400"), life: lives, there: absent,
		},
		{
			name: "54001, the stack is too deep",
			arrange: func(b *bench) {
				b.say("set max_stack_depth = '100kB'")
				b.sql("create function deep() returns int language plpgsql as 'begin return deep(); end'")
				b.later(func() { b.sql("drop function deep") })
				b.trigger(atOnce, "perform deep()")
			},
			spoken: [2]string{"EZ", "CEZCZ"},
			want:   judged(txn.Failed, stated, other, "54001"), life: lives, there: absent,
		},
		{
			// As behind a pooler that mixes statements up: the server answers
			// truly, and no error says that nothing was committed.
			name:  "ROLLBACK answered to COMMIT",
			forms: []form{many},
			arrange: func(b *bench) {
				m, err := (&pgproto3.Parse{Name: nameOf("commit"), Query: "rollback"}).Encode(nil)
				check(b.t, err)
				_, err = b.worker.session.conn.Write(m)
				check(b.t, err)
				b.say("select")
				b.worker.session.composer.prepared[commitShape] = true
				b.later(func() { b.say("deallocate all"); clear(b.worker.session.composer.prepared[:]) })
			},
			spoken: [2]string{many: "CDCDCCZ"},
			want:   told(txn.Failed, stated, other, ""), life: lives, there: absent,
		},
		{
			name:    "57P01 before the first byte",
			arrange: func(b *bench) { b.signal("pg_terminate_backend"); b.gone() },
			want:    judged(txn.InDoubt, stated, txn.ShuttingDown, "57P01"), life: lost, there: absent,
		},
		{
			// FATAL, though errors of class 25 may fail an attempt.
			name: "25P03 before the first byte",
			arrange: func(b *bench) {
				b.say("set idle_in_transaction_session_timeout = 1")
				b.say("begin")
				b.gone()
			},
			want: judged(txn.InDoubt, stated, other, "25P03"), life: lost, there: absent,
		},
	})
}
