package layout_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/layout"
)

// program returns what the packages import in a program that keeps the rules.
func program() map[string][]string {
	return map[string][]string{
		"cmd/pgrpo":               {"internal/run", "internal/verdict", "internal/sandbox", "compare", "slots", "os/signal"},
		"writer":                  {"internal/plan", "internal/journal", "internal/node", "github.com/jackc/pgx/v5/pgconn"},
		"capture":                 {"capture/pgoutput", "internal/txn", "github.com/jackc/pglogrepl"},
		"capture/pgoutput":        {"internal/pg", "encoding/binary"},
		"compare":                 {"internal/pg", "internal/txn", "internal/plan", "iter"},
		"compare/source":          {"compare", "internal/repo", "internal/node"},
		"compare/report":          {"compare", "html/template"},
		"slots":                   {"internal/pg", "internal/node"},
		"slots/statefile":         {"internal/pg"},
		"internal/pg":             {"fmt"},
		"internal/trouble":        {"errors"},
		"internal/txn":            {"internal/pg"},
		"internal/plan":           {"internal/txn"},
		"internal/journal":        {"internal/txn", "os"},
		"internal/repo":           {"internal/trouble", "internal/journal", "internal/txn", "github.com/jackc/pgx/v5"},
		"internal/node":           {"internal/pg", "github.com/jackc/pgx/v5"},
		"internal/probe":          {"internal/node"},
		"internal/live":           {"compare", "writer"},
		"internal/run":            {"writer", "capture", "compare", "slots", "internal/repo", "os/exec"},
		"internal/verdict":        {"compare", "compare/source", "compare/report", "slots"},
		"internal/selftest/plant": {"compare", "internal/plan"},
		"internal/sandbox":        {"internal/trouble", "internal/sandbox/relay", "os/exec"},
		"internal/sandbox/relay":  {"net"},
		"internal/wal":            {"internal/pg"},
		"internal/lineage":        {"internal/pg"},
		"internal/explain":        {"compare", "internal/txn"},
		"internal/salvage":        {"internal/txn"},
		"internal/layout":         {"go/parser"},
	}
}

func TestProgramKeepsTheRules(t *testing.T) {
	for _, violation := range layout.Imports(layout.Rules(), program()) {
		t.Error(violation)
	}
}

// forbidden is an import that breaks a rule: pkg imports it, and the violation
// stands at the package at, which is another one where the rule looks further.
type forbidden struct{ pkg, imported, at, what string }

// plant returns the imports of the program with the forbidden one among them.
func (f forbidden) plant() map[string][]string {
	imports := program()
	imports[f.pkg] = append([]string{f.imported}, imports[f.pkg]...)
	return imports
}

// allForbidden returns at least one forbidden import for each rule.
func allForbidden() []forbidden {
	return []forbidden{
		{"writer", "capture", "writer", "imports capture"},
		{"writer", "compare/source", "writer", "imports compare/source"},
		{"writer", "internal/sandbox", "writer", "imports internal/sandbox"},
		{"capture", "slots", "capture", "imports slots"},
		{"capture/pgoutput", "net", "capture/pgoutput", "reaches net"},
		{"compare", "slots/statefile", "compare", "imports slots/statefile"},
		{"compare", "internal/repo", "compare", "imports internal/repo"},
		{"compare", "internal/journal", "compare", "imports internal/journal"},
		{"compare", "database/sql/driver", "compare", "reaches database/sql/driver"},
		{"compare", "os/exec", "compare", "reaches os/exec"},
		{"internal/pg", "net/http", "compare", "reaches internal/pg -> net/http"},
		{"internal/pg", "github.com/jackc/pgx/v5/pgconn", "internal/plan", "reaches internal/txn -> internal/pg -> github.com/jackc/pgx/v5/pgconn"},
		{"compare/source", "internal/run", "compare/source", "imports internal/run"},
		{"compare/report", "compare/source", "compare/report", "imports compare/source"},
		{"slots", "compare", "slots", "imports compare"},
		{"internal/pg", "internal/txn", "internal/pg", "imports internal/txn"},
		{"internal/trouble", "internal/pg", "internal/trouble", "imports internal/pg"},
		{"compare", "internal/trouble", "compare", "imports internal/trouble"},
		{"internal/txn", "internal/plan", "internal/txn", "imports internal/plan"},
		{"internal/plan", "internal/journal", "internal/plan", "imports internal/journal"},
		{"internal/journal", "internal/repo", "internal/journal", "imports internal/repo"},
		{"internal/repo", "internal/node", "internal/repo", "imports internal/node"},
		{"internal/node", "writer", "internal/node", "imports writer"},
		{"internal/run", "internal/verdict", "internal/run", "imports internal/verdict"},
		{"internal/run", "capture/pgoutput", "internal/run", "imports capture/pgoutput"},
		{"internal/sandbox", "internal/node", "internal/sandbox", "imports internal/node"},
		{"internal/verdict", "cmd/pgrpo", "internal/verdict", "imports cmd/pgrpo"},
		{"internal/selftest/plant", "internal/journal", "internal/selftest/plant", "imports internal/journal"},
		{"compare", "internal/selftest/plant", "compare", "imports internal/selftest/plant"},
		{"slots/statefile", "slots", "slots/statefile", "imports slots"},
		{"internal/wal", "slots/statefile", "internal/wal", "imports slots/statefile"},
		{"internal/salvage", "internal/repo", "internal/salvage", "imports internal/repo"},
		{"internal/explain", "internal/repo", "internal/explain", "imports internal/repo"},
		{"internal/lineage", "internal/node", "internal/lineage", "imports internal/node"},
	}
}

func TestForbiddenImportIsCaught(t *testing.T) {
	for _, test := range allForbidden() {
		t.Run(test.pkg+" imports "+test.imported, func(t *testing.T) {
			found := layout.Imports(layout.Rules(), test.plant())
			for _, violation := range found {
				if violation.Where == test.at && strings.HasPrefix(violation.What, test.what+" (") {
					return
				}
			}
			t.Errorf("want %s: %s; got %v", test.at, test.what, found)
		})
	}
}

// Every rule catches something of the above by itself.
func TestEveryRuleBites(t *testing.T) {
	for _, rule := range layout.Rules() {
		bites := slices.ContainsFunc(allForbidden(), func(f forbidden) bool {
			return len(layout.Imports([]layout.Rule{rule}, f.plant())) > 0
		})
		if !bites {
			t.Errorf("nothing that is forbidden is caught by: %s (for %v)", rule.Why, rule.In)
		}
	}
}

func TestImportsEndOnACycle(t *testing.T) {
	imports := map[string][]string{"compare": {"internal/pg"}, "internal/pg": {"internal/txn"}, "internal/txn": {"internal/pg", "net"}}
	for _, violation := range layout.Imports(layout.Rules(), imports) {
		if violation.Where == "compare" && strings.HasPrefix(violation.What, "reaches internal/pg -> internal/txn -> net (") {
			return
		}
	}
	t.Error("net, reached through a cycle, was not found")
}
