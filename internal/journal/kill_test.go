package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pgrpo/pgrpo/internal/txn"
)

const childWorkers = 3

// writeUntilKilled is the life of the child: workers put as fast as they can, and
// standard output tells what Sync promised of each.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	j, err := Create(path, head)
	if err != nil {
		return err
	}
	var puts [childWorkers]atomic.Int64
	var group sync.WaitGroup
	for w := range txn.Worker(childWorkers) {
		a := j.Account(w)
		group.Go(func() {
			for {
				seq, err := a.Next(ctx)
				if err != nil {
					return
				}
				a.Put(seq, entryOf(w, seq))
				puts[w].Store(int64(seq))
			}
		})
	}
	for {
		var before [childWorkers]int64
		for w := range puts {
			before[w] = puts[w].Load()
		}
		if err := j.Sync(ctx); err != nil {
			group.Wait()
			return err
		}
		// One write a line: a killed process leaves no half number.
		if _, err := fmt.Fprintf(os.Stdout, "%d %d %d\n", before[0], before[1], before[2]); err != nil {
			return err
		}
	}
}

// What a process was told durable is read after the process was killed.
func TestKilledInTheMiddle(t *testing.T) {
	for _, lines := range []int{1, 5, 40} {
		path := filepath.Join(t.TempDir(), "child.journal")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		child := exec.CommandContext(ctx, os.Args[0])
		child.Env = append(os.Environ(), childPath+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		var promised [childWorkers]int
		told := bufio.NewScanner(out)
		scan := func() bool {
			if !told.Scan() {
				return false
			}
			_, err := fmt.Sscan(told.Text(), &promised[0], &promised[1], &promised[2])
			must(t, err)
			return true
		}
		for n := range lines {
			if !scan() {
				t.Fatalf("the child ended after %d lines", n)
			}
		}
		must(t, child.Process.Kill())
		for scan() {
		}
		if err := child.Wait(); err == nil {
			t.Error("the child ended by itself")
		}
		cancel()
		b, err := os.ReadFile(path)
		must(t, err)
		all, err := readAll(t, b, 0)
		must(t, err)
		if len(all.holes) != 0 || !all.headed {
			t.Errorf("holes %v, header %v", all.holes, all.headed)
		}
		upto := map[txn.Worker]txn.Seq{}
		for _, f := range all.frames {
			switch body := f.Body.(type) {
			case Reserve:
				upto[body.Worker] = body.Upto
			case Entries:
				if body.Last() > upto[body.Worker] {
					t.Errorf("worker %d: seq %d is past the reservation to %d", body.Worker, body.Last(), upto[body.Worker])
				}
			}
		}
		for w := range txn.Worker(childWorkers) {
			_, got := all.entries(t, w)
			if len(got) < promised[w] {
				t.Errorf("worker %d: %d entries were read, %d promised", w, len(got), promised[w])
			}
			for i, e := range got {
				if want := entryOf(w, txn.Seq(i+1)); e != want {
					t.Fatalf("worker %d seq %d: %s", w, i+1, cmp.Diff(want, e))
				}
			}
		}
	}
}
