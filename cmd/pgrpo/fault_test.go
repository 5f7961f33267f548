package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A fault command that fails is among the reasons, by its status. What it holds,
// as a password, is shown nowhere.
func TestFaultCommandFails(t *testing.T) {
	p := openPair(t)
	runDir := t.TempDir()
	r := pgrpo(t, p.quick(runDir, "--fault-cmd", ": s3cret; exit 7", "--log-level=debug", "--warmup-duration=300ms")...)
	if r.status != exitInconclusive || !strings.Contains(r.stdout, "exit status 7") {
		t.Errorf("status %d, want %d and the command's", r.status, exitInconclusive)
	}
	shown := r.stdout + r.stderr
	err := filepath.WalkDir(runDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		shown += string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(shown, "s3cret") {
		t.Error("the command is shown")
	}
}

// Help texts tell no default that does not hold.
func TestHelpOfLimits(t *testing.T) {
	for _, command := range []string{"run", "compare", "demo"} {
		r := pgrpo(t, command, "--help")
		for line := range strings.Lines(r.stdout) {
			// The slot's limit holds by default; those of the verdict do not.
			limit := strings.Contains(line, "--max-") && !strings.Contains(line, "--max-slot-retained")
			if limit && strings.Contains(line, "default") {
				t.Errorf("%s: a limit that was not given does not hold: %s", command, line)
			}
		}
	}
}
