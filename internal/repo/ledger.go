package repo

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// blockEntries is the greatest number of entries of a block.
const blockEntries = 1024

// LedgerBlock is a stretch of a worker's ledger: Raw holds the entries of the
// seqs from First on, in the form of [txn.Entry].
type LedgerBlock struct {
	First txn.Seq
	Raw   []byte
}

// Len is the number of entries.
func (b LedgerBlock) Len() int { return len(b.Raw) / txn.EntryBytes }

// Entries streams the blocks of a worker by seq. Seqs that no block holds have
// no entry in the repo. Blocks that overlap are an error; an error ends the
// stream.
func (r *Repo) Entries(ctx context.Context, run txn.Run, w txn.Worker) iter.Seq2[LedgerBlock, error] {
	what := fmt.Sprintf("read ledger of worker %d", w)
	blocks := stream(ctx, r, what, decodeBlock,
		"select seq, entries from pgrpo.ledger where run = $1 and worker = $2 order by seq", run, w)
	return func(yield func(LedgerBlock, error) bool) {
		var next txn.Seq
		for b, err := range blocks {
			if err == nil && b.First < next {
				err = r.failed(what, fmt.Errorf("the block of seq %d overlaps the one before it, which ends with %d", b.First, next-1))
			}
			if !yield(b, err) || err != nil {
				return
			}
			next = b.First + txn.Seq(b.Len())
		}
	}
}

func decodeBlock(raw [][]byte) (b LedgerBlock, err error) {
	f := fields{raw: raw}
	b.First = txn.Seq(f.int64())
	b.Raw = bytes.Clone(f.bytes())
	if f.bad || len(b.Raw) == 0 || len(b.Raw)%txn.EntryBytes != 0 {
		return LedgerBlock{}, fmt.Errorf("the block of seq %d has %d bytes: %w", b.First, len(b.Raw), errRow)
	}
	return b, nil
}

// block is a stretch of one worker's ledger on its way.
type block struct {
	worker txn.Worker
	first  txn.Seq
	raw    []byte
}

func (b block) len() int { return len(b.raw) / txn.EntryBytes }

// last is the seq of the last entry.
func (b block) last() txn.Seq { return b.first + txn.Seq(b.len()) - 1 }

// after is what of the block is past the mark.
func (b block) after(mark txn.Seq) block {
	if stored := int(min(max(mark-b.first+1, 0), txn.Seq(b.len()))); stored > 0 {
		b.first += txn.Seq(stored)
		b.raw = b.raw[stored*txn.EntryBytes:]
	}
	return b
}

// queue adds the block to the batch.
func (b block) queue(batch *pgx.Batch, run txn.Run, driver txn.Driver) {
	batch.Queue("insert into pgrpo.ledger (run, worker, seq, driver, n, entries) values ($1, $2, $3, $4, $5, $6)",
		run, b.worker, b.first, driver, b.len(), b.raw)
}
