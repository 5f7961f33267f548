package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/sandbox"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/slots"
)

// watching runs slots watch until every text was printed, each after its deed, and
// then interrupts it. It gives the status and all lines.
func watching(t *testing.T, args []string, steps ...step) (status int, lines []string) {
	t.Helper()
	ctx, interrupt := context.WithCancelCause(t.Context())
	defer interrupt(nil)
	r, w := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- execute(ctx, append([]string{"slots", "watch", "--interval", "50ms"}, args...), w, &stderr)
		_ = w.Close()
	}()
	late := time.AfterFunc(time.Minute, func() { interrupt(context.DeadlineExceeded) })
	defer late.Stop()
	out := bufio.NewScanner(r)
	for _, s := range steps {
		if s.deed != nil {
			s.deed()
		}
		for !strings.Contains(strings.Join(lines, "\n"), s.text) && out.Scan() {
			lines = append(lines, out.Text())
		}
	}
	interrupt(errInterrupted)
	for out.Scan() {
		lines = append(lines, out.Text())
	}
	status = <-done
	t.Logf("status %d\n%s\n%s", status, strings.Join(lines, "\n"), stderr.String())
	if context.Cause(ctx) != errInterrupted || stderr.Len() > 0 {
		t.Errorf("%v; on standard error: %s", context.Cause(ctx), stderr.String())
	}
	return status, lines
}

// step is a deed, and the text of the line that comes of it.
type step struct {
	deed func()
	text string
}

// A role without any right is told what happens, in text and in JSON, and what it
// cannot see.
func TestSlotsWatch(t *testing.T) {
	primary, standby := slotCluster(t)
	args := []string{"--primary-pgdsn", as(primary.DSN("postgres"), "watcher"), "--standby-pgdsn", as(standby.DSN("postgres"), "watcher")}
	do := func(v *sandbox.Server, sql string) func() {
		return func() {
			if err := v.Exec(t.Context(), sql); err != nil {
				t.Error(err)
			}
		}
	}
	first := []step{{nil, primary.Addr() + ": watching"}, {nil, standby.Addr() + ": watching"}}
	status, lines := watching(t, args, first[0], first[1],
		step{do(primary, "select pg_create_logical_replication_slot('more', 'pgoutput')"), "slot more: appeared"})
	if text := strings.Join(lines, "\n"); status != exitMet || !strings.Contains(text, standby.Addr()+": watching: standby") || !strings.Contains(text, "not seen: its timeline") {
		t.Errorf("status %d, want %d", status, exitMet)
	}
	status, lines = watching(t, append(args, "--report=json"), step{nil, `"standby","change":"watching"`}, step{nil, `"primary","change":"watching"`},
		step{do(primary, "select pg_drop_replication_slot('more')"), `"vanished"`})
	if status != exitBreached {
		t.Errorf("status %d, want %d", status, exitBreached)
	}
	for _, line := range lines {
		var c slots.Change
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.At.IsZero() || c.Node == "" || c.Kind == "" || !strings.HasPrefix(line, `{"schema_version":1,`) || strings.Contains(line, "hunter2") {
			t.Errorf("%v: %s", err, line)
		}
		if c.Kind == slots.Vanished && (c.Slot != "more" || c.Weight != slots.Bad || c.Before == nil || c.Before.Plugin != "pgoutput" || c.After != nil || c.Role != slots.RolePrimary) {
			t.Errorf("%+v", c)
		}
	}
	if err := standby.Kill(); err != nil {
		t.Fatal(err)
	}
	status, _ = watching(t, args, first[0], step{nil, "DOUBT  " + standby.Addr() + ": away: connect to"})
	if status != exitInconclusive {
		t.Errorf("status %d, want %d: a node is away", status, exitInconclusive)
	}
	if r := pgrpo(t, append([]string{"slots", "watch", "--duration", "2s"}, args...)...); r.status != exitInconclusive || r.stderr != "" {
		t.Errorf("status %d at the end of its time, want %d", r.status, exitInconclusive)
	}
	other, err := sandboxtest.Open(t).Primary(t.Context(), "other", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantOne(t, pgrpo(t, "slots", "watch", "--primary-pgdsn", other.DSN("postgres"), "--standby-pgdsn", primary.DSN("postgres")), exitRefused, "not of one cluster")
}
