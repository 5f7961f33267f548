// Package gather reads what is known of single commits of a run, from its repo, its
// nodes and the files of a dead server, and hands it to package explain. It changes
// nothing.
package gather

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/compare/report"
	"github.com/pgrpo/pgrpo/compare/source"
	"github.com/pgrpo/pgrpo/internal/explain"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/run"
	"github.com/pgrpo/pgrpo/internal/trouble"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Source is what is kept of one run, opened to be read.
type Source struct {
	evidence *run.Evidence
	live     *source.Live
	reserves map[txn.Worker]txn.Reserve
	drivers  map[txn.Driver]repo.DriverRow
	conns    map[connKey]txn.Connection
	// common is the part of the facts that all attempts share.
	common explain.Facts
	// directory is the data directory that was given; nil is none.
	directory *Directory
}

// connKey names a connection of the run.
type connKey struct {
	driver txn.Driver
	conn   txn.Conn
}

// Open reads what all attempts of the run share. The directory may be nil. The
// context bounds the reading of the ledger as well.
func Open(ctx context.Context, e *run.Evidence, d *Directory) (*Source, error) {
	s := &Source{
		evidence: e, directory: d,
		live:     &source.Live{Context: ctx, Repo: e.Repo, Run: e.Record.Run, Upto: e.Account.Upto},
		reserves: make(map[txn.Worker]txn.Reserve), drivers: make(map[txn.Driver]repo.DriverRow),
		conns: make(map[connKey]txn.Connection),
	}
	if err := s.sameCluster(ctx); err != nil {
		return nil, err
	}
	s.common.Branches = e.Branches
	for _, hole := range e.Account.Holes {
		s.unseen("%s", hole)
	}
	for _, r := range e.Account.Reserves {
		s.reserves[r.Worker] = r
	}
	for _, d := range e.Account.Drivers {
		s.drivers[d.Driver] = d
		if !d.Closed {
			s.unseen("the account of driver %d is not whole in the repo: pgrpo compare %s moves there what its journal still has", d.Driver, run.RunName(e.Record.Run))
		}
	}
	contacts, err := e.Repo.Contacts(ctx, e.Record.Run)
	if err != nil {
		return nil, err
	}
	for _, c := range contacts {
		s.conns[connKey{txn.Driver(c.Observer), c.Conn()}] = c
	}
	if s.common.Capture, err = captured(ctx, e, contacts); err != nil {
		return nil, err
	}
	s.segments()
	return s, s.survivor(ctx)
}

// sameCluster refuses the directory of another cluster than the run's.
func (s *Source) sameCluster(ctx context.Context) error {
	if s.directory == nil {
		return nil
	}
	row, err := s.evidence.Repo.Run(ctx, s.evidence.Record.Run)
	if err != nil {
		return err
	}
	systems := []pg.SystemID{row.System}
	for _, b := range s.evidence.Branches {
		systems = append(systems, b.System)
	}
	if !slices.Contains(systems, s.directory.System) {
		return trouble.Refuse("read data directory %s: it is of system %s, and the run was of system %s", s.directory.Path, s.directory.System, row.System)
	}
	return nil
}

func (s *Source) unseen(format string, args ...any) {
	s.common.Unseen = append(s.common.Unseen, fmt.Sprintf(format, args...))
}

// segments takes the size of a WAL file from whoever knows it.
func (s *Source) segments() {
	if s.directory != nil {
		s.common.SegmentBytes, s.common.Directory = s.directory.segment, s.directory.Path
	}
	for _, v := range s.evidence.Visits {
		if v.Err == nil && v.Identity.SegmentBytes != 0 && s.common.SegmentBytes == 0 {
			s.common.SegmentBytes = v.Identity.SegmentBytes
		}
	}
	if s.common.SegmentBytes == 0 {
		s.unseen("the names of WAL files: no server told how large its files are")
	}
}

// survivor is the node that is proven now, or else the one that the last judgement
// chose.
func (s *Source) survivor(ctx context.Context) error {
	e := s.evidence
	if e.NoSurvivor == nil {
		s.common.Survivor = explain.Survivor{Name: e.Survivor().Name(), Branch: e.Survivor().Branch}
		return nil
	}
	s.common.Survivor.Why = e.NoSurvivor.Error()
	s.unseen("the survivor: %s", e.NoSurvivor)
	body, err := e.Repo.Report(ctx, e.Record.Run)
	if errors.Is(err, repo.ErrNoReport) {
		return nil
	}
	if err != nil {
		return err
	}
	r, err := report.Read(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("read the run's last report: %w", err)
	}
	for _, n := range r.Nodes {
		if b := n.Branch; n.Survivor && b != nil {
			// Branches that only the judge saw are in no repo.
			if _, there := e.Branches.Of(pg.BranchID(*b)); there {
				s.common.Survivor.Name, s.common.Survivor.Branch = n.Name, pg.BranchID(*b)
			}
		}
	}
	return nil
}

// captured says what is known of the stream.
func captured(ctx context.Context, e *run.Evidence, contacts []txn.Connection) (compare.CaptureFacts, error) {
	var c compare.CaptureFacts
	var err error
	if c.Gaps, err = e.Repo.Gaps(ctx, e.Record.Run); err != nil {
		return c, err
	}
	progresses, err := e.Repo.Progresses(ctx, e.Record.Run)
	if err != nil {
		return c, err
	}
	i := slices.IndexFunc(progresses, func(p repo.Progress) bool { return p.Slot == e.Record.Slot })
	if i < 0 {
		return c, nil
	}
	p := progresses[i]
	c.Heard, c.Complete, c.Duplicates = p.Start != 0, p.Ended > 0, p.Duplicates
	c.Start = pg.Position{LSN: p.Start}
	for _, contact := range contacts {
		if contact.Observer == captureObserver && contact.Branch != 0 && c.Start.Branch == 0 {
			c.Start.Branch = contact.Branch
		}
	}
	c.Followed = pg.Position{Branch: p.Branch, LSN: max(p.End, p.FollowedTo)}
	return c, nil
}

// captureObserver is the observer number of capture's own contacts.
const captureObserver = -1
