package journal

import (
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// write is the writing goroutine: it owns the file.
func (j *Journal) write() {
	defer close(j.ended)
	tick := time.NewTicker(groupEvery)
	defer tick.Stop()
	for {
		select {
		case <-j.wake:
		case <-tick.C:
		}
		if last := j.writeRound(); last {
			break
		}
	}
	err := j.file.Close()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.failLocked(unavailable("close", j.path, err))
	}
	j.state = closed
	j.callLocked()
}

// writeRound makes durable what was queued before it: one write, one sync. It
// tells whether it was the last: after Close, or on a failure.
func (j *Journal) writeRound() bool {
	j.mu.Lock()
	failed, final := j.err != nil, j.state == closing
	j.begun++
	number := j.begun
	j.round = append(j.round[:0], j.accounts...)
	j.mu.Unlock()
	if failed {
		return true
	}
	if !final {
		j.compose()
	} else if err := j.composeLast(); err != nil {
		j.fail(err)
		return true
	}
	if len(j.out) > 0 {
		err := writeAll(j.file, j.out)
		if err == nil {
			err = j.file.Sync()
		}
		if err != nil {
			j.fail(unavailable("write", j.path, err))
			return true
		}
		for _, a := range j.round {
			a.grant()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durable.Add(int64(len(j.out)))
	j.done = number
	j.callLocked()
	return final
}

// compose fills out with the frames of a round.
func (j *Journal) compose() {
	for _, a := range j.round {
		a.gather()
	}
	j.frame()
}

// composeLast fills out with the frames of the last round: no entry can follow
// them, and the closed record is the last.
func (j *Journal) composeLast() error {
	used := make([]txn.Reserve, 0, len(j.round))
	for _, a := range j.round {
		a.seal()
		taken := a.gather()
		used = append(used, txn.Reserve{Worker: a.worker, Upto: max(a.granted, a.reserving), Used: taken})
	}
	if n := len(used) * closedBytes; n > mostPayload {
		return fmt.Errorf("close journal %s: %d workers are more than a record holds", j.path, len(used))
	}
	j.frame()
	j.out = appendClosed(j.out, used)
	return nil
}

// frame fills out with what was queued and gathered. Entries are gathered before
// the events are taken and written after them, so that an entry never comes
// before the connection that it names.
func (j *Journal) frame() {
	j.mu.Lock()
	j.out = append(j.out[:0], j.control...)
	j.control = j.control[:0]
	j.mu.Unlock()
	for _, a := range j.round {
		if a.reserving != 0 {
			j.out = appendReserve(j.out, a.worker, a.reserving)
		}
	}
	for _, a := range j.round {
		if len(a.writing) > 0 {
			j.out = appendEntries(j.out, a.worker, a.first, a.writing)
		}
	}
}
