package run

import (
	"log/slog"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A stream whose slot was dropped by pgrpo itself is not made anew: the gap
// would be called the cluster's.
func TestStreamIsNotResumedPastOurOwnDrop(t *testing.T) {
	server := sandboxtest.Primary(t)
	target, err := node.Parse(server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(t.Context(), server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	const number = txn.Run(1795194121)
	record := Record{Run: number, Slot: node.NameOf(number)}
	if err := r.AddRun(t.Context(), repo.RunRow{Run: number, StartedAt: time.Unix(int64(number), 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Stream(number, record.Slot).Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	place := Place{t.TempDir()}
	open := func() *trial {
		return &trial{
			config: Config{Primary: target, CaptureTimeout: time.Second}, log: slog.New(slog.DiscardHandler),
			record: record, place: place, repo: r, made: true,
		}
	}
	kept := open()
	kept.config.Leftovers = KeepLeftovers
	if l, err := kept.listenAgain(t.Context()); err != nil || l.capture == nil {
		t.Fatalf("before the drop: %+v, %v", l, err)
	} else if err := l.stop(); err != nil {
		t.Logf("capture of nothing: %v", err)
	}
	if err := open().closeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err = repo.Open(t.Context(), server.DSN("postgres")); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if l, err := open().listenAgain(t.Context()); err != nil || l.capture != nil || l.deaf == "" {
		t.Errorf("after the drop: %+v, %v, want nothing to hear", l, err)
	}
}
