package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"
)

const (
	// commandGrace is how long a command that is broken off, and all that it
	// started, may take to end by itself.
	commandGrace = 10 * time.Second
	// killGrace is how long what was killed may take to be gone.
	killGrace = 5 * time.Second
)

// Command is a fault that a shell's command causes. What it prints goes to out;
// an exit status other than 0 is an error. The command itself is shown nowhere:
// it may hold a password.
//
// The end of the context breaks it off, with all processes that it started and
// that did not make a session or a process group of their own: they are asked to
// end (SIGTERM), after 10 s they are killed, and they are gone when the fault
// returns. A command that ends by itself may leave processes running, as one
// that starts a server does. It reads nothing from the terminal.
func Command(command string, out *os.File, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		log.Info("causing the fault by --fault-cmd")
		c := exec.CommandContext(ctx, "/bin/sh", "-c", command)
		c.Stdout, c.Stderr = out, out
		group := ownGroup(c)
		c.Cancel, c.WaitDelay = group.end, commandGrace
		begun := time.Now()
		err := c.Run()
		err = errors.Join(err, group.finish())
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return fmt.Errorf("the command of --fault-cmd ended with %s", exit.ProcessState)
		}
		if err == nil {
			log.Info("the command of --fault-cmd has ended", "took", time.Since(begun).Round(time.Millisecond))
		}
		return err
	}
}
