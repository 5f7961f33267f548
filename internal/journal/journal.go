package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// groupEvery is how often entries are written and synced.
const groupEvery = 20 * time.Millisecond

// mostBacklog bounds the events, other than entries, that wait for the disk.
const mostBacklog = 4 << 20

// ErrClosed is the error of what is asked of a journal after Close.
var ErrClosed = errors.New("journal is closed")

// Header names the process whose journal it is.
type Header struct {
	Run    txn.Run
	Driver txn.Driver
	// Started is the wall clock at the driver's monotonic zero. [Create]
	// sets it.
	Started time.Time
	Host    string
	Pid     int
}

// Journal is a journal being written. All its methods may be called from any
// goroutine. Its own goroutine, which alone touches the file, ends with Close or
// with the first failure.
type Journal struct {
	path   string
	head   Header
	body   int64
	start  time.Time
	file   file
	wake   chan struct{}
	failed chan struct{}
	ended  chan struct{}
	// stopped is set by Close and by a failure: no seq is handed out then.
	stopped atomic.Bool
	durable atomic.Int64
	// out and round belong to the writing goroutine.
	out   []byte
	round []*Account

	mu       sync.Mutex
	accounts []*Account
	control  []byte
	conns    uint32
	// Rounds are numbered: what was queued before round n began is durable
	// once done >= n.
	begun, done uint64
	// turn, if not nil, is closed after a round, for those who wait.
	turn  chan struct{}
	state state
	err   error
}

type state uint8

const (
	open state = iota
	closing
	closed
)

// Create makes a journal; a file of that name must not be there. When it
// returns, the file, its header and its name are durable. The caller must Close
// it. Errors are [trouble.Unavailable].
func Create(path string, h Header) (*Journal, error) {
	f, err := createFile(path)
	if err != nil {
		return nil, err
	}
	j, err := start(f, path, h)
	if err == nil {
		if err = syncDir(path); err == nil {
			return j, nil
		}
		err = errors.Join(err, j.Close(context.Background()))
	}
	os.Remove(path)
	return nil, err
}

// start writes the header and starts the writing goroutine. It closes the file
// if it fails.
func start(f file, path string, h Header) (*Journal, error) {
	now := time.Now()
	h.Started = now
	j := &Journal{
		path: path, head: h, start: now, file: f,
		wake: make(chan struct{}, 1), failed: make(chan struct{}), ended: make(chan struct{}),
	}
	j.out = appendHeader(le.AppendUint32([]byte(magic), version), h)
	err := writeAll(f, j.out)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, unavailable("write", path, err)
	}
	j.body = int64(len(j.out))
	j.durable.Store(j.body)
	go j.write()
	return j, nil
}

// Header is the journal's header.
func (j *Journal) Header() Header { return j.head }

// Now is the time since the driver's start, on the monotonic clock that all times
// of the journal count on.
func (j *Journal) Now() time.Duration { return time.Since(j.start) }

// Durable is the number of the file's bytes that are on stable storage. It ends
// with a whole frame.
func (j *Journal) Durable() int64 { return j.durable.Load() }

// Failed is closed when the journal can no longer be written.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Err tells why the journal can no longer be written; nil if it can, or was
// closed in order.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// refusal is why nothing more is taken: a failure, or Close.
func (j *Journal) refusal() error {
	if err := j.Err(); err != nil {
		return err
	}
	return fmt.Errorf("write journal %s: %w", j.path, ErrClosed)
}

// fail ends all writing. Only the first error is kept.
func (j *Journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failLocked(err)
}

func (j *Journal) failLocked(err error) {
	if j.err != nil {
		return
	}
	j.err = err
	j.stopped.Store(true)
	close(j.failed)
	j.callLocked()
	j.rouse()
}

// callLocked lets all who wait for a round look again.
func (j *Journal) callLocked() {
	if j.turn != nil {
		close(j.turn)
		j.turn = nil
	}
}

// waitLocked gives the channel that is closed after a round or a failure.
func (j *Journal) waitLocked() <-chan struct{} {
	if j.turn == nil {
		j.turn = make(chan struct{})
	}
	return j.turn
}

// rouse makes the writing goroutine begin a round now.
func (j *Journal) rouse() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Sync waits until all that was put before is durable.
func (j *Journal) Sync(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	// A round that began already may have passed by what was put.
	want := j.begun + 1
	for j.err == nil && j.done < want && j.state != closed {
		turn := j.waitLocked()
		j.mu.Unlock()
		j.rouse()
		select {
		case <-turn:
		case <-ctx.Done():
			j.mu.Lock()
			return fmt.Errorf("sync journal %s: %w", j.path, context.Cause(ctx))
		}
		j.mu.Lock()
	}
	return j.err
}

// Close writes what is left and the closed record, which promises that each
// worker's account is whole; the workers must have put their last entry before.
// It waits for the writing goroutine, but no longer than ctx. After a failure no
// record is written and the failure is returned.
func (j *Journal) Close(ctx context.Context) error {
	j.mu.Lock()
	if j.state == open {
		j.state = closing
	}
	j.stopped.Store(true)
	j.mu.Unlock()
	j.rouse()
	select {
	case <-j.ended:
		return j.Err()
	case <-ctx.Done():
		return fmt.Errorf("close journal %s: %w", j.path, context.Cause(ctx))
	}
}
