package run

import (
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// What may be left on a node that does not answer is told of with what drops it.
func TestLeftOnNodeThatDoesNotAnswer(t *testing.T) {
	target, err := node.Parse("postgres://postgres@127.0.0.1:1/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	const number = txn.Run(1795194121)
	err = dropLeftovers(t.Context(), target.Hosts(), Record{Run: number, Slot: node.NameOf(number)})
	if err == nil {
		t.Fatal("a node that does not answer has nothing left")
	}
	for _, want := range []string{node.NameOf(number), "127.0.0.1:1", "pgrpo compare " + RunName(number)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q in it", err, want)
		}
	}
}
