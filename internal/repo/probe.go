package repo

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgrpo/pgrpo/internal/txn"
)

func queueProbe(batch *pgx.Batch, run txn.Run, driver txn.Driver, p txn.Probe) {
	batch.Queue("insert into pgrpo.probe (run, worker, driver, at, took, fault, sqlstate) values ($1, $2, $3, $4, $5, $6, $7)",
		run, p.Worker, driver, int64(p.At), int64(p.Took), int16(p.Fault), p.State.String())
}

// Probes streams the probes of a driver by their time. An error ends the
// stream.
func (r *Repo) Probes(ctx context.Context, run txn.Run, driver txn.Driver) iter.Seq2[txn.Probe, error] {
	return stream(ctx, r, fmt.Sprintf("read probes of driver %d", driver), decodeProbe,
		"select at, took, worker, fault::int, sqlstate from pgrpo.probe where run = $1 and driver = $2 order by at, worker", run, driver)
}

func decodeProbe(raw [][]byte) (p txn.Probe, err error) {
	f := fields{raw: raw}
	p.At, p.Took = time.Duration(f.int64()), time.Duration(f.int64())
	p.Worker, p.Fault = txn.Worker(f.int32()), txn.Fault(f.int32())
	p.State = txn.StateOf(string(bytes.TrimSpace(f.bytes())))
	if f.bad {
		return txn.Probe{}, errRow
	}
	return p, nil
}
