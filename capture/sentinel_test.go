package capture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgrpo/pgrpo/capture/pgoutput"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/txn"
)

func TestSentinels(t *testing.T) {
	s := txn.Sentinel{Number: 2, Nonce: [16]byte{1, 2, 3}}
	end := txn.ID{Run: testRun, Worker: txn.SentinelWorker, Seq: 2}
	sum := txn.SumOf(end, -2, txn.Insert, nil)
	row := func(w txn.Worker) *pgoutput.Message {
		m := rowOf(txn.ID{Run: testRun, Worker: w, Seq: 2}, -2, txn.Insert, "")
		m.Row.New[3] = int4Column(int32(sum))
		return m
	}
	token := &pgoutput.Message{Kind: pgoutput.KindLogical, Logical: pgoutput.Logical{
		Transactional: true, Prefix: []byte(node.EndPrefix), Content: []byte(node.EndContent(testRun, s)),
	}}
	b, a := &Batch{}, NewAssembler(testRun, 1<<20, fixed(Keep))
	feed(t, a, b, head()...)
	feed(t, a, b, begin(1, 9), markerRow(txn.Marker{ID: end, Ops: 2}), row(1), row(2), token, commit(1, 2))
	feed(t, a, b, begin(3, 9), markerRow(txn.Marker{ID: end, Ops: 2}), row(1), commit(3, 4))
	want := []Arrival{{Number: 2, Nonce: s.Nonce, Token: true, Whole: true, End: 2}, {Number: 2, End: 4}}
	if d := cmp.Diff(want, b.Sentinels); d != "" {
		t.Error(d)
	}
	if b.Changes[0].Raw != nil || b.Commits[0].SeenSum != 0 {
		t.Errorf("the rows of a sentinel do not fit their sums: %+v", b.Commits[0])
	}
	for _, bad := range []string{"", "77/2", "77/2/00", "x/2/" + strings.Repeat("0", 32), "77/2/" + strings.Repeat("g", 32), "77/99999999999/" + strings.Repeat("0", 32)} {
		if _, _, ok := parseToken([]byte(bad)); ok {
			t.Errorf("token %q was read", bad)
		}
	}
}

func TestEnding(t *testing.T) {
	s := txn.Sentinel{Number: 1, Nonce: [16]byte{1}}
	whole := Arrival{Number: 1, Nonce: s.Nonce, Token: true, Whole: true}
	for _, tc := range []struct {
		name string
		do   func(*ending)
		over bool
	}{
		{"announced, then came", func(e *ending) { e.expect(s); e.heard(whole, proofToken) }, true},
		{"came, then announced", func(e *ending) { e.heard(whole, proofToken); e.expect(s) }, true},
		{"never announced", func(e *ending) { e.heard(whole, proofToken) }, false},
		{"rows missing", func(e *ending) { e.expect(s); e.heard(Arrival{Number: 1, Nonce: s.Nonce, Token: true}, proofToken) }, false},
		{"no token", func(e *ending) { e.expect(s); e.heard(Arrival{Number: 1, Whole: true}, proofToken) }, false},
		{"no token on 13", func(e *ending) { e.expect(s); e.heard(Arrival{Number: 1, Whole: true}, proofRows) }, true},
		{"another's nonce", func(e *ending) {
			e.expect(txn.Sentinel{Number: 1, Nonce: [16]byte{2}})
			e.heard(whole, proofToken)
		}, false},
		{"a later one is waited for", func(e *ending) { e.expect(txn.Sentinel{Number: 2}); e.expect(s); e.heard(whole, proofToken) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnding()
			tc.do(e)
			if e.isOver() != tc.over {
				t.Errorf("over: %v", e.isOver())
			}
		})
	}
}
