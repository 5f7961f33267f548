package journal

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
)

// Follow reads the durable frames of the journal being written, from the offset
// from (0, or the End of an earlier frame) on, and waits for more. It ends after
// the closed record. A failure of the journal ends it with that error, after all
// frames that are durable; so does ctx. A damaged frame is an error too: the disk
// does not keep what it was given.
func (j *Journal) Follow(ctx context.Context, from int64) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		f, err := os.Open(j.path)
		if err != nil {
			yield(Frame{}, unavailable("read", j.path, err))
			return
		}
		defer f.Close()
		t := tail{journal: j, scan: scanner{src: f}, at: max(from, j.body)}
		for {
			frame, err := t.next(ctx)
			if err == io.EOF {
				return
			}
			if !yield(frame, err) || err != nil {
				return
			}
		}
	}
}

// tail is one reading of a growing journal.
type tail struct {
	journal *Journal
	scan    scanner
	at      int64
}

func (t *tail) next(ctx context.Context) (Frame, error) {
	if t.at >= t.scan.limit {
		if err := t.wait(ctx); err != nil {
			return Frame{}, err
		}
	}
	k, payload, size, err := t.scan.frame(t.at)
	if err != nil {
		return Frame{}, err
	}
	if size == 0 {
		return Frame{}, fmt.Errorf("read journal %s at byte %d: damaged, though it was durable", t.journal.path, t.at)
	}
	body, err := decode(k, payload, t.journal.head.Driver)
	if err != nil {
		return Frame{}, fmt.Errorf("read journal %s at byte %d: %w", t.journal.path, t.at, err)
	}
	f := Frame{From: t.at, End: t.at + int64(size), Body: body}
	t.at = f.End
	return f, nil
}

// wait waits until more is durable. It returns io.EOF after the last frame.
func (t *tail) wait(ctx context.Context) error {
	j := t.journal
	for {
		j.mu.Lock()
		durable, ended, err, turn := j.durable.Load(), j.state == closed, j.err, j.waitLocked()
		j.mu.Unlock()
		switch {
		case durable > t.at:
			t.scan.limit = durable
			return nil
		case err != nil:
			return err
		case ended:
			return io.EOF
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return fmt.Errorf("follow journal %s: %w", j.path, context.Cause(ctx))
		}
	}
}
