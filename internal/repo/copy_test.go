package repo

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func sampleCommit() txn.Commit {
	return txn.Commit{ID: txn.ID{Run: 1, Worker: 2, Seq: 3}, LSN: 4, End: 5, CommittedAt: time.UnixMicro(1795194121123456), Xid: 6, Ops: 7, Sum: -8, Seen: 9, SeenSum: 10, Branch: 11}
}

func sampleChange() txn.Change {
	return txn.Change{ID: txn.ID{Run: 1, Worker: 2, Seq: 3}, Row: 4, LSN: 5, Xid: 6, Index: 7, Sum: -8, Kind: txn.Update}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	commit, change := sampleCommit(), sampleChange()
	for name, encode := range map[string]func(){
		"commit": func() { buf = appendCommit(buf[:0], &commit, 1) },
		"change": func() { buf = appendChange(buf[:0], &change, 1) },
	} {
		if n := testing.AllocsPerRun(100, encode); n != 0 {
			t.Errorf("encoding a %s allocates %v times", name, n)
		}
	}
}

// fieldsOf splits one COPY row.
func fieldsOf(t *testing.T, row []byte) (raw [][]byte) {
	t.Helper()
	n := int(row[0])<<8 | int(row[1])
	row = row[2:]
	for range n {
		size := int(row[2])<<8 | int(row[3])
		raw = append(raw, row[4:4+size])
		row = row[4+size:]
	}
	if len(row) != 0 {
		t.Fatalf("%d bytes are left after %d fields", len(row), n)
	}
	return raw
}

// A column that is missing or of another width is an error, not a zero.
func TestDecodingRefusesOtherWidths(t *testing.T) {
	want := sampleCommit()
	want.CommittedAt = want.CommittedAt.UTC()
	raw := fieldsOf(t, appendCommit(nil, &want, 1))[:12]
	raw[11] = append([]byte{0, 0}, raw[11]...) // branch, which is read as an int
	got, err := decodeCommit(raw)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for i := range raw {
		bad := append([][]byte(nil), raw...)
		bad[i] = bad[i][1:]
		if _, err := decodeCommit(bad); err == nil {
			t.Errorf("column %d was read though it is too short", i)
		}
		if _, err := decodeCommit(raw[:i]); err == nil {
			t.Errorf("%d columns were read as a commit", i)
		}
	}
	if _, err := decodeBlock([][]byte{make([]byte, 8), make([]byte, txn.EntryBytes+1)}); err == nil {
		t.Error("a block of a part of an entry was read")
	}
}

func BenchmarkEncodeCommit(b *testing.B) {
	buf := make([]byte, 0, 4096)
	c := sampleCommit()
	b.ReportAllocs()
	for b.Loop() {
		buf = appendCommit(buf[:0], &c, 1)
	}
}

func BenchmarkEncodeChange(b *testing.B) {
	buf := make([]byte, 0, 4096)
	c := sampleChange()
	b.ReportAllocs()
	for b.Loop() {
		buf = appendChange(buf[:0], &c, 1)
	}
}
