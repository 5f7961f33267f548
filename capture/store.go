package capture

import (
	"context"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/repo"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Store is what a capture needs of the repo: the stream of one run and slot.
// [InRepo] is the real one.
type Store interface {
	// Load returns what is durable, after it deleted the parts of a
	// transaction that was not heard to its end. From then on no Save of an
	// earlier process, and none whose outcome is not known, can take effect.
	Load(ctx context.Context) (repo.Progress, error)
	// Save stores commits, changes and progress in one transaction; it may
	// sort both slices. After an error nothing is known of its effect until
	// the next Recover or Load.
	Save(ctx context.Context, commits []txn.Commit, changes []txn.Change, p repo.Progress) error
	// Recover tells whether the last Save, which failed, took effect all the
	// same; if not, it can be sent again and takes effect once.
	Recover(ctx context.Context) (stored bool, err error)
	// Mismatched returns those of the commits, which came again, that are not
	// what is stored of them.
	Mismatched(ctx context.Context, resent []txn.Commit) ([]repo.Mismatch, error)
	// HighWater is start and end of the last commit stored of a branch,
	// zeros if there is none; LastMarker is its attempt and its start.
	HighWater(ctx context.Context, branch pg.BranchID) (start, end pg.LSN, err error)
	LastMarker(ctx context.Context, branch pg.BranchID) (txn.ID, pg.LSN, bool, error)
	// Gaps are the recorded gaps. AddGap records one; ShrinkGap moves the
	// beginning of one up, past its end to remove it.
	Gaps(ctx context.Context) ([]txn.Gap, error)
	AddGap(ctx context.Context, g txn.Gap) error
	ShrinkGap(ctx context.Context, g txn.Gap, from pg.LSN) error
	// Branches and Contacts are those of all observers of the run.
	// SaveBranches stores with the branches on which of them those contacts
	// are; AddContact numbers a contact that has no number.
	Branches(ctx context.Context) (pg.Branches, error)
	SaveBranches(ctx context.Context, bs pg.Branches, decided ...pg.Contact) error
	Contacts(ctx context.Context) ([]txn.Connection, error)
	AddContact(ctx context.Context, c txn.Connection) error
}

// InRepo is the store of a run's slot in the repo. One capture uses it at a
// time.
func InRepo(r *repo.Repo, run txn.Run, slot string) Store {
	return inRepo{Stream: r.Stream(run, slot), repo: r, run: run}
}

type inRepo struct {
	*repo.Stream
	repo *repo.Repo
	run  txn.Run
}

func (s inRepo) Branches(ctx context.Context) (pg.Branches, error) {
	return s.repo.Branches(ctx, s.run)
}

func (s inRepo) SaveBranches(ctx context.Context, bs pg.Branches, decided ...pg.Contact) error {
	return s.repo.SaveBranches(ctx, s.run, bs, decided...)
}

func (s inRepo) Contacts(ctx context.Context) ([]txn.Connection, error) {
	return s.repo.Contacts(ctx, s.run)
}

func (s inRepo) AddContact(ctx context.Context, c txn.Connection) error {
	return s.repo.AddContact(ctx, s.run, c)
}
