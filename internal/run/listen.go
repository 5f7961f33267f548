package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgrpo/pgrpo/capture"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// listener is the capture of this run in a goroutine of its own, or the reason
// why there is none (any more).
type listener struct {
	capture *capture.Capture
	cancel  context.CancelFunc
	done    chan error
	deaf    string
	// ended says that an earlier process followed the stream to its end.
	ended bool
}

// startCapture starts the capture, unless the role may not replicate.
func (t *trial) startCapture(ctx context.Context) *listener {
	if !t.primary.CanReplicate {
		return &listener{deaf: t.primary.Why}
	}
	t.made = true
	ctx, cancel := context.WithCancel(ctx)
	l := &listener{cancel: cancel, done: make(chan error, 1)}
	events := startChronicle(context.WithoutCancel(ctx), t.log, func(ctx context.Context, e repo.Event) error {
		return t.repo.AddEvent(ctx, t.record.Run, e)
	})
	l.capture = capture.New(capture.Config{
		Writers: t.config.Primary, Target: t.stream, Run: t.record.Run, Slot: t.record.Slot, Workers: t.record.Workers,
		Store: capture.InRepo(t.repo, t.record.Run, t.record.Slot), Log: t.log,
		MaxRetained: t.config.MaxSlotRetained, Observer: events,
	})
	go func() {
		err := l.capture.Run(ctx)
		events.close()
		l.done <- err
	}()
	return l
}

// ready waits until the stream stands at its consistent point: what is
// committed from then on is captured.
func (l *listener) ready(ctx context.Context) error {
	if l.capture == nil {
		return nil
	}
	select {
	case <-l.capture.Ready():
		return nil
	case err := <-l.done:
		l.done <- err
		return fmt.Errorf("start capture: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("start capture: %w", context.Cause(ctx))
	}
}

// look asks to see at once whether the stream is still read from the writers' server.
func (l *listener) look() {
	if l.capture != nil {
		l.capture.Look()
	}
}

// confirmed is the greatest position up to which the stream's reader confirmed to any
// server that it has all durably; 0 where it did not yet. It is there before the server
// has it.
func (l *listener) confirmed() pg.LSN {
	if l.capture == nil {
		return 0
	}
	return l.capture.Counters().Confirmed()
}

// expect announces the end transaction that ends the stream.
func (l *listener) expect(s txn.Sentinel) {
	if l.capture != nil {
		l.capture.Expect(s)
	}
}

// wait waits until the announced end was heard, or ctx is done.
func (l *listener) wait(ctx context.Context) {
	if l.capture == nil {
		return
	}
	select {
	case <-l.capture.Ended():
	case err := <-l.done:
		l.done <- err
	case <-ctx.Done():
	}
}

// stop ends the capture and waits for it.
func (l *listener) stop() error {
	if l.capture == nil {
		return nil
	}
	l.cancel()
	err := <-l.done
	l.done <- err
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// end ends the capture and says how the stream ended.
func (l *listener) end() CaptureEnd {
	if l.capture == nil {
		return CaptureEnd{Heard: l.ended, Complete: l.ended, Why: l.deaf}
	}
	select {
	case <-l.capture.Ended():
		return CaptureEnd{Heard: true, Complete: true, Why: reason(l.stop())}
	default:
	}
	err := l.stop()
	end := CaptureEnd{Heard: l.capture.Counters().Streams.Load() > 0, Why: "the announced end did not come in time"}
	if err != nil {
		end.Why = err.Error()
	}
	return end
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
