package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Tee hands evidence on to the judge and keeps it in a directory. Each stream is
// read once from where it comes, whole, and from the directory from then on: the
// judge sees what was kept, and nothing else. Where the directory cannot be
// written, the judge sees the evidence all the same, and [Tee.Keep] says why
// nothing was kept.
//
// The directory comes to be at once and whole: until Keep has ended it has the
// name with ".part" at its end. An earlier one of the same name stays until then.
type Tee struct {
	folder
	from  compare.Streams
	final string
	head  manifest
	facts compare.Facts
	// conns are all connections that the evidence speaks of; drivers are the
	// drivers of the workers.
	conns    map[connKey]bool
	drivers  map[txn.Worker]txn.Driver
	findings *output
	// err is why nothing is kept.
	err error
}

var _ compare.Streams = (*Tee)(nil)

// NewTee begins to keep the evidence of a case in the directory dir, whose parent
// is there. Version is that of pgrpo.
func NewTee(dir, version string, c compare.Case, f compare.Facts, from compare.Streams) *Tee {
	t := &Tee{
		folder: folder{dir + ".part", map[string]file{}}, from: from, final: dir,
		head: manifest{Format: Format, Version: version, Case: c}, facts: f,
		conns: map[connKey]bool{}, drivers: map[txn.Worker]txn.Driver{},
	}
	for _, d := range f.Drivers {
		for _, c := range d.Connections {
			t.conns[connKey{d.ID, c.Conn()}] = true
		}
	}
	for _, r := range f.Reserves {
		t.drivers[r.Worker] = r.Driver
	}
	// One that a killed process left would never be whole.
	if t.err = errors.Join(os.RemoveAll(t.dir), os.Mkdir(t.dir, 0o700)); t.err == nil {
		t.findings, t.err = t.create(findingsName)
	}
	return t
}

// Find keeps a finding, in whatever form, as one line of JSON.
func (t *Tee) Find(finding any) {
	if t.err != nil {
		return
	}
	line, err := json.Marshal(finding)
	if err == nil {
		err = t.findings.put(append(line, '\n'))
	}
	t.err = err
}

// Keep ends the directory: it reads the streams that the judge did not ask for,
// and keeps meta, which is anything else that is to be said of the run, as JSON.
// With an error no directory is left that was not there before.
func (t *Tee) Keep(meta any) error {
	err := t.finish(meta)
	if err == nil {
		return nil
	}
	// The name that it had for a moment tells nobody anything.
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return errors.Join(fmt.Errorf("keep the evidence in %s: %w", t.final, err), os.RemoveAll(t.dir))
}

func (t *Tee) finish(meta any) error {
	if t.findings != nil {
		f, err := t.findings.close("")
		t.files[findingsName] = f
		t.err = errors.Join(t.err, err)
	}
	if t.err != nil {
		return t.err
	}
	for _, s := range streams(t.head.Case, t.facts) {
		if !t.keeps(s) {
			return t.err
		}
	}
	facts := storedForm(t.facts, t.conns)
	if err := errors.Join(t.whole(factsName, facts), t.whole(metaName, meta)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		t.head.Files = append(t.head.Files, t.files[name])
	}
	b, err := t.head.encode()
	if err != nil {
		return err
	}
	if err := durably(filepath.Join(t.dir, ManifestName), b); err != nil {
		return err
	}
	return t.settle()
}

// settle gives the directory its name.
func (t *Tee) settle() error {
	if err := synced(t.dir); err != nil {
		return err
	}
	old := t.final + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(t.final, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(t.dir, t.final); err != nil {
		return err
	}
	return errors.Join(synced(filepath.Dir(t.final)), os.RemoveAll(old))
}

// durably writes a new file.
func durably(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// synced makes the names in a directory durable.
func synced(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// keeps keeps a stream, unless it is kept already. It is false where it cannot.
func (t *Tee) keeps(s stream) bool {
	if _, there := t.files[s.name()]; there || t.err != nil {
		return t.err == nil
	}
	switch s.kind {
	case entries:
		t.err = stored(t.folder, s.worker, entryCodec(), t.noting(s.worker))
	case markers:
		t.err = stored(t.folder, s.worker, markerCodec(), t.from.Markers(s.worker))
	case commits:
		t.err = stored(t.folder, s.worker, commitCodec(), t.from.Commits(s.worker))
	case rows:
		t.err = stored(t.folder, s.worker, rowCodec(), t.from.Rows(s.worker, minID, maxID))
	case contents:
		t.err = stored(t.folder, s.worker, contentCodec(), t.from.Contents(s.worker, minID, maxID))
	}
	return t.err == nil
}

// noting reads a worker's entries and notes their connections.
func (t *Tee) noting(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return func(yield func(txn.Entry, error) bool) {
		at := connKey{Driver: t.drivers[w]}
		for e, err := range t.from.Entries(w) {
			if err == nil && e.Conn != at.Conn {
				at.Conn = e.Conn
				t.conns[at] = true
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// teed gives a stream as it was kept, or where it cannot be kept as it comes.
func teed[T any](t *Tee, s stream, kept, live iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		from := kept
		if !t.keeps(s) {
			from = live
		}
		from(yield)
	}
}

// Entries gives the worker's ledger from seq 1 on.
func (t *Tee) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] {
	return teed(t, stream{entries, w}, t.keptEntries(w), t.from.Entries(w))
}

// Markers gives the worker's markers on the survivor by ascending seq.
func (t *Tee) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] {
	return teed(t, stream{markers, w}, t.keptMarkers(w), t.from.Markers(w))
}

// Commits gives the worker's captured commits by ascending seq and position.
func (t *Tee) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] {
	return teed(t, stream{commits, w}, t.keptCommits(w), t.from.Commits(w))
}

// Buckets sums the worker's surviving rows, as they were kept.
func (t *Tee) Buckets(w txn.Worker) ([]txn.Bucket, error) {
	if !t.keeps(t.rows(w)) {
		return t.from.Buckets(w)
	}
	return t.keptBuckets(w)
}

// Rows gives the worker's surviving rows with ids from first to last by
// ascending id.
func (t *Tee) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return teed(t, t.rows(w), t.keptRows(w, first, last), t.from.Rows(w, first, last))
}

// Contents gives them with their payload, which is valid until the next. They are
// kept only in a case that asks for the payloads.
func (t *Tee) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	if t.rows(w).kind != contents {
		return t.from.Contents(w, first, last)
	}
	return teed(t, t.rows(w), t.keptContents(w, first, last), t.from.Contents(w, first, last))
}

func (t *Tee) rows(w txn.Worker) stream { return stream{rowsIn(t.head.Case), w} }
