package salvage_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/internal/salvage"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// The script of one attempt with an operation of each kind, whole.
func TestWrite(t *testing.T) {
	s := salvage.Script{
		Run: "20261120-170201", Source: "the WAL in /mnt/dead\n; drop schema pgrpo cascade;", Fork: "the survivor left timeline 1 at 0/1000",
		Seed: 1, PayloadBytes: 4,
		Attempts: []salvage.Attempt{{
			Attempt: txn.Attempt{ID: txn.ID{Run: 9, Worker: 3, Seq: 47}, Ops: []txn.Op{
				{Kind: txn.Insert, ID: 12}, {Kind: txn.Update, ID: 5, Expect: 40}, {Kind: txn.Delete, ID: 7, Expect: 41},
			}},
			Place: "committed at 0/14B0 on timeline 1\r\n; drop table x;",
		}},
	}
	var b strings.Builder
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	header, body, _ := strings.Cut(b.String(), "\nset client_encoding")
	for line := range strings.SplitSeq(strings.TrimSpace(header), "\n") {
		if !strings.HasPrefix(line, "--") {
			t.Errorf("a line of the header is no comment: %q", line)
		}
	}
	for _, words := range []string{"run 20261120-170201", "lost transactions: 1, row changes: 3", "the survivor left timeline 1 at 0/1000"} {
		if !strings.Contains(header, words) {
			t.Errorf("the header does not say %q:\n%s", words, header)
		}
	}
	_, body, _ = strings.Cut(body, "\n\n")
	// Payloads and checksums are those of package txn, which owns them.
	pay := func(row txn.RowID) string { return string(txn.AppendPayload(nil, 1, s.Attempts[0].ID, row, 4)) }
	sum := func(row txn.RowID, k txn.Kind, payload string) txn.Sum {
		return txn.SumOf(s.Attempts[0].ID, row, k, []byte(payload))
	}
	in, up, del := sum(12, txn.Insert, pay(12)), sum(5, txn.Update, pay(5)), sum(7, txn.Delete, "")
	old := func(row txn.RowID, seq txn.Seq) string {
		return string(txn.AppendPayload(nil, 1, txn.ID{Run: 9, Worker: 3, Seq: seq}, row, 4))
	}
	want := strings.NewReplacer("<UP40>", old(5, 40), "<DEL41>", old(7, 41), "<IN>", pay(12), "<UP>", pay(5), "<A>", number(in), "<B>", number(up), "<C>", number(in^up^del)).Replace(
		`-- worker 3 seq 47, committed at 0/14B0 on timeline 1  ; drop table x;
begin;
do $salvage$ begin
  insert into pgrpo.marker (seq, run, worker, ops, crc) values (47, 9, 3, 3, <C>) on conflict do nothing;
  if not found then return; end if;
  insert into pgrpo.restored (seq, run, worker) values (47, 9, 3) on conflict do nothing;
  insert into pgrpo.worker_0003 (id, seq, run, crc, payload) values (12, 47, 9, <A>, '<IN>') on conflict do nothing;
  update pgrpo.worker_0003 set seq = 47, crc = <B>, payload = '<UP>' where run = 9 and id = 5 and seq = 40 and payload = '<UP40>';
  delete from pgrpo.worker_0003 where run = 9 and id = 7 and seq = 41 and payload = '<DEL41>';
end $salvage$;
commit;
`)
	if body != want {
		t.Errorf("\n got %s\nwant %s", body, want)
	}
}

func number(s txn.Sum) string { return strconv.Itoa(int(s)) }

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// What could not be written is an error.
func TestWriteFails(t *testing.T) {
	if err := (salvage.Script{}).Write(broken{}); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Error(err)
	}
}
