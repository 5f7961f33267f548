package source

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// minID and maxID bound all ids that a table can hold.
const minID, maxID = txn.RowID(math.MinInt64), txn.RowID(math.MaxInt64)

// Directory is the evidence of a run in a directory of its own, as a [Tee] kept
// it. It needs no server.
type Directory struct {
	folder
	manifest manifest
	facts    compare.Facts
}

var _ compare.Streams = (*Directory)(nil)

// Open reads the manifest and the facts of a directory, and every other file
// once: each must be there, be what was written, and be called for by the facts,
// and there must be no further one. The error names the first that is not.
func Open(dir string) (*Directory, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	d := &Directory{folder: folder{dir, make(map[string]file, len(m.Files))}, manifest: m}
	for _, f := range m.Files {
		if err := d.check(f); err != nil {
			return nil, fmt.Errorf("check evidence: %w", err)
		}
		d.files[f.Name] = f
	}
	if err := d.checkNames(); err != nil {
		return nil, fmt.Errorf("check evidence: %w", err)
	}
	var facts storedFacts
	if err := d.value(factsName, &facts); err != nil {
		return nil, err
	}
	d.facts = facts.facts()
	if err := d.checkStreams(); err != nil {
		return nil, fmt.Errorf("check evidence: %w", err)
	}
	return d, nil
}

// check holds a file against what the manifest says of it.
func (d *Directory) check(f file) (err error) {
	if filepath.Base(f.Name) != f.Name || f.Name == "." || f.Name == ".." || f.Name == ManifestName {
		return fmt.Errorf("%s names %q, which is no file of evidence", ManifestName, f.Name)
	}
	path := filepath.Join(d.dir, f.Name)
	err = isFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", f.Name)
	}
	if err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	switch n, err := io.Copy(sum, in); {
	case err != nil:
		return err
	case n != f.Bytes:
		return fmt.Errorf("%s has %d bytes, the manifest says %d", f.Name, n, f.Bytes)
	case hex.EncodeToString(sum.Sum(nil)) != f.SHA256:
		return fmt.Errorf("%s is damaged: its SHA-256 is not the manifest's", f.Name)
	}
	return nil
}

// checkNames refuses a file that the manifest does not know, and a manifest
// without those that every directory has.
func (d *Directory) checkNames() error {
	there, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, f := range there {
		if _, known := d.files[f.Name()]; !known && f.Name() != ManifestName {
			return fmt.Errorf("%s is not in the manifest", f.Name())
		}
	}
	for _, name := range []string{factsName, findingsName, metaName} {
		if _, known := d.files[name]; !known {
			return fmt.Errorf("%s is not in the manifest", name)
		}
	}
	return nil
}

// checkStreams holds the files against the workers that the facts know.
func (d *Directory) checkStreams() error {
	called := map[string]bool{factsName: true, findingsName: true, metaName: true}
	for _, s := range streams(d.manifest.Case, d.facts) {
		called[s.name()] = true
		if _, there := d.files[s.name()]; !there {
			return fmt.Errorf("%s is not in the manifest, and the facts speak of worker %d", s.name(), s.worker)
		}
	}
	for _, f := range d.manifest.Files {
		if !called[f.Name] {
			return fmt.Errorf("%s is of a worker that the facts do not know", f.Name)
		}
	}
	return nil
}

// Version is that of the pgrpo that kept the evidence.
func (d *Directory) Version() string { return d.manifest.Version }

// Case is what was asked of the run when the evidence was kept.
func (d *Directory) Case() compare.Case { return d.manifest.Case }

// Facts is the evidence that is small.
func (d *Directory) Facts() compare.Facts { return d.facts }

// Meta reads what was kept beside the evidence into v, which is of the type of
// what was given to [Tee.Keep].
func (d *Directory) Meta(v any) error { return d.value(metaName, v) }

// Found is the number of findings that were kept.
func (d *Directory) Found() int64 { return d.files[findingsName].Records }

// Findings gives the lines that were kept by [Tee.Find], in their order and
// without their ends. A line is valid until the next. An error ends them.
func (d *Directory) Findings() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		in, done, err := d.open(findingsName)
		if err != nil {
			yield(nil, fmt.Errorf("read evidence %s: %w", findingsName, err))
			return
		}
		defer done()
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, math.MaxInt32)
		for lines.Scan() {
			if !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, fmt.Errorf("read evidence %s: %w", findingsName, err))
		}
	}
}

// Entries gives the worker's ledger from seq 1 on.
func (d *Directory) Entries(w txn.Worker) iter.Seq2[txn.Entry, error] { return d.keptEntries(w) }

// Markers gives the worker's markers on the survivor by ascending seq.
func (d *Directory) Markers(w txn.Worker) iter.Seq2[txn.Marker, error] { return d.keptMarkers(w) }

// Commits gives the worker's captured commits by ascending seq and position.
func (d *Directory) Commits(w txn.Worker) iter.Seq2[txn.Commit, error] { return d.keptCommits(w) }

// Buckets sums the worker's surviving rows.
func (d *Directory) Buckets(w txn.Worker) ([]txn.Bucket, error) { return d.keptBuckets(w) }

// Rows gives the worker's surviving rows with ids from first to last by
// ascending id. Each call reads the file from its start.
func (d *Directory) Rows(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Row, error] {
	return d.keptRows(w, first, last)
}

// Contents gives them with their payload, which is valid until the next. It is an
// error where the payloads were not kept.
func (d *Directory) Contents(w txn.Worker, first, last txn.RowID) iter.Seq2[txn.Content, error] {
	return d.keptContents(w, first, last)
}
