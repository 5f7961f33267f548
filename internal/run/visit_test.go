package run

import (
	"testing"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox/sandboxtest"
)

// A node is asked in the database that was loaded: in any other one pgrpo's
// tables are absent without being lost.
func TestVisitOfAnotherDatabase(t *testing.T) {
	primary := sandboxtest.Primary(t)
	for database, reached := range map[string]bool{"postgres": true, "template1": false} {
		target, err := node.Parse(primary.DSN(database))
		if err != nil {
			t.Fatal(err)
		}
		v := visitOne(t.Context(), target, Record{Database: "postgres"}, nil)
		if reached != (v.Err == nil) || reached != v.facts().Reachable {
			t.Errorf("%s: reached %t, error %v", database, v.facts().Reachable, v.Err)
		}
	}
}
