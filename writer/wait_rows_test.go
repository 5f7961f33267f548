package writer

import (
	"fmt"
	"testing"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// locked lets the attempt wait for a lock.
func locked(when moment) func(*bench) {
	return func(b *bench) { b.lock(when) }
}

// underLock does something to the session once it waits for a lock.
func underLock(do func(*bench)) func(*bench) {
	return func(b *bench) { b.waits("Lock"); do(b) }
}

func signalled(function string) func(*bench) {
	return func(b *bench) { b.signal(function) }
}

// after makes both arrangements, one after the other.
func after(first, second func(*bench)) func(*bench) {
	return func(b *bench) { first(b); second(b) }
}

// skewed makes the attempt read what another transaction writes, which reads
// what the attempt writes, and holds it at its commit until that one has
// committed.
func skewed(b *bench) {
	b.say("set default_transaction_isolation = serializable")
	name := fmt.Sprintf("side_%d", b.config.Run)
	b.sql("create table " + name + " (n int)")
	b.later(func() { b.sql("drop table " + name) })
	b.lock(atCommit)
	b.sql(fmt.Sprintf("create function read_%[1]s() returns trigger language plpgsql as $$begin perform count(*) from %[1]s; return null; end$$;"+
		"create trigger read_%[1]s after insert on pgrpo.marker for each row when (new.run = %[2]d) execute function read_%[1]s()", name, b.config.Run))
	b.later(func() { b.sql("drop function read_" + name + "() cascade") })
}

func skew(b *bench) {
	b.sql(fmt.Sprintf("begin isolation level serializable; select count(*) from pgrpo.marker; insert into side_%d values (1); commit", b.config.Run))
	b.unlock()
}

// updateFirst updates the row that the attempt is about to update, in a
// transaction that is open until commit.
func updateFirst(b *bench) {
	b.say("set default_transaction_isolation = serializable")
	b.sql("begin; update " + b.table() + " set crc = crc")
}

// crossed makes the attempt want, while it has one lock, another one of a
// session that then wants the first: a deadlock that the attempt's session is
// the first to see.
func crossed(b *bench) {
	b.trigger(atOnce, "perform pg_advisory_xact_lock(1, new.run); perform pg_advisory_xact_lock(new.run)")
	b.sql(fmt.Sprintf("set deadlock_timeout = '1h'; begin; select pg_advisory_xact_lock(%d)", b.config.Run))
	b.later(func() { b.sql("rollback; reset deadlock_timeout") })
}

func cross(b *bench) {
	b.sql(fmt.Sprintf("select pg_advisory_xact_lock(1, %d)", b.config.Run))
}

// TestWaitRows has something befall an attempt while it waits for a lock: in its
// first statement, or when it commits.
func TestWaitRows(t *testing.T) {
	rows := []row{
		{
			name:    "40P01",
			arrange: crossed, meanwhile: underLock(cross),
			spoken: [2]string{"EZ", "CEZCZ"},
			want:   judged(txn.Failed, txn.Answered, txn.OtherFault, "40P01"), life: lives, there: absent,
		},
		{
			name:     "40001 in a statement",
			sequence: form.updates,
			arrange:  updateFirst, meanwhile: underLock(func(b *bench) { b.sql("commit") }),
			spoken: [2]string{"EZ", "CEZCZ"},
			want:   judged(txn.Failed, txn.Answered, txn.OtherFault, "40001"), life: lives, there: absent,
		},
		{
			name:    "40001 at the commit",
			arrange: skewed, meanwhile: underLock(skew),
			spoken: [2]string{"DCEZ", "CDCDCEZ"},
			want:   told(txn.Failed, txn.Answered, txn.OtherFault, "40001"), life: lives, there: absent,
		},
		{
			name:    "57014 by statement_timeout",
			arrange: after(setting("statement_timeout = 1000"), locked(atOnce)),
			spoken:  [2]string{"EZ", "CEZCZ"},
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, "57014"), life: lives, there: absent,
		},
		{
			name:    "57014 in a statement",
			arrange: locked(atOnce), meanwhile: underLock(signalled("pg_cancel_backend")),
			spoken: [2]string{"EZ", "CEZCZ"},
			want:   judged(txn.Failed, txn.Answered, txn.OtherFault, "57014"), life: lives, there: absent,
		},
		{
			name:    "57014 at the commit",
			arrange: locked(atCommit), meanwhile: underLock(signalled("pg_cancel_backend")),
			spoken: [2]string{"DCEZ", "CDCDCEZ"},
			want:   told(txn.Failed, txn.Answered, txn.OtherFault, "57014"), life: lives, there: absent,
		},
		{
			name:    "55P03 in a statement",
			arrange: after(setting("lock_timeout = 50"), locked(atOnce)),
			spoken:  [2]string{"EZ", "CEZCZ"},
			want:    judged(txn.Failed, txn.Answered, txn.OtherFault, "55P03"), life: lives, there: absent,
		},
		{
			name:    "55P03 at the commit",
			arrange: after(setting("lock_timeout = 50"), locked(atCommit)),
			spoken:  [2]string{"DCEZ", "CDCDCEZ"},
			want:    told(txn.Failed, txn.Answered, txn.OtherFault, "55P03"), life: lives, there: absent,
		},
		{
			name:    "57P01 in a statement",
			arrange: locked(atOnce), meanwhile: underLock(signalled("pg_terminate_backend")),
			spoken: [2]string{"E", "CE"},
			want:   judged(txn.InDoubt, txn.Answered, txn.ShuttingDown, "57P01"), life: lost, there: absent,
		},
		{
			name:    "57P01 at the commit",
			arrange: locked(atCommit), meanwhile: underLock(signalled("pg_terminate_backend")),
			spoken: [2]string{"DCE", "CDCDCE"},
			want:   told(txn.InDoubt, txn.Answered, txn.ShuttingDown, "57P01"), life: lost, there: absent,
		},
		{
			// The server has the whole attempt, and ends it after the client
			// has given it up. It sends the answers so far with the next one.
			name:    "deadline in a statement, which goes on",
			change:  func(c *Config) { c.StatementTimeout = brief },
			arrange: locked(atOnce),
			want:    judged(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: present,
		},
		{
			name:    "deadline at the commit, which goes on",
			change:  func(c *Config) { c.StatementTimeout = brief },
			arrange: locked(atCommit),
			want:    judged(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: present,
		},
	}
	major := serverMajor(t, shared)
	if major >= 14 {
		rows = append(rows, row{
			name:    "57P05 before the first byte",
			arrange: func(b *bench) { b.say("set idle_session_timeout = 1"); b.gone() },
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, "57P05"), life: lost, there: absent,
		})
	}
	if major >= 17 {
		rows = append(rows, row{
			name:    "25P04 in a statement",
			arrange: after(setting("transaction_timeout = 1000"), locked(atOnce)),
			spoken:  [2]string{"E", "CE"},
			want:    judged(txn.InDoubt, txn.Answered, txn.OtherFault, "25P04"), life: lost, there: absent,
		})
	}
	play(t, shared, rows)
}

// untilCommitsWait waits until the server makes commits wait for its standby: its
// processes learn of the setting one after another.
func untilCommitsWait(t *testing.T, server *sandbox.Server, link *relay.Relay) {
	t.Helper()
	link.Freeze()
	ended := make(chan error, 1)
	commit := func() { ended <- server.Exec(t.Context(), "create temporary table nothing ()") }
	go commit()
	until(t, "a commit that waits", func() bool {
		select {
		case err := <-ended:
			check(t, err)
			go commit()
		default:
		}
		n, err := server.Value(t.Context(), "select count(*) from pg_stat_activity where wait_event = 'SyncRep'")
		check(t, err)
		return n != "0"
	})
	link.Resume()
	check(t, <-ended)
}

// TestReplicationWaitRows has something befall a commit that waits for a
// synchronous standby from which nothing is heard. The transaction is committed
// by then, whatever the client learns.
func TestReplicationWaitRows(t *testing.T) {
	box := sandboxtest.Open(t)
	server, err := box.Primary(t.Context(), "primary", nil)
	check(t, err)
	link, err := relay.Listen(t.Context(), server.Addr())
	check(t, err)
	defer link.Close()
	standby, err := box.Standby(t.Context(), "standby", server, link.Addr())
	check(t, err)
	check(t, standby.WaitStreaming(t.Context(), server))
	check(t, server.Set(t.Context(), "synchronous_standby_names", "standby"))
	untilCommitsWait(t, server, link)
	// What the role says of warnings would hide the one that matters.
	check(t, server.Exec(t.Context(), "set synchronous_commit = local; alter role postgres set client_min_messages = error"))

	deaf := func(b *bench) {
		b.sql("set synchronous_commit = local")
		link.Freeze()
		b.later(link.Resume)
	}
	waiting := func(do func(*bench)) func(*bench) {
		return func(b *bench) { b.waits("SyncRep"); do(b) }
	}
	play(t, server, []row{
		{
			name:   "replicated",
			spoken: [2]string{"DCZ", "CDCDCCZ"},
			want:   told(txn.Acked, txn.Answered, txn.NoFault, ""), life: lives, there: present,
		},
		{
			name:    "cancelled",
			arrange: deaf, meanwhile: waiting(signalled("pg_cancel_backend")),
			spoken: [2]string{"DCNZ", "CDCDCNCZ"},
			want:   told(txn.AckedUnreplicated, txn.Answered, txn.NoFault, ""), life: lives, there: present,
		},
		{
			// The server says so by a warning, not by an error, and hangs up.
			name:    "terminated",
			arrange: deaf, meanwhile: waiting(signalled("pg_terminate_backend")),
			spoken: [2]string{"DCN", "CDCDCN"},
			want:   told(txn.InDoubt, txn.Sent, txn.Reset, ""), life: lost, there: present,
		},
		{
			name:    "deadline",
			change:  func(c *Config) { c.StatementTimeout = brief },
			arrange: deaf,
			want:    judged(txn.InDoubt, txn.Sent, txn.Timeout, ""), life: lost, there: present,
		},
		{
			// No such wait is ended by the server's own deadline.
			name:    "statement_timeout, and then heard of again",
			arrange: after(deaf, setting("statement_timeout = 1000")),
			meanwhile: waiting(func(b *bench) {
				until(b.t, "a wait past statement_timeout", func() bool {
					return b.number("select count(*) from pg_stat_activity where wait_event = 'SyncRep' and clock_timestamp() - query_start > '2 s' and application_name = "+b.name()) > 0
				})
				link.Resume()
			}),
			spoken: [2]string{"DCZ", "CDCDCCZ"},
			want:   told(txn.Acked, txn.Answered, txn.NoFault, ""), life: lives, there: present,
		},
	})
}
