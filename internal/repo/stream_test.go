package repo_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func commit(n txn.Run, w txn.Worker, seq txn.Seq, at pg.LSN) txn.Commit {
	return txn.Commit{
		ID: txn.ID{Run: n, Worker: w, Seq: seq}, Branch: 1, LSN: at, End: at + 8, CommittedAt: time.UnixMicro(1795194121123456).UTC(),
		Xid: 1<<32 - 5, Ops: 3, Sum: -7, Seen: 2, SeenSum: 1<<31 - 1,
	}
}

func changeOf(c txn.Commit, index int32) txn.Change {
	return txn.Change{ID: c.ID, Row: txn.RowID(-index), LSN: c.LSN, Xid: c.Xid, Index: index, Sum: -9, Kind: txn.Insert + txn.Kind(index)%3}
}

func gather[T any](t *testing.T, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range seq {
		must(t, err)
		all = append(all, v)
	}
	return all
}

func TestStreamStoresAndLoads(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	s := r.Stream(run, "pgrpo_1")
	if err := s.Save(ctx, nil, nil, repo.Progress{}); !errors.Is(err, repo.ErrNotLoaded) {
		t.Errorf("save before load: %v, want ErrNotLoaded", err)
	}
	p, err := s.Load(ctx)
	must(t, err)
	if diff := cmp.Diff(repo.Progress{Slot: "pgrpo_1"}, p); diff != "" {
		t.Error(diff)
	}
	a, b, c, d := commit(run, 2, 1, 1<<40), commit(run, 1, 9, 1<<40+100), commit(run, 1, 3, 1<<40+200), commit(run, 1, 3, 1<<40+50)
	d.Branch = 2
	raw := changeOf(a, 1)
	raw.Raw = []byte("what does not fit")
	p = repo.Progress{Slot: "pgrpo_1", Branch: 1, End: c.End, FollowedTo: c.End + 5, Start: 1 << 39, Duplicates: 4, BeforeCapture: 5, Ended: 2, EndedAt: c.End}
	must(t, s.Save(ctx, []txn.Commit{a, b, c, d}, []txn.Change{changeOf(a, 2), raw, changeOf(a, 0), changeOf(b, 0)}, p))
	idle := p
	idle.FollowedTo += 100
	must(t, s.Save(ctx, nil, nil, idle))
	must(t, s.Save(ctx, []txn.Commit{commit(run, 7, 1, 1<<40+90)}, nil, idle))

	again := r.Stream(run, "pgrpo_1")
	got, err := again.Load(ctx)
	must(t, err)
	if diff := cmp.Diff(idle, got); diff != "" {
		t.Error(diff)
	}
	all, err := r.Progresses(ctx, run)
	must(t, err)
	if diff := cmp.Diff([]repo.Progress{idle}, all); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]txn.Commit{d, c, b}, gather(t, r.Commits(ctx, run, 1))); diff != "" {
		t.Errorf("commits of worker 1 by (seq, lsn): %s", diff)
	}
	if diff := cmp.Diff([]txn.Change{changeOf(a, 0), raw, changeOf(a, 2)}, gather(t, r.Changes(ctx, a))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]txn.Commit{a, commit(run, 7, 1, 1<<40+90), b}, gather(t, again.Positions(ctx, 1, 1<<40, 1<<40+200))); diff != "" {
		t.Errorf("positions on branch 1: %s", diff)
	}
	start, end, err := again.HighWater(ctx, 1)
	if err != nil || start != c.LSN || end != c.End {
		t.Errorf("high water %v %v %v, want %v %v", start, end, err, c.LSN, c.End)
	}
	if start, end, err = again.HighWater(ctx, 3); err != nil || start != 0 || end != 0 {
		t.Errorf("high water of an unknown branch %v %v %v", start, end, err)
	}
	if id, at, ok, err := again.LastMarker(ctx, 2); err != nil || !ok || id != d.ID || at != d.LSN {
		t.Errorf("last marker %v %v %v %v, want %v", id, at, ok, err, d.ID)
	}
	if _, _, ok, err := again.LastMarker(ctx, 3); err != nil || ok {
		t.Errorf("last marker of an unknown branch: %v %v", ok, err)
	}
}

func TestStreamFencing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, name := fresh(t)
	old, heir := r.Stream(run, "slot"), r.Stream(run, "slot")
	_, err := old.Load(ctx)
	must(t, err)
	must(t, old.Save(ctx, []txn.Commit{commit(run, 0, 1, 10)}, nil, repo.Progress{End: 18}))
	_, err = heir.Load(ctx)
	must(t, err)
	if err := old.AddGap(ctx, txn.Gap{Branch: 1, From: 1, To: 2}); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("a gap by the old one: %v, want ErrFenced", err)
	}
	second := []txn.Commit{commit(run, 0, 2, 20)}
	if err := old.Save(ctx, second, []txn.Change{changeOf(second[0], 0)}, repo.Progress{End: 28}); !errors.Is(err, repo.ErrFenced) {
		t.Errorf("a save by the old one: %v, want ErrFenced", err)
	}
	if err := old.Save(ctx, second, nil, repo.Progress{End: 28}); !errors.Is(err, repo.ErrNotLoaded) {
		t.Errorf("a second save: %v, want ErrNotLoaded", err)
	}
	must(t, heir.Save(ctx, second, nil, repo.Progress{End: 28}))
	if got := value(t, name, "select count(*) || ' ' || (select count(*) from pgrpo.change) from pgrpo.commit"); got != "2 0" {
		t.Errorf("commits and changes: %s, want 2 0", got)
	}
	if _, err := r.Stream(run+1, "slot").Load(ctx); !errors.Is(err, repo.ErrNoRun) {
		t.Errorf("an unknown run: %v, want ErrNoRun", err)
	}
}

func TestStreamDropsParts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	s := r.Stream(run, "slot")
	_, err := s.Load(ctx)
	must(t, err)
	whole, huge := commit(run, 0, 1, 100), commit(run, 1, 1, 200)
	must(t, s.Save(ctx, []txn.Commit{whole}, []txn.Change{changeOf(whole, 0)}, repo.Progress{Slot: "slot", End: 108}))
	open := repo.Progress{Slot: "slot", End: 108, OpenTxn: &repo.Part{Worker: 1, Seq: 1, LSN: 200}}
	must(t, s.Save(ctx, nil, []txn.Change{changeOf(huge, 0), changeOf(huge, 1)}, open))
	all, err := r.Progresses(ctx, run)
	must(t, err)
	if diff := cmp.Diff([]repo.Progress{open}, all); diff != "" {
		t.Error(diff)
	}
	p, err := s.Load(ctx)
	must(t, err)
	if diff := cmp.Diff(repo.Progress{Slot: "slot", End: 108}, p); diff != "" {
		t.Error(diff)
	}
	if got := gather(t, r.Changes(ctx, huge)); len(got) != 0 {
		t.Errorf("%d parts are left", len(got))
	}
	if got := gather(t, r.Changes(ctx, whole)); len(got) != 1 {
		t.Errorf("%d changes of the whole commit, want 1", len(got))
	}
}

// Whatever becomes of the reply, each commit is stored once by one who loads
// after each error and goes on from what is durable.
func TestStreamStoresOnceWhenRepliesAreLost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	direct, name := fresh(t)
	link, err := relay.Listen(ctx, server.Addr())
	must(t, err)
	defer link.Close()
	s := opened(t, dsn(t, name, "", link.Addr())).Stream(run, "slot")
	p, err := s.Load(ctx)
	must(t, err)
	lost := 0
	for try := 0; p.End < 100; try++ {
		next := commit(run, 0, txn.Seq(p.End/10+1), p.End+2)
		tag := ""
		switch try % 4 {
		case 1:
			tag = "COMMIT"
		case 2:
			tag = "COPY 1"
		}
		if tag != "" {
			link.EatNext(tag)
		}
		done := p
		done.End = next.End
		err := s.Save(ctx, []txn.Commit{next}, []txn.Change{changeOf(next, 0)}, done)
		if (err == nil) == (tag != "") {
			t.Fatalf("try %d with %q eaten: %v", try, tag, err)
		}
		if err == nil {
			p = done
			continue
		}
		before := p.End
		p, err = s.Load(ctx)
		must(t, err)
		if p.End != before {
			lost++
		}
	}
	if lost == 0 {
		t.Error("no commit was stored whose reply was lost")
	}
	if got := value(t, name, "select count(*) || ' ' || count(distinct seq) || ' ' || (select count(*) from pgrpo.change) from pgrpo.commit"); got != "10 10 10" {
		t.Errorf("commits, seqs and changes: %s, want 10 each", got)
	}
	if n := len(gather(t, direct.Commits(ctx, run, 0))); n != 10 {
		t.Errorf("%d commits, want 10", n)
	}
}

func TestStreamGaps(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	s := r.Stream(run, "slot")
	_, err := s.Load(ctx)
	must(t, err)
	g := txn.Gap{Slot: "slot", Branch: 1, From: 100, To: 200, Reason: "slot missing"}
	other := txn.Gap{Slot: "slot", Branch: 2, From: 5, To: 6, Reason: "slot invalid"}
	must(t, s.AddGap(ctx, g))
	must(t, s.AddGap(ctx, other))
	g.To = 300
	must(t, s.AddGap(ctx, g))
	must(t, s.ShrinkGap(ctx, g, 250))
	g.From = 250
	must(t, s.ShrinkGap(ctx, other, 6))
	for _, read := range []func() ([]txn.Gap, error){func() ([]txn.Gap, error) { return s.Gaps(ctx) }, func() ([]txn.Gap, error) { return r.Gaps(ctx, run) }} {
		got, err := read()
		must(t, err)
		if diff := cmp.Diff([]txn.Gap{g}, got); diff != "" {
			t.Error(diff)
		}
	}
}

// A reader that is cut off says so: what it gave is never taken for all.
func TestReadersPassErrorsOn(t *testing.T) {
	t.Parallel()
	r, name := fresh(t)
	s := r.Stream(run, "slot")
	_, err := s.Load(t.Context())
	must(t, err)
	var many []txn.Commit
	for seq := range txn.Seq(50_000) {
		many = append(many, commit(run, 0, seq+1, pg.LSN(seq+1)*100))
	}
	must(t, s.Save(t.Context(), many, nil, repo.Progress{}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range r.Commits(ctx, run, 0) {
		if n++; n == 10 {
			cancel()
		}
		last = err
	}
	if last == nil || n > 50_000 {
		t.Errorf("a reader whose context ended gave %d rows and no error", n)
	}
	for _, c := range r.Commits(t.Context(), run, 0) {
		must(t, c)
		break // A reader that is left early gives its connection back.
	}
	change(t, name, "drop table pgrpo.commit")
	last = nil
	for _, err := range r.Commits(t.Context(), run, 0) {
		last = err
	}
	if last == nil {
		t.Error("a reader without a table gave no error")
	}
}

func findings(fs ...repo.Finding) iter.Seq2[repo.Finding, error] {
	return func(yield func(repo.Finding, error) bool) {
		for _, f := range fs {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func TestReportTakesTheOldOnesPlace(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	if _, err := r.Report(ctx, run); !errors.Is(err, repo.ErrNoReport) {
		t.Errorf("%v, want ErrNoReport", err)
	}
	old := repo.Finding{Class: "hole", Worker: 1, Seq: 2, Body: []byte(`{"lsn": "0/1"}`)}
	must(t, r.SaveReport(ctx, run, []byte(`{"b":1,  "a":2}`), findings(old, old)))
	broken := func(yield func(repo.Finding, error) bool) {
		_ = yield(repo.Finding{Class: "torn_transaction"}, nil) && yield(repo.Finding{}, errors.ErrUnsupported)
	}
	if err := r.SaveReport(ctx, run, []byte(`{}`), broken); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, want the finding's error", err)
	}
	if diff := cmp.Diff([]repo.Finding{old, old}, gather(t, r.Findings(ctx, run))); diff != "" {
		t.Error(diff)
	}
	body, err := r.Report(ctx, run)
	must(t, err)
	if string(body) != `{"b":1,  "a":2}` {
		t.Errorf("report %s", body)
	}
	must(t, r.SaveReport(ctx, run, []byte(`{"c":3}`), findings()))
	if got := gather(t, r.Findings(ctx, run)); len(got) != 0 {
		t.Errorf("%d findings of the old report are left", len(got))
	}
}

func TestBranchesAndContacts(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	bs := pg.Branches{
		{ID: 1, System: 1<<63 + 4, Timeline: 1, HasHistory: true, Starts: []pg.ProcessStart{5, 6}, Floor: 50, Reason: pg.ReasonFirst},
		{ID: 2, System: 1<<63 + 4, Timeline: 1<<32 - 1, HasHistory: true, History: pg.History{{Parent: 1, End: 1 << 40, Reason: "no recovery target specified"}},
			Starts: []pg.ProcessStart{7}, Parent: 1, Fork: 1 << 40, Unclear: true, Reason: pg.ReasonPromoted},
	}
	first := connection(0)
	first.Observer = -1
	second := first
	second.At++
	must(t, r.AddContact(ctx, run, first))
	must(t, r.AddContact(ctx, run, second))
	first.Number, second.Number, first.Branch = 1, 2, 2
	must(t, r.SaveBranches(ctx, run, bs, first.Contact))
	lower := bs
	lower[0].Floor = 50
	must(t, r.SaveBranches(ctx, run, lower))
	got, err := r.Branches(ctx, run)
	must(t, err)
	if diff := cmp.Diff(bs, got); diff != "" {
		t.Error(diff)
	}
	contacts, err := r.Contacts(ctx, run)
	must(t, err)
	if diff := cmp.Diff([]txn.Connection{first, second}, contacts); diff != "" {
		t.Error(diff)
	}
	if err := r.SaveBranches(ctx, run, pg.Branches{{ID: 1, System: 9, Timeline: 1}}); err == nil {
		t.Error("a branch was renumbered")
	}
}

func TestEventsSlotsAndSamples(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	r, _ := fresh(t)
	at := time.Unix(1795194121, 0)
	e := repo.Event{At: at, Kind: "fault", Body: []byte(`{"cmd": "kill"}`)}
	must(t, r.AddEvent(ctx, run, e))
	slots := []repo.SlotRow{{At: at, Node: "a:5432", Name: "s", Body: []byte(`{}`)}, {At: at, Node: "b:5432", Name: "s", Body: []byte(`[1]`)}}
	must(t, r.AddSlots(ctx, run, slots...))
	s := repo.Sample{At: at, Took: 1500 * time.Microsecond, Node: "a:5432", Body: []byte(`null`)}
	must(t, r.AddSamples(ctx, run, s))
	utc := cmp.Transformer("utc", time.Time.UTC)
	if diff := cmp.Diff([]repo.Event{e}, gather(t, r.Events(ctx, run)), utc); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(slots, gather(t, r.Slots(ctx, run)), utc); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]repo.Sample{s}, gather(t, r.Samples(ctx, run)), utc); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]repo.Sample(nil), gather(t, r.Samples(ctx, run+1)), utc); diff != "" {
		t.Error(diff)
	}
}

// Two changes a commit, a thousand commits a batch.
func BenchmarkSave(b *testing.B) {
	r, _ := fresh(b)
	s := r.Stream(run, "slot")
	p, err := s.Load(b.Context())
	must(b, err)
	seq := txn.Seq(0)
	var commits []txn.Commit
	var changes []txn.Change
	for b.Loop() {
		commits, changes = commits[:0], changes[:0]
		for range 1000 {
			seq++
			c := commit(run, txn.Worker(seq%8), seq, pg.LSN(seq)*100)
			commits = append(commits, c)
			changes = append(changes, changeOf(c, 0), changeOf(c, 1))
		}
		p.End = pg.LSN(seq) * 100
		must(b, s.Save(b.Context(), commits, changes, p))
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "commits/s")
}
