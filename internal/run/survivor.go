package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// pastSurvivor is what a judgement keeps of the server that it found to be the
// survivor, so that no later one takes a server that it has left behind for it.
type pastSurvivor struct {
	Name    string     `json:"name"`
	Contact pg.Contact `json:"contact"`
}

// Survivor is the path of what is kept of the survivor that was found last.
func (p Place) Survivor() string { return filepath.Join(p.Dir, "survivor.json") }

// keepSurvivor keeps which server was found.
func keepSurvivor(p Place, v *Visit) error {
	content, err := json.MarshalIndent(pastSurvivor{v.Name(), v.Identity.Contact}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode survivor.json: %w", err)
	}
	return WriteFile(p.Survivor(), append(content, '\n'))
}

// readPastSurvivor reads which server was found before; false if none was.
func readPastSurvivor(p Place) (past pastSurvivor, found bool, err error) {
	content, err := os.ReadFile(p.Survivor())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return past, false, nil
	case err != nil:
		return past, false, fmt.Errorf("read which server survived: %w", err)
	}
	if err := json.Unmarshal(content, &past); err != nil {
		return past, false, fmt.Errorf("read which server survived: %s: %w", p.Survivor(), err)
	}
	return past, true, nil
}

// facts is what the choice of the survivor needs to know of it.
func (s pastSurvivor) facts(b pg.BranchID) compare.NodeFacts {
	return compare.NodeFacts{Name: s.Name, Branch: b, System: s.Contact.System, Timeline: s.Contact.Timeline, Start: s.Contact.Start}
}

// chooseSurvivor asks the pure functions of compare.
func (t *trial) chooseSurvivor(e *Evidence, s survey) {
	nodes := make([]compare.NodeFacts, len(e.Visits))
	for i, v := range e.Visits {
		nodes[i] = v.facts()
	}
	e.Choice, e.NoSurvivor = compare.Choose(nodes, e.Branches, compare.LastAck{
		Branch: e.BranchOf(txn.Driver(s.last.Observer), s.last.Conn()),
		System: s.last.System, Timeline: s.last.Timeline, Start: s.last.Start,
	})
	if e.NoSurvivor == nil && e.earlier != nil {
		if err := compare.Outrun(nodes[e.Choice.Index], e.Branches, *e.earlier); err != nil {
			e.NoSurvivor = fmt.Errorf("%w; if it never was a server of the service, remove %s", err, t.place.Survivor())
		}
	}
	if e.NoSurvivor != nil && s.sent.IsZero() {
		e.NoSurvivor = errors.New("no server is known to have acknowledged anything")
	}
	if e.NoSurvivor == nil {
		t.log.Info("the survivor is " + e.Survivor().Name())
	}
}
