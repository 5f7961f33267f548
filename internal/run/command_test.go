package run

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A command that is broken off leaves nothing behind that it started, also what
// does not want to end; one that ends by itself may leave a server running.
func TestCommandAndWhatItStarted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// The command writes the pids of what it starts, and ready after
		// that.
		command string
		leaves  bool
	}{
		"ends at once":     {"sleep 300 & echo $! >pids; touch ready; sleep 300", false},
		"its child's":      {"sh -c 'sleep 300 & echo $! $$ >pids; touch ready; wait'", false},
		"will not end":     {"(trap '' INT TERM HUP; sleep 300 & echo $! >pids; touch ready; sleep 300) & wait", false},
		"is done, a child": {"sleep 300 >/dev/null 2>&1 & echo $! >pids; touch ready", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				ended <- Command("cd '"+dir+"' || exit 1; "+tc.command, os.Stderr, slog.New(slog.DiscardHandler))(ctx)
			}()
			await(t, "the command", func() bool {
				_, err := os.Stat(filepath.Join(dir, "ready"))
				return err == nil
			})
			content, err := os.ReadFile(filepath.Join(dir, "pids"))
			if err != nil {
				t.Fatal(err)
			}
			pids := strings.Fields(string(content))
			if len(pids) == 0 {
				t.Fatal("the command started nothing")
			}
			if tc.leaves {
				err = <-ended
				cancel()
			} else {
				for _, pid := range pids {
					if !lives(t, pid) {
						t.Errorf("process %s is gone before the command is broken off", pid)
					}
				}
				cancel()
				err = <-ended
			}
			if tc.leaves != (err == nil) {
				t.Errorf("ended with %v", err)
			}
			for _, pid := range pids {
				if lives(t, pid) != tc.leaves {
					t.Errorf("process %s lives: %t, want %t", pid, !tc.leaves, tc.leaves)
				}
				n, err := strconv.Atoi(pid)
				if err != nil {
					t.Fatal(err)
				}
				if err := syscall.Kill(n, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
					t.Error(err)
				}
			}
		})
	}
}

// lives tells whether a process is there and has not ended.
func lives(t *testing.T, pid string) bool {
	t.Helper()
	state, err := exec.Command("ps", "-o", "stat=", "-p", pid).Output()
	if _, none := errors.AsType[*exec.ExitError](err); err != nil && !none {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(state))
	return text != "" && !strings.HasPrefix(text, "Z")
}

// await waits until the condition holds, with patience for a slow machine.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
