package live

import (
	"context"
	"log/slog"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Clock gives the time from the driver's start.
type Clock func() time.Duration

// Bar draws the load's progress on a terminal until ctx is done. It returns
// when the terminal is in order again.
func Bar(ctx context.Context, s *Screen, c *Counters, now Clock, total time.Duration) {
	p := mpb.New(mpb.WithOutput(s.out), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithWidth(20))
	s.draw(p)
	bar := p.AddBar(int64(total), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name("load ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return c.Line(now()) })))
	tick(ctx, 200*time.Millisecond, func() { bar.SetCurrent(min(int64(now()), int64(total)-1)) })
	s.draw(nil)
	bar.Abort(true)
	p.Wait()
}

// Log writes the load's progress to the log every five seconds until ctx is
// done.
func Log(ctx context.Context, log *slog.Logger, c *Counters, now Clock) {
	tick(ctx, 5*time.Second, func() { log.Info("load: " + c.Line(now())) })
}

func tick(ctx context.Context, every time.Duration, do func()) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do()
		}
	}
}
