package source

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// kind names what a stream holds, and its files.
type kind string

// The kinds. Rows are kept without their payload, unless the payloads were
// judged: contents then hold both.
const (
	entries  kind = "entries"
	markers  kind = "markers"
	commits  kind = "commits"
	rows     kind = "rows"
	contents kind = "contents"
)

// The files of a directory of evidence that hold no stream.
const (
	factsName    = "facts.json.gz"
	findingsName = "findings.ndjson.gz"
	metaName     = "meta.json.gz"
)

// stream is one worker's stream of a kind.
type stream struct {
	kind   kind
	worker txn.Worker
}

// name is that of the file that holds it.
func (s stream) name() string { return fmt.Sprintf("%s.%d.gz", s.kind, s.worker) }

// streams lists all that a judge may ask for in a case with these facts. What is
// not among them is not known to anybody: the survivor's, where none is proven.
func streams(c compare.Case, f compare.Facts) []stream {
	var accounts []txn.Worker
	for _, r := range f.Reserves {
		accounts = append(accounts, r.Worker)
	}
	sorted := func(all ...[]txn.Worker) []txn.Worker {
		one := slices.Concat(all...)
		slices.Sort(one)
		return slices.Compact(one)
	}
	var all []stream
	add := func(k kind, workers []txn.Worker) {
		for _, w := range workers {
			all = append(all, stream{k, w})
		}
	}
	known := sorted(accounts, f.MarkerWorkers, f.CommitWorkers)
	add(entries, sorted(accounts))
	add(commits, known)
	if !f.Survivor.Proven || f.Survivor.TablesAbsent {
		return all
	}
	add(markers, known)
	add(rowsIn(c), sorted(f.TableWorkers))
	return all
}

// rowsIn is the kind of stream that holds a case's rows.
func rowsIn(c compare.Case) kind {
	if c.Payload == compare.PayloadFull {
		return contents
	}
	return rows
}
