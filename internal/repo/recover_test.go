package repo_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Whoever recovers after each failed save and sends it again where it took no
// effect has each part stored once, also those of an open transaction, whatever
// of the failed save was still on its way.
func TestStreamRecovers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, name := fresh(t)
	link, err := relay.Listen(ctx, server.Addr())
	must(t, err)
	defer link.Close()
	s := opened(t, dsn(t, name, "", link.Addr())).Stream(run, "slot")
	if _, err := s.Recover(ctx); !errors.Is(err, repo.ErrNotLoaded) {
		t.Errorf("recover before load: %v, want ErrNotLoaded", err)
	}
	p, err := s.Load(ctx)
	must(t, err)
	const saves = 24
	huge := commit(run, 0, 1, 1000)
	took := map[bool]int{}
	for i := range saves {
		changes := []txn.Change{changeOf(huge, int32(i))}
		var commits []txn.Commit
		p.OpenTxn = &repo.Part{Seq: 1, LSN: 1000}
		if i == saves-1 {
			commits, p.OpenTxn, p.End = []txn.Commit{huge}, nil, huge.End
		}
		attempt, cancel := context.WithTimeout(ctx, 30*time.Second)
		switch i % 5 {
		case 0:
			link.EatNext("COMMIT")
		case 1:
			link.EatNext("COPY 1")
		case 2:
			// What the relay holds arrives when the caller has given up.
			link.Freeze()
			cancel()
			attempt, cancel = context.WithTimeout(ctx, 30*time.Millisecond)
		case 3:
			cancel()
		}
		err := s.Save(attempt, commits, changes, p)
		cancel()
		link.Resume()
		for err != nil {
			stored, rerr := s.Recover(ctx)
			must(t, rerr)
			took[stored]++
			if stored {
				break
			}
			err = s.Save(ctx, commits, changes, p)
		}
	}
	if took[true] == 0 || took[false] == 0 {
		t.Errorf("failed saves by whether they took effect: %v, want both", took)
	}
	if got := value(t, name, "select count(*) || ' ' || count(distinct idx) || ' ' || (select count(*) from pgrpo.commit) from pgrpo.change"); got != "24 24 1" {
		t.Errorf("changes, distinct ones and commits: %s, want 24 24 1", got)
	}
}

func TestStreamRecoversNothingOfAnothers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, name := fresh(t)
	old, heir := r.Stream(run, "slot"), r.Stream(run, "slot")
	_, err := old.Load(ctx)
	must(t, err)
	must(t, old.Save(ctx, nil, nil, repo.Progress{End: 8}))
	p, err := heir.Load(ctx)
	must(t, err)
	if err := old.Save(ctx, nil, nil, repo.Progress{End: 9}); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("save: %v, want ErrFenced", err)
	}
	if _, err := old.Recover(ctx); !errors.Is(err, repo.ErrFenced) || !repo.Permanent(err) {
		t.Errorf("recover: %v, want ErrFenced", err)
	}
	must(t, heir.Save(ctx, nil, nil, p))
	must(t, heir.Save(ctx, nil, nil, p))
	change(t, name, "update pgrpo.progress set saves = saves - 2")
	if err := heir.Save(ctx, nil, nil, p); err == nil {
		t.Error("saved to a repo that had lost saves")
	}
	if _, err := heir.Recover(ctx); !errors.Is(err, repo.ErrRewound) {
		t.Errorf("recover: %v, want ErrRewound", err)
	}
	change(t, name, "delete from pgrpo.progress")
	if _, err := heir.Recover(ctx); !errors.Is(err, repo.ErrRewound) {
		t.Errorf("recover: %v, want ErrRewound", err)
	}
}

func TestMismatched(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	s := r.Stream(run, "slot")
	p, err := s.Load(ctx)
	must(t, err)
	var stored []txn.Commit
	for seq := range txn.Seq(10) {
		stored = append(stored, commit(run, txn.Worker(seq%2), seq+1, pg.LSN(seq+1)*100))
	}
	twice := stored[0]
	twice.LSN, twice.End = 5000, 5008
	stored = append(stored, twice)
	p.Mismatches = 3
	must(t, s.Save(ctx, append([]txn.Commit(nil), stored...), nil, p))
	if p, err = s.Load(ctx); err != nil || p.Mismatches != 3 {
		t.Errorf("progress %+v, %v", p, err)
	}
	got, err := s.Mismatched(ctx, stored)
	must(t, err)
	if len(got) != 0 {
		t.Errorf("the same again: %v", got)
	}
	altered := func(change func(*txn.Commit)) txn.Commit {
		c := stored[3]
		change(&c)
		return c
	}
	for _, c := range []txn.Commit{
		altered(func(c *txn.Commit) { c.Xid++ }),
		altered(func(c *txn.Commit) { c.Seen++ }),
		altered(func(c *txn.Commit) { c.SeenSum++ }),
		altered(func(c *txn.Commit) { c.Sum++ }),
		altered(func(c *txn.Commit) { c.Ops++ }),
		altered(func(c *txn.Commit) { c.End++ }),
	} {
		got, err := s.Mismatched(ctx, []txn.Commit{stored[2], c, stored[4]})
		must(t, err)
		if diff := cmp.Diff([]repo.Mismatch{{Came: c, Stored: &stored[3]}}, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, c := range []txn.Commit{
		altered(func(c *txn.Commit) { c.Seq = 77 }),
		altered(func(c *txn.Commit) { c.Worker = 7 }),
		altered(func(c *txn.Commit) { c.LSN++ }),
		altered(func(c *txn.Commit) { c.Branch = 2 }),
	} {
		got, err := s.Mismatched(ctx, []txn.Commit{c})
		must(t, err)
		if diff := cmp.Diff([]repo.Mismatch{{Came: c}}, got); diff != "" {
			t.Error(diff)
		}
	}
}
