package run

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// group is the process group that a command leads, so that all that it starts
// can be ended with it.
type group struct {
	command *exec.Cmd
	// asked is when the group was asked to end; zero if it was not. It is
	// settled once the command's Run has returned.
	asked time.Time
}

// ownGroup makes a command, which has not been started, lead a group.
func ownGroup(c *exec.Cmd) *group {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &group{command: c}
}

// signal sends a signal to all processes of the group; os.ErrProcessDone says
// that there is none.
func (g *group) signal(s syscall.Signal) error {
	err := syscall.Kill(-g.command.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// end asks all processes of the group to end, those that are stopped too. Not
// SIGINT: a shell makes what it starts in the background ignore that.
func (g *group) end() error {
	g.asked = time.Now()
	if err := g.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return g.signal(syscall.SIGCONT)
}

// finish waits until the group is gone, where it was asked to end, and kills
// what is left of it after commandGrace.
func (g *group) finish() error {
	if g.asked.IsZero() || g.gone(time.Until(g.asked.Add(commandGrace))) {
		return nil
	}
	if err := g.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end what the command of --fault-cmd started: %w", err)
	}
	if !g.gone(killGrace) {
		return errors.New("what the command of --fault-cmd started does not end")
	}
	return nil
}

// gone waits for the last process of the group to end, at most for patience.
func (g *group) gone(patience time.Duration) bool {
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if errors.Is(g.signal(0), os.ErrProcessDone) {
			return true
		}
		if time.Now().After(until) {
			return false
		}
	}
}
