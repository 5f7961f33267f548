package capture

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// mostResident is what a capture may have resident, in MiB, whatever it hears.
const mostResident = 150

// childVariable holds the [childConfig] of a process that captures alone.
const childVariable = "PGRPO_TEST_CAPTURE"

// childConfig is what such a process captures, and how many commits.
type childConfig struct {
	Primary, Repo, Slot string
	Run                 txn.Run
	Workers             []txn.Worker
	Commits             int64
}

// captureAlone captures as the variable says, prints "ready" when the stream has
// begun, and at the end how much was resident at most, in MiB.
func captureAlone() (code int, is bool) {
	text, is := os.LookupEnv(childVariable)
	if !is {
		return 0, false
	}
	if err := captureUntil(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

func captureUntil(text string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	target, err := node.Parse(c.Primary)
	if err != nil {
		return err
	}
	r, err := repo.Open(ctx, c.Repo)
	if err != nil {
		return err
	}
	defer r.Close()
	capture := New(Config{Target: target, Run: c.Run, Slot: c.Slot, Workers: c.Workers, Store: InRepo(r, c.Run, c.Slot)})
	done := make(chan error, 1)
	go func() { done <- capture.Run(ctx) }()
	select {
	case <-capture.Ready():
		fmt.Println("ready")
	case err := <-done:
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for capture.Counters().Commits.Load() < c.Commits {
		select {
		case <-tick.C:
		case err := <-done:
			return err
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	var kib int
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(peak, &kib); err != nil {
		return fmt.Errorf("read VmHWM: %w", err)
	}
	fmt.Println(kib >> 10)
	return nil
}

// residentOf captures what write commits in a process of its own, and returns
// how much that process had resident at most, in MiB.
func (tr *trial) residentOf(primary, repository string, write func()) (mib int) {
	tr.t.Helper()
	config, err := json.Marshal(childConfig{
		Primary: primary, Repo: repository, Slot: tr.slot(), Run: tr.run, Workers: tr.workers, Commits: 1,
	})
	tr.must(err)
	cmd := exec.CommandContext(tr.ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(config))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	tr.must(err)
	tr.must(cmd.Start())
	var ready string
	if _, err := fmt.Fscan(out, &ready); err != nil || ready != "ready" {
		tr.t.Fatalf("the child said %q: %v: %s", ready, errors.Join(err, cmd.Wait()), complaint.Bytes())
	}
	write()
	rest, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		tr.t.Fatalf("the child: %v: %s", err, complaint.Bytes())
	}
	_, err = fmt.Sscan(string(rest), &mib)
	tr.must(err)
	return mib
}

// heardAll fails unless the repo holds one commit with all of its changes.
func (tr *trial) heardAll(ops int) {
	tr.t.Helper()
	text, err := repoServer.Value(tr.ctx, fmt.Sprintf(`select count(*) || ' ' || count(distinct id) || ' ' ||
		(select string_agg(seen || ' of ' || ops, ',') from pgrpo.commit where run = %[1]d) from pgrpo.change where run = %[1]d`, tr.run))
	tr.must(err)
	if want := fmt.Sprintf("%d %[1]d %[1]d of %[1]d", ops); text != want {
		tr.t.Errorf("changes, distinct ones, seen of promised: %s, want %s", text, want)
	}
}

// A transaction of far more bytes than a capture may have resident is captured
// whole. Its payloads do not fit their checksums, so that all of them are kept.
func TestHugeTransactionInBoundedMemory(t *testing.T) {
	primary := sandboxtest.Primary(t)
	tr := newTrial(t, primary, primary.DSN("postgres"))
	const ops, payload = 80_000, 4000
	resident := tr.residentOf(primary.DSN("postgres"), repoServer.DSN("postgres"), func() {
		tr.must(primary.Exec(tr.ctx, strings.Replace(insertMany(tr.run, 1, ops), "repeat('x', 64)", fmt.Sprintf("repeat('x', %d)", payload), 1)))
	})
	tr.heardAll(ops)
	raw, err := repoServer.Value(tr.ctx, fmt.Sprintf("select sum(octet_length(raw)) from pgrpo.change where run = %d", tr.run))
	tr.must(err)
	if want := fmt.Sprint(ops * payload); raw != want {
		t.Errorf("%s bytes of payload kept, want %s", raw, want)
	}
	t.Logf("%d MiB of payload with %d MiB resident", ops*payload>>20, resident)
	if resident > mostResident*raceFactor {
		t.Errorf("%d MiB resident, want at most %d", resident, mostResident*raceFactor)
	}
}

// insertRight commits one transaction of worker 0 with n rows whose checksums
// are right.
func (tr *trial) insertRight(conn *pgconn.PgConn, seq txn.Seq, n, payload int) {
	tr.t.Helper()
	id := txn.ID{Run: tr.run, Seq: seq}
	var sum txn.Sum
	var text []byte
	row := func(r txn.RowID) txn.Sum {
		text = txn.AppendPayload(text[:0], 1, id, r, payload)
		return txn.SumOf(id, r, txn.Insert, text)
	}
	for r := range txn.RowID(n) {
		sum ^= row(r + 1)
	}
	_, err := conn.Exec(tr.ctx, fmt.Sprintf("begin; insert into pgrpo.marker (seq, run, worker, ops, crc) values (%d, %d, 0, %d, %d)", seq, tr.run, n, sum)).ReadAll()
	tr.must(err)
	from, to := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(to, 1<<16)
		for r := range txn.RowID(n) {
			s := row(r + 1)
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%s\n", r+1, seq, tr.run, s, text)
		}
		_ = to.CloseWithError(w.Flush())
	}()
	_, err = conn.CopyFrom(tr.ctx, from, "copy pgrpo.worker_0000 (id, seq, run, crc, payload) from stdin")
	tr.must(errors.Join(err, from.Close()))
	_, err = conn.Exec(tr.ctx, "commit").ReadAll()
	tr.must(err)
}

// A transaction of a million changes.
func BenchmarkMillionChanges(b *testing.B) {
	const ops = 1_000_000
	primary := sandboxtest.Primary(b)
	for b.Loop() {
		b.StopTimer()
		tr := newTrial(b, primary, primary.DSN("postgres"))
		conn := tr.connect(primary)
		var begun time.Time
		b.StartTimer()
		resident := tr.residentOf(primary.DSN("postgres"), repoServer.DSN("postgres"), func() {
			tr.insertRight(conn, 1, ops, 100)
			begun = time.Now()
		})
		b.ReportMetric(ops/time.Since(begun).Seconds(), "changes/s")
		b.ReportMetric(float64(resident), "MiB-resident")
		node.Close(conn)
		tr.heardAll(ops)
		if resident > mostResident {
			b.Errorf("%d MiB resident, want at most %d", resident, mostResident)
		}
	}
}
