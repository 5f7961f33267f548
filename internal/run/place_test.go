package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// A run that was killed before it had a record is not looked for elsewhere: its
// directory is there, and has nothing to judge.
func TestFindPlace(t *testing.T) {
	const number = txn.Run(1795194121)
	root := t.TempDir()
	refused := func(want string) {
		t.Helper()
		if _, err := FindPlace(root, number); trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), want) {
			t.Errorf("FindPlace: %v, want %q", err, want)
		}
	}
	refused("name the directory that holds it with --run-dir")
	p, err := makePlace(root, number)
	if err != nil {
		t.Fatal(err)
	}
	refused("nothing to judge: if its process is gone, remove " + p.Dir)
	if err := os.WriteFile(filepath.Join(p.Dir, "run.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := FindPlace(root, number); err != nil || found != p {
		t.Errorf("FindPlace = %v, %v, want %v", found, err, p)
	}
}
