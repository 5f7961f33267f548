package run

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/trouble"
)

// A repo whose data is not there, as in a directory that was copied without it, is
// refused, and the file that says where the data was is left as it is.
func TestRepoWhoseDataIsGone(t *testing.T) {
	p := Place{t.TempDir()}
	if err := os.Mkdir(p.RepoDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	location, was := filepath.Join(p.RepoDir(), "data-location"), filepath.Join(p.Dir, "elsewhere")+"\n"
	if err := os.WriteFile(location, []byte(was), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := reopenEmbedded(t.Context(), p, "", slog.New(slog.DiscardHandler))
		if trouble.Of(err) != trouble.Refused || !strings.Contains(err.Error(), "its data is not ") || !strings.Contains(err.Error(), p.Dir) {
			t.Errorf("error %v, want a refusal that says where the data is missed", err)
		}
		if is, err := os.ReadFile(location); err != nil || string(is) != was {
			t.Errorf("data-location says %q, %v; want %q", is, err, was)
		}
	}
}
