package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Verdict is what became of a broken rule. A nil Err means that it was caught.
type Verdict struct{ Err error }

// String is one word.
func (v Verdict) String() string {
	if v.Err == nil {
		return "caught"
	}
	return "ESCAPED"
}

// Try breaks the rule in the module at root and runs its test. It is caught only if
// that very test ran and failed: what does not compile, or another test that fails,
// catches nothing.
func (r Rule) Try(ctx context.Context, root string, limit time.Duration) Verdict {
	dir, err := os.MkdirTemp("", "pgrpo-mutation-")
	if err != nil {
		return Verdict{err}
	}
	defer os.RemoveAll(dir)
	overlay, err := r.overlay(root, dir)
	if err != nil {
		return Verdict{err}
	}
	// The test's own deadline ends it first, with the servers that it started.
	ctx, cancel := context.WithTimeout(ctx, limit+time.Minute)
	defer cancel()
	top, _, _ := strings.Cut(r.Test, "/")
	c := exec.CommandContext(ctx, "go", "test", "-buildvcs=false", "-vet=off", "-count=1", "-failfast", "-overlay", overlay, "-timeout", limit.String(),
		"-run", "^"+strings.ReplaceAll(r.Test, "/", "$/^")+"$", "-v", r.Package)
	c.Dir = root
	// A property that fails does so each time, at once, and leaves no file behind. It
	// is tried so often that what its generators draw first makes no difference.
	c.Env = append(os.Environ(), "RAPID_SEED=1", "RAPID_CHECKS=500", "RAPID_NOFAILFILE=true", "RAPID_SHRINKTIME=1ms")
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return Verdict{fmt.Errorf("%s: %s passed with the rule broken:\n%s", r.At, r.Test, tail(out))}
	case !errors.As(err, &exit):
		return Verdict{fmt.Errorf("%s: run %s: %w", r.At, r.Test, err)}
	case !strings.Contains(string(out), "--- FAIL: "+top) && !strings.Contains(string(out), "panic: "):
		return Verdict{fmt.Errorf("%s: %s did not fail, something else did:\n%s", r.At, r.Test, tail(out))}
	}
	return Verdict{}
}

// overlay writes the broken source, and the file that puts it in the other's place.
func (r Rule) overlay(root, dir string) (string, error) {
	source := filepath.Join(root, filepath.FromSlash(r.Source))
	text, err := os.ReadFile(source)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.At, err)
	}
	broken, err := r.Break(string(text))
	if err != nil {
		return "", err
	}
	if source, err = filepath.Abs(source); err != nil {
		return "", err
	}
	place := filepath.Join(dir, "broken.go")
	content, err := json.Marshal(map[string]map[string]string{"Replace": {source: place}})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, errors.Join(os.WriteFile(place, []byte(broken), 0o600), os.WriteFile(file, content, 0o600))
}

// tail is the end of what a test printed.
func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
