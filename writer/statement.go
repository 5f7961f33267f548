package writer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// shape is the kind of a statement that the session sends.
type shape uint8

// The shapes. Those with a marker insert it before anything else.
const (
	beginShape shape = iota
	commitShape
	insertShape
	updateShape
	deleteShape
	bulkShape
	markedInsert
	markedUpdate
	markedDelete
	markedBulk
	shapes
)

// marked is the shape that also writes the marker.
func (s shape) marked() shape { return s + (markedInsert - insertShape) }

func shapeOf(k txn.Kind) shape { return insertShape + shape(k-txn.Insert) }

// The type OIDs of parameters (PostgreSQL pg_type.dat).
const (
	oidInt8      = 20
	oidInt4      = 23
	oidText      = 25
	oidInt4Array = 1007
	oidTextArray = 1009
	oidInt8Array = 1016
)

// statement is the SQL of one shape for one worker's table, with the types of
// its parameters. The name of its prepared form is made of the SQL: behind a
// pooler, another worker's statement may be on the server connection that the
// session is given, and must not be taken for this one. Every operation returns one row: transaction id, a lower bound
// of the commit's LSN, backend pid, postmaster start, and a number that cannot
// be computed (22012) unless all rows were hit.
type statement struct {
	name  string
	sql   string
	types []uint32
}

// statements are the SQL of all shapes for the table of worker w. The marker is
// inserted by a CTE that the operation reads from, so that it is the first
// change of the transaction; the key of an update or delete is given by
// parameters, so that it is found by the primary key.
func statements(w txn.Worker) [shapes]statement {
	table := "pgrpo." + txn.TableOf(w)
	all := [shapes]statement{
		beginShape:  {name: nameOf("begin"), sql: "begin"},
		commitShape: {name: nameOf("commit"), sql: "commit"},
	}
	for _, s := range []shape{insertShape, updateShape, deleteShape, bulkShape} {
		all[s] = operation(table, s, plainHead())
		all[s.marked()] = operation(table, s, markerHead())
	}
	return all
}

// nameOf is the name of a statement's prepared form.
func nameOf(sql string) string {
	sum := sha256.Sum256([]byte(sql))
	return "pgrpo_" + hex.EncodeToString(sum[:8])
}

// head is the beginning of a statement: it gives a relation m of one row with
// the columns seq and run.
type head struct {
	sql   string
	types []uint32
}

func markerHead() head {
	return head{"with m as (insert into pgrpo.marker (seq, run, worker, ops, crc) values ($1, $2, $3, $4, $5) returning seq, run)",
		[]uint32{oidInt8, oidInt4, oidInt4, oidInt4, oidInt4}}
}

func plainHead() head {
	return head{"with m as (select $1::bigint as seq, $2::int as run)", []uint32{oidInt8, oidInt4}}
}

// operation writes the statement; #1, #2 ... are the parameters after the
// head's.
func operation(table string, s shape, h head) statement {
	var body, check string
	var types []uint32
	check = "1 / count(*)"
	switch s {
	case insertShape:
		types = []uint32{oidInt8, oidInt4, oidText}
		body = "insert into TABLE (id, seq, run, crc, payload) select #1, m.seq, m.run, #2, #3 from m returning 1"
	case updateShape:
		types = []uint32{oidInt8, oidInt4, oidText, oidInt8}
		body = "update TABLE w set seq = m.seq, crc = #2, payload = #3 from m where w.run = $2 and w.id = #1 and w.seq = #4 returning 1"
	case deleteShape:
		types = []uint32{oidInt8, oidInt8}
		body = "delete from TABLE w using m where w.run = $2 and w.id = #1 and w.seq = #2 returning 1"
	case bulkShape:
		types = []uint32{oidInt8Array, oidInt4Array, oidTextArray}
		body = "insert into TABLE (id, seq, run, crc, payload) select r.id, m.seq, m.run, r.crc, r.payload " +
			"from m, unnest(#1, #2, #3) as r (id, crc, payload) returning 1"
		check = "1 / (count(*) = array_length(#1, 1))::int"
	}
	sql := fmt.Sprintf("%s, o as (%s) select pg_current_xact_id(), pg_current_wal_insert_lsn(), pg_backend_pid(), pg_postmaster_start_time(), %s from o",
		h.sql, strings.ReplaceAll(body, "TABLE", table), check)
	for i := range types {
		sql = strings.ReplaceAll(sql, fmt.Sprintf("#%d", i+1), fmt.Sprintf("$%d", len(h.types)+i+1))
	}
	return statement{name: nameOf(sql), sql: sql, types: append(append([]uint32(nil), h.types...), types...)}
}
