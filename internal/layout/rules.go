package layout

// Rule says what packages may import. Packages of this module are named by
// their path from its root ("internal/pg"), others by their import path
// ("net"). A name that ends in "/..." also means everything below it.
type Rule struct {
	// Why is the rule in words, for the one who broke it.
	Why string
	// In names the packages that the rule is for.
	In []string
	// Except names packages among In that the rule is not for.
	Except []string
	// Only, if not nil, names the packages of this module that may be imported;
	// empty means none.
	Only []string
	// Never names packages of this module that may not be imported.
	Never []string
	// Unreachable names packages outside this module that may be imported
	// neither directly nor by any package of this module that is imported.
	Unreachable []string
}

// Rules returns the rules for what the program is made of.
func Rules() []Rule {
	words := []string{"internal/pg", "internal/txn", "internal/plan"}
	return append(TestRules(), []Rule{
		{
			Why:  "internal/pg is words about PostgreSQL and knows nothing of ours",
			In:   []string{"internal/pg/..."},
			Only: []string{}, Unreachable: wire(),
		}, {
			Why:  "internal/txn stands on internal/pg alone",
			In:   []string{"internal/txn/..."},
			Only: []string{"internal/pg"}, Unreachable: wire(),
		}, {
			Why:  "internal/plan is pure and stands on txn and pg",
			In:   []string{"internal/plan/..."},
			Only: []string{"internal/pg", "internal/txn"}, Unreachable: wire(),
		}, {
			Why:  "internal/trouble is kinds of errors and knows nothing of ours",
			In:   []string{"internal/trouble/..."},
			Only: []string{}, Unreachable: wire(),
		}, {
			Why:  "internal/journal is a file of entries and stands on pg, txn and plan",
			In:   []string{"internal/journal/..."},
			Only: append([]string{"internal/trouble"}, words...),
		}, {
			Why:  "internal/repo stands on pg, txn, plan and journal",
			In:   []string{"internal/repo/..."},
			Only: append([]string{"internal/repo/...", "internal/journal", "internal/trouble"}, words...),
		}, {
			Why:  "the judge is pure: it stands on pg, txn and plan, and reaches no server",
			In:   []string{"compare"},
			Only: words, Unreachable: wire(),
		}, {
			Why: "evidence comes from the repo, a node or a directory, and goes to the judge",
			In:  []string{"compare/source/..."},
			Only: append([]string{"compare", "compare/source/...", "internal/journal", "internal/repo", "internal/node",
				"internal/trouble"}, words...),
		}, {
			Why:  "a report is made of a model, and asks no server",
			In:   []string{"compare/report/..."},
			Only: append([]string{"compare", "compare/report/..."}, words...), Unreachable: wire(),
		}, {
			Why:  "faults are planted in evidence in memory, for the judge, and reach no server",
			In:   []string{"internal/selftest/plant/..."},
			Only: append([]string{"compare"}, words...), Unreachable: wire(),
		}, {
			Why:  "the life of a commit is told from facts, and asks no server",
			In:   []string{"internal/explain"},
			Only: append([]string{"compare"}, words...), Unreachable: wire(),
		}, {
			Why:  "a salvage is made of the plan and the seed, and asks no server",
			In:   []string{"internal/salvage"},
			Only: words, Unreachable: wire(),
		}, {
			Why:   "only capture reads pgoutput",
			In:    []string{"..."},
			Never: []string{"capture/pgoutput"}, Except: []string{"capture/..."},
		}, {
			Why:  "the parser of pgoutput knows bytes and words, and no socket",
			In:   []string{"capture/pgoutput/..."},
			Only: []string{"internal/pg", "internal/txn"}, Unreachable: wire(),
		}, {
			Why:  "the WAL is files of bytes, and no server",
			In:   []string{"internal/wal"},
			Only: []string{"internal/pg"}, Unreachable: wire(),
		}, {
			Why:  "a picture of logs is drawn of what nodes told, and asks none",
			In:   []string{"internal/lineage"},
			Only: []string{"internal/pg"}, Unreachable: wire(),
		}, {
			Why:  "a state file is bytes and words, and no server",
			In:   []string{"slots/statefile"},
			Only: []string{"internal/pg"}, Unreachable: wire(),
		}, {
			Why:  "the sandbox stands alone: it is what the rest is tried on",
			In:   []string{"internal/sandbox/..."},
			Only: []string{"internal/sandbox/...", "internal/trouble"},
		}, {
			Why: "a stage knows nothing of the run it is part of, of the verdict, or of the sandbox",
			In: []string{"writer/...", "capture/...", "compare/...", "slots/...", "internal/node/...",
				"internal/live/..."},
			Never: []string{"internal/run/...", "internal/verdict/...", "internal/selftest/...", "internal/sandbox/..."},
		}, {
			Why:   "a node is below the stages",
			In:    []string{"internal/node/..."},
			Never: []string{"writer/...", "capture/...", "compare/...", "slots/...", "internal/live/..."},
		}, {
			Why:   "a run returns evidence and judges nothing",
			In:    []string{"internal/run/..."},
			Never: []string{"internal/verdict/...", "compare/report/..."},
		}, {
			Why:   "a command is the outermost layer",
			In:    []string{"..."},
			Never: []string{"cmd/..."}, Except: []string{"cmd/..."},
		},
	}...)
}

// TestRules returns the rules that tests keep as well.
func TestRules() []Rule {
	stages := []string{"writer/...", "capture/...", "compare/...", "slots/..."}
	var rules []Rule
	for i, stage := range stages {
		var others []string
		others = append(others, stages[:i]...)
		others = append(others, stages[i+1:]...)
		rules = append(rules, Rule{
			Why:   "writer, capture, compare and slots do not know each other",
			In:    []string{stage},
			Never: others,
		})
	}
	return rules
}

// wire names what a pure package cannot need: all ways to a server or to
// another process.
func wire() []string {
	return []string{
		"github.com/jackc/...", "database/sql/...", "net/...", "crypto/tls", "os/exec", "os/signal",
		"syscall", "plugin", "golang.org/x/sys/...", "google.golang.org/grpc/...",
	}
}
