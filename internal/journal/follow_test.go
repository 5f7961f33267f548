package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// followed collects what Follow gives until it ends.
func followed(ctx context.Context, j *Journal, from int64) (all []Frame, err error) {
	for f, err := range j.Follow(ctx, from) {
		if err != nil {
			return all, err
		}
		all = append(all, own(f))
	}
	return all, nil
}

// Who follows while others write sees exactly the file, in order.
func TestFollowWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Create(path, head)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var group, writers sync.WaitGroup
	var got []Frame
	var failure error
	group.Go(func() { got, failure = followed(ctx, j, 0) })
	for w := range txn.Worker(4) {
		a := j.Account(w)
		writers.Go(func() {
			for range 3000 {
				seq, err := a.Next(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				a.Put(seq, entryOf(w, seq))
			}
		})
	}
	writers.Go(func() {
		for range 50 {
			j.Probe(probe)
			if _, err := j.Connection(connection); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Wait()
	must(t, j.Close(ctx))
	group.Wait()
	must(t, failure)
	b, err := os.ReadFile(path)
	must(t, err)
	want, err := readAll(t, b, 0)
	must(t, err)
	if !reflect.DeepEqual(want.frames, got) {
		t.Errorf("%d frames were followed, %d are read, or they differ", len(got), len(want.frames))
	}
	if len(want.holes) != 0 || j.Durable() != int64(len(b)) {
		t.Errorf("holes %v, durable %d of %d", want.holes, j.Durable(), len(b))
	}
	for w := range txn.Worker(4) {
		if seqs, _ := want.entries(t, w); len(seqs) != 3000 {
			t.Errorf("worker %d: %d entries", w, len(seqs))
		}
	}
	// From any frame on, also when all is over.
	for _, i := range []int{0, len(got) / 2, len(got) - 1} {
		rest, err := followed(ctx, j, got[i].End)
		must(t, err)
		if !slices.EqualFunc(got[i+1:], rest, func(a, b Frame) bool { return reflect.DeepEqual(a, b) }) {
			t.Errorf("from frame %d: %d frames, want %d", i, len(rest), len(got)-i-1)
		}
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "j"), head)
	must(t, err)
	defer j.Close(t.Context())
	put(t, j.Account(0), 1) // two frames: a reservation and the entry
	must(t, j.Sync(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	frames, ended := 0, error(nil)
	var f Frame
	for f, ended = range j.Follow(ctx, 0) {
		if ended == nil && !stalled(f) {
			frames++
		}
		if frames == 2 {
			cancel() // all that is durable has come: it waits for more
		}
	}
	if !errors.Is(ended, context.Canceled) || frames != 2 {
		t.Errorf("%d frames, %v", frames, ended)
	}
}

// A journal that failed is followed to its last durable byte.
func TestFollowEndsWithTheFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	f, err := createFile(path)
	must(t, err)
	faulty := &failing{file: f}
	j, err := start(faulty, path, head)
	must(t, err)
	put(t, j.Account(0), 1) // two frames: a reservation and the entry
	must(t, j.Sync(t.Context()))
	faulty.mu.Lock()
	faulty.err = syscall.EIO
	faulty.mu.Unlock()
	put(t, j.Account(0), 2)
	<-j.Failed()
	all, err := followed(t.Context(), j, 0)
	all = slices.DeleteFunc(all, stalled)
	if !errors.Is(err, syscall.EIO) || len(all) != 2 {
		t.Errorf("%d frames, %v", len(all), err)
	}
	if err := j.Close(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("close: %v", err)
	}
}

// failing is a file whose sync fails on demand.
type failing struct {
	file
	mu  sync.Mutex
	err error
}

func (f *failing) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	return f.file.Sync()
}

// A disk that gives back something else than it was given is told.
func TestFollowTellsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Create(path, head)
	must(t, err)
	defer j.Close(t.Context())
	put(t, j.Account(0), 1) // two frames: a reservation and the entry
	must(t, j.Sync(t.Context()))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{0xFF}, j.Durable()-30)
	must(t, err)
	must(t, f.Close())
	all, err := followed(t.Context(), j, 0)
	if all = slices.DeleteFunc(all, stalled); err == nil || len(all) != 1 {
		t.Errorf("%d frames, %v", len(all), err)
	}
}
