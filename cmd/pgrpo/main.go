// Command pgrpo proves what a PostgreSQL failover or switchover lost: it loads
// the primary, keeps the client's own account of every commit, records the
// logical change stream in a second PostgreSQL, and after the fault compares
// what was promised, what was shown and what survived.
//
// The report goes to standard output, everything else to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// The exit statuses are a public contract.
const (
	exitMet          = 0
	exitBreached     = 1
	exitInconclusive = 2
	exitRefused      = 3
	exitUnavailable  = 4
	exitInterrupted  = 130
)

func main() {
	ctx, stop := interruptible()
	status := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// interruptible returns a context that the first SIGINT or SIGTERM cancels. A
// second one ends the process at once; what it started ends by itself.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader of our output that goes away does not end a run, which would leave
	// its slot: where the signal is caught, the write fails instead.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		if _, open := <-signals; !open {
			return
		}
		cancel(errInterrupted)
		fmt.Fprintln(os.Stderr, "interrupted: a load that goes on ends now and is judged; interrupt again to stop at once")
		if _, open := <-signals; open {
			fmt.Fprintln(os.Stderr, "stopped at once: the slot and the publication of a run may be left; pgrpo compare judges the run and drops them")
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

var errInterrupted = errors.New("interrupted")

// verdictError carries the verdict of a run that was judged to the exit status.
type verdictError struct{ verdict compare.Verdict }

func (e verdictError) Error() string { return "the verdict is " + e.verdict.String() }

// judgingError marks what leaves the question open: a failure after the first
// attempt was sent, by which the loss is not proven, or a picture with holes.
type judgingError struct{ err error }

func (e judgingError) Error() string { return e.err.Error() }
func (e judgingError) Unwrap() error { return e.err }

// oneLine is the text of an error that joins others, in one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// execute runs the command line and returns the exit status: the one place
// where it is decided.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if verdict, ok := errors.AsType[verdictError](err); ok {
		switch verdict.verdict {
		case compare.Met:
			return exitMet
		case compare.Breached:
			return exitBreached
		default:
			return exitInconclusive
		}
	}
	if err == nil {
		return exitMet
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	fmt.Fprintln(stderr, "pgrpo: "+hush(oneLine(err)))
	if _, ok := errors.AsType[judgingError](err); ok {
		return exitInconclusive
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	switch trouble.Of(err) {
	case trouble.Unavailable:
		return exitUnavailable
	case trouble.Refused:
		return exitRefused
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitRefused
	}
	return exitUnavailable
}
