package capture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// schema is where pgrpo keeps its tables on the primary.
const schema = "pgrpo"

// table is what the assembler knows of one relation. Its zero value is a table
// that is none of ours.
type table struct {
	what   tableKind
	worker txn.Worker
	// The places of the columns in a tuple. A worker table has id and
	// payload, the marker has worker and ops.
	run, seq, crc, id, payload, workerAt, ops int
	width                                     int
}

type tableKind uint8

const (
	foreignTable tableKind = iota
	markerTable
	workerTable
)

// The oids of the types of our columns (pg_type.dat).
const (
	int8OID = 20
	int4OID = 23
	textOID = 25
)

// describe makes a table of a relation message. A table of ours that lacks a
// column, or has it in another type, is an error: what it sends cannot be read.
func describe(r *pgoutput.Relation) (*table, error) {
	if string(r.Namespace) != schema {
		return &table{}, nil
	}
	t := &table{width: len(r.Columns)}
	name := string(r.Name)
	var need map[string]place
	if name == "marker" {
		t.what = markerTable
		need = map[string]place{
			"seq": {&t.seq, int8OID}, "run": {&t.run, int4OID}, "worker": {&t.workerAt, int4OID},
			"ops": {&t.ops, int4OID}, "crc": {&t.crc, int4OID},
		}
	} else if worker, ok := workerOf(name); ok {
		t.what, t.worker = workerTable, worker
		need = map[string]place{
			"id": {&t.id, int8OID}, "seq": {&t.seq, int8OID}, "run": {&t.run, int4OID},
			"crc": {&t.crc, int4OID}, "payload": {&t.payload, textOID},
		}
	} else {
		return &table{}, nil
	}
	for i, c := range r.Columns {
		p, wanted := need[string(c.Name)]
		if !wanted {
			continue
		}
		if c.TypeOID != p.oid {
			return nil, fmt.Errorf("read relation %s.%s: column %s has the type with oid %d, want %d", schema, name, c.Name, c.TypeOID, p.oid)
		}
		*p.at = i
		delete(need, string(c.Name))
	}
	for column := range need {
		return nil, fmt.Errorf("read relation %s.%s: column %s is not published", schema, name, column)
	}
	return t, nil
}

type place struct {
	at  *int
	oid uint32
}

// workerOf reads the number out of a worker table's name, and only out of the
// very name that [txn.TableOf] gives.
func workerOf(name string) (txn.Worker, bool) {
	digits, ok := strings.CutPrefix(name, "worker_")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || txn.TableOf(txn.Worker(n)) != name {
		return 0, false
	}
	return txn.Worker(n), true
}

// marker reads a row of the marker table.
func (t *table) marker(row []pgoutput.Column) (txn.Marker, error) {
	var m txn.Marker
	r := reader{t: t, row: row}
	m.Run = txn.Run(r.int4(t.run))
	m.Worker = txn.Worker(r.int4(t.workerAt))
	m.Seq = txn.Seq(r.int8(t.seq))
	m.Ops = r.int4(t.ops)
	m.Sum = txn.Sum(r.int4(t.crc))
	return m, r.err
}

// key reads the key of a worker table's row: all that a delete sends.
func (t *table) key(row []pgoutput.Column) (txn.Run, txn.RowID, error) {
	r := reader{t: t, row: row}
	return txn.Run(r.int4(t.run)), txn.RowID(r.int8(t.id)), r.err
}

// version reads what a new row says of itself. The payload aliases the message.
func (t *table) version(row []pgoutput.Column) (seq txn.Seq, sum txn.Sum, payload []byte, err error) {
	r := reader{t: t, row: row}
	seq, sum = txn.Seq(r.int8(t.seq)), txn.Sum(r.int4(t.crc))
	if r.err == nil {
		payload = row[t.payload].Data
	}
	return seq, sum, payload, r.err
}

// reader reads columns and keeps the first error.
type reader struct {
	t   *table
	row []pgoutput.Column
	err error
}

func (r *reader) column(at int) (pgoutput.Column, bool) {
	if r.err == nil && len(r.row) != r.t.width {
		r.err = fmt.Errorf("read row of %d columns of a table with %d: %w", len(r.row), r.t.width, pgoutput.ErrMalformed)
	}
	if r.err != nil {
		return pgoutput.Column{}, false
	}
	return r.row[at], true
}

func (r *reader) int8(at int) int64 {
	c, ok := r.column(at)
	if !ok {
		return 0
	}
	v, err := c.Int8()
	r.err = err
	return v
}

func (r *reader) int4(at int) int32 {
	c, ok := r.column(at)
	if !ok {
		return 0
	}
	v, err := c.Int4()
	r.err = err
	return v
}
