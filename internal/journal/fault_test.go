package journal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// memory is a file whose faults a test sets. What was written before the last
// good sync is what a dead machine keeps.
type memory struct {
	mu      sync.Mutex
	written bytes.Buffer
	synced  int
	writes  int
	// atMost, if not 0, is how much one write takes.
	atMost int
	// writeErr and syncErr, if not nil, are what the next calls return.
	writeErr, syncErr error
	// hold, if not nil, keeps a sync until it is closed.
	hold chan struct{}
}

func (m *memory) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.atMost > 0 && len(b) > m.atMost {
		b = b[:m.atMost]
	}
	if m.writeErr != nil {
		n, _ := m.written.Write(b[:len(b)/2])
		return n, m.writeErr
	}
	return m.written.Write(b)
}

func (m *memory) Sync() error {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		<-hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.syncErr == nil {
		m.synced = m.written.Len()
	}
	return m.syncErr
}

func (m *memory) Close() error { return nil }

func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *memory) bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.written.Bytes())
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

func begun(t *testing.T, m *memory) *Journal {
	t.Helper()
	j, err := start(m, "a.journal", head)
	must(t, err)
	// A failed journal returns its failure from Close as well.
	t.Cleanup(func() { _ = j.Close(context.Background()) })
	return j
}

func TestShortWritesAreCompleted(t *testing.T) {
	m := &memory{atMost: 7}
	j := begun(t, m)
	put(t, j.Account(0), 100)
	must(t, j.Close(t.Context()))
	all, err := readAll(t, m.bytes(), 0)
	must(t, err)
	if seqs, _ := all.entries(t, 0); len(seqs) != 100 || all.torn || len(all.holes) != 0 {
		t.Errorf("%d entries, torn %v, holes %v", len(seqs), all.torn, all.holes)
	}
	must(t, j.Err())
}

// After the disk said no once, nothing more is written, taken or promised.
func TestDiskFails(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(*memory)
		want  error
	}{
		"no space":        {func(m *memory) { m.writeErr = syscall.ENOSPC }, syscall.ENOSPC},
		"nothing written": {func(m *memory) { m.writeErr = io.ErrShortWrite }, io.ErrShortWrite},
		"sync":            {func(m *memory) { m.syncErr = syscall.EIO }, syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(memory)
			j := begun(t, m)
			a := j.Account(0)
			put(t, a, 10)
			must(t, j.Sync(t.Context()))
			durable := j.Durable()
			m.set(func() { c.fault(m) })
			put(t, a, 1)
			err := j.Sync(t.Context())
			if !errors.Is(err, c.want) || trouble.Of(err) != trouble.Unavailable || !strings.HasPrefix(err.Error(), "write journal a.journal: ") {
				t.Fatalf("sync: %v", err)
			}
			<-j.Failed()
			// The disk is well again: too late.
			m.set(func() { m.writeErr, m.syncErr = nil, nil })
			writes, size := m.writes, len(m.bytes())
			a.Put(12, entryOf(0, 12))
			if seq, err := a.Next(t.Context()); !errors.Is(err, c.want) || seq != 0 {
				t.Errorf("next: %d, %v", seq, err)
			}
			if seq, err := j.Account(1).Next(t.Context()); !errors.Is(err, c.want) || seq != 0 {
				t.Errorf("next of a new worker: %d, %v", seq, err)
			}
			if _, err := j.Connection(connection); !errors.Is(err, c.want) {
				t.Errorf("connection: %v", err)
			}
			j.Probe(probe)
			j.Stall(stall)
			for _, err := range []error{j.Sync(t.Context()), j.Sentinel(t.Context(), sentinel), j.Close(t.Context()), j.Err()} {
				if !errors.Is(err, c.want) {
					t.Errorf("error %v", err)
				}
			}
			if m.writes != writes || len(m.bytes()) != size || j.Durable() != durable {
				t.Errorf("written after the failure: %d writes, %d bytes, durable %d", m.writes-writes, len(m.bytes())-size, j.Durable()-durable)
			}
			all, err := readAll(t, m.bytes()[:m.synced], 0)
			must(t, err)
			if seqs, _ := all.entries(t, 0); len(seqs) != 10 || all.torn {
				t.Errorf("%d entries were promised and 10 put before, torn %v", len(seqs), all.torn)
			}
		})
	}
}

func TestHeaderCannotBeWritten(t *testing.T) {
	for _, m := range []*memory{{writeErr: syscall.ENOSPC}, {syncErr: syscall.EIO}} {
		if _, err := start(m, "a.journal", head); trouble.Of(err) != trouble.Unavailable {
			t.Errorf("start: %v", err)
		}
	}
}

// A zero write is not tried for ever.
func TestWriteAllGivesUp(t *testing.T) {
	if err := writeAll(stubborn{}, []byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

type stubborn struct{}

func (stubborn) Write([]byte) (int, error) { return 0, nil }
func (stubborn) Sync() error               { return nil }
func (stubborn) Close() error              { return nil }

// A history that cannot be is not written.
func TestEntriesOutOfTurnFail(t *testing.T) {
	for name, c := range map[string]func(*Account){
		"left out":       func(a *Account) { a.Put(5, entryOf(0, 5)) },
		"again":          func(a *Account) { a.Put(3, entryOf(0, 3)) },
		"never taken":    func(a *Account) { a.Put(4, entryOf(0, 4)); a.Put(5, entryOf(0, 5)); a.Put(6, entryOf(0, 6)) },
		"seq 0":          func(a *Account) { a.Put(0, entryOf(0, 4)) },
		"of unknown end": func(a *Account) { a.Put(4, txn.Entry{Outcome: 9}) },
	} {
		t.Run(name, func(t *testing.T) {
			m := new(memory)
			j := begun(t, m)
			a := j.Account(0)
			put(t, a, 3)
			for range 2 {
				if _, err := a.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			must(t, j.Sync(t.Context()))
			c(a)
			<-j.Failed()
			if err := j.Close(t.Context()); err == nil {
				t.Error("closed in order")
			}
			all, err := readAll(t, m.bytes(), 0)
			must(t, err)
			if seqs, _ := all.entries(t, 0); len(seqs) > 5 || len(all.holes) != 0 {
				t.Errorf("seqs %v, holes %v", seqs, all.holes)
			}
			for _, f := range all.frames {
				if _, ok := f.Body.(Closed); ok {
					t.Error("a closed record was written")
				}
			}
		})
	}
}

// The closed record knows of the reservation made in its own round.
func TestClosedKnowsTheLastReservation(t *testing.T) {
	m := new(memory)
	j := begun(t, m)
	put(t, j.Account(0), reserveSeqs/2+1)
	must(t, j.Close(t.Context()))
	all, err := readAll(t, m.bytes(), 0)
	must(t, err)
	last, ok := all.frames[len(all.frames)-1].Body.(Closed)
	if want := (txn.Reserve{Driver: 2, Upto: 2 * reserveSeqs, Used: reserveSeqs/2 + 1, Closed: true}); !ok || len(last.Used) != 1 || last.Used[0] != want {
		t.Errorf("closed %+v, want %+v", last, want)
	}
}

func TestPutAfterCloseIsTold(t *testing.T) {
	j := begun(t, new(memory))
	a := j.Account(0)
	seq, err := a.Next(t.Context())
	must(t, err)
	must(t, j.Close(t.Context()))
	a.Put(seq, entryOf(0, seq))
	<-j.Failed()
	if j.Err() == nil {
		t.Error("an entry was lost in silence")
	}
}

// A disk that hangs stops the workers at the end of their reservation, and the
// wait is kept as a stall.
func TestHangingDiskHoldsTheWorkers(t *testing.T) {
	m := new(memory)
	j := begun(t, m)
	a := j.Account(0)
	put(t, a, 1)
	must(t, j.Sync(t.Context()))
	hold, before := make(chan struct{}), m.count()
	m.set(func() { m.hold = hold })
	// A round hangs before the reservation is used up.
	put(t, a, reserveSeqs/2)
	j.rouse()
	for late := time.Now().Add(time.Minute); m.count() == before; time.Sleep(time.Millisecond) {
		must(t, j.Err())
		if time.Now().After(late) {
			t.Fatal("no round began")
		}
	}
	put(t, a, reserveSeqs/2-1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	n := reserveSeqs
	if seq, err := a.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("seq %d was taken while the disk hung, %d are durably reserved: %v", seq, n, err)
	}
	if err := j.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	m.set(func() { m.hold = nil })
	close(hold)
	must(t, j.Close(t.Context()))
	all, err := readAll(t, m.bytes(), 0)
	must(t, err)
	if seqs, _ := all.entries(t, 0); len(seqs) != n {
		t.Errorf("%d entries of %d", len(seqs), n)
	}
}

func TestSlowReservationIsAStall(t *testing.T) {
	m := new(memory)
	j := begun(t, m)
	hold := make(chan struct{})
	m.set(func() { m.hold = hold })
	var worker sync.WaitGroup
	worker.Go(func() {
		a := j.Account(0)
		seq, err := a.Next(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		a.Put(seq, entryOf(0, seq))
	})
	waits := func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.turn != nil
	}
	for late := time.Now().Add(time.Minute); !waits(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("nobody waits")
		}
	}
	for from := j.Now(); j.Now()-from <= stallAfter; {
		time.Sleep(time.Millisecond)
	}
	m.set(func() { m.hold = nil })
	close(hold)
	worker.Wait()
	must(t, j.Close(t.Context()))
	all, err := readAll(t, m.bytes(), 0)
	must(t, err)
	for _, f := range all.frames {
		if s, ok := f.Body.(Stall); ok && s.To-s.From > stallAfter && s.Cause == "journal" {
			return
		}
	}
	t.Error("no stall was kept")
}

// Events that the disk does not take do not fill the memory.
func TestBacklogIsBounded(t *testing.T) {
	m := new(memory)
	j := begun(t, m)
	hold := make(chan struct{})
	m.set(func() { m.hold = hold })
	defer func() {
		m.set(func() { m.hold = nil })
		close(hold)
	}()
	for range 3 * mostBacklog / 60000 {
		j.Stall(txn.Stall{Cause: strings.Repeat("x", 60000)})
	}
	<-j.Failed()
	if trouble.Of(j.Err()) != trouble.Unavailable {
		t.Error(j.Err())
	}
}

func TestConnectionTooLargeIsRefused(t *testing.T) {
	j := begun(t, new(memory))
	c := connection
	c.SyncStandbys = strings.Repeat("x", 1<<16)
	if n, err := j.Connection(c); err == nil || n != 0 {
		t.Errorf("connection %d: %v", n, err)
	}
	if n, err := j.Connection(connection); err != nil || n != 1 {
		t.Errorf("the next connection is %d: %v", n, err)
	}
}
