package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// Do carries out one run up to the gathering of evidence. When ctx is done
// the load ends, and what was done until then is judged all the same.
//
// An error means that no attempt was sent. Whatever goes wrong after that is a
// problem of the evidence, and makes a verdict inconclusive at best.
func Do(ctx context.Context, c Config) (_ *Evidence, err error) {
	t := &trial{config: c, log: c.Log}
	defer func() {
		if err != nil {
			if ctx.Err() != nil {
				// What broke off is of no interest then.
				err = fmt.Errorf("%w before the load began", context.Cause(ctx))
			}
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			err = errors.Join(err, t.abandon(cleanup))
		}
	}()
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	capture := t.startCapture(context.WithoutCancel(ctx))
	if err := capture.ready(ctx); err != nil {
		return nil, errors.Join(err, capture.stop())
	}
	if err := t.noteSlots(ctx); err != nil {
		return nil, errors.Join(err, capture.stop())
	}
	problems := t.load(ctx, capture)
	if c.ValidationDelay > 0 {
		t.log.Info("waiting before the judgement", "for", c.ValidationDelay)
		sleep(ctx, c.ValidationDelay)
	}
	return t.finish(context.WithoutCancel(ctx), capture, problems), nil
}

// deadline bounds one step of preparing or finishing. A step that takes longer
// waits for a server that does not answer.
const deadline = 30 * time.Second

// Timeouts fills the deadlines that were not given.
func (c Config) timeouts() Config {
	set := func(d *time.Duration, fallback time.Duration) {
		if *d == 0 {
			*d = fallback
		}
	}
	set(&c.ConnectTimeout, 2*time.Second)
	set(&c.StatementTimeout, 10*time.Second)
	set(&c.CaptureTimeout, time.Minute)
	set(&c.Grace, time.Minute)
	return c
}

// check refuses what no run can be made of.
func (c Config) check() error {
	switch {
	case c.Duration < c.Warmup:
		return trouble.Refuse("the load of %v ends before its warm-up of %v does: give a longer --duration or a shorter --warmup-duration", c.Duration, c.Warmup)
	case c.Workers < 1:
		return trouble.Refuse("%d workers: want 1 or more", c.Workers)
	default:
		return nil
	}
}
