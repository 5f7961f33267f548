package slots

import (
	"strings"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// tooOld is an error for a server of a version that pgrpo does not know.
func (n Node) tooOld() error {
	if n.Version == 0 || n.Version >= node.OldestVersion {
		return nil
	}
	return trouble.Refuse("%s runs PostgreSQL %d; 13 or newer is needed", n.Name, n.Version/10000)
}

// stranger is an error for a node of another cluster than that one; nothing is said
// where the cluster of either is not known.
func (n Node) stranger(to Node) error {
	if n.System == 0 || to.System == 0 || n.System == to.System {
		return nil
	}
	return trouble.Refuse("%s and %s are not of one cluster: their system identifiers are %s and %s", to.Name, n.Name, to.System, n.System)
}

// Refuse is the reason for which nothing can be said of these nodes at all, of
// kind trouble: a version that is too old, two clusters, nobody who answers.
func (s Snapshot) Refuse() error {
	var system Node
	for _, n := range s.Nodes {
		if err := n.tooOld(); err != nil {
			return err
		}
		if err := n.stranger(system); err != nil {
			return err
		}
		if system.System == 0 {
			system = n
		}
	}
	if s.Reached() {
		return nil
	}
	var all []string
	for _, n := range s.Nodes {
		all = append(all, n.Err)
	}
	return trouble.Unreachable("no node was reached: %s", strings.Join(all, "; "))
}

// RefuseAfter is [Snapshot.Refuse] for nodes that come after a snapshot: it must
// be of the same cluster.
func (s Snapshot) RefuseAfter(before Snapshot) error {
	if err := s.Refuse(); err != nil {
		return err
	}
	then, _ := before.Primary()
	for _, n := range s.Nodes {
		if n.System != 0 && then.System != 0 && n.System != then.System {
			return trouble.Refuse("the snapshot is of another cluster: its system identifier is %s, that of %s is %s", then.System, n.Name, n.System)
		}
	}
	return nil
}

// Choose gives the logical slots of the primary that are asked for by name, all of
// them if there is no name. A name that is not there, and one of a physical slot,
// is an error of kind trouble.Refused.
func (s Snapshot) Choose(names []string) ([]pg.Slot, error) {
	primary, _ := s.Primary()
	var chosen []pg.Slot
	if len(names) == 0 {
		for _, slot := range primary.Slots {
			if slot.Logical() {
				chosen = append(chosen, slot)
			}
		}
		return chosen, nil
	}
	for _, name := range names {
		slot, ok := primary.Slot(name)
		if !ok {
			return nil, trouble.Refuse("there is no slot %q on %s", name, primary.Name)
		}
		if !slot.Logical() {
			return nil, trouble.Refuse("slot %q on %s is physical: nothing is decoded from it, and it cannot be checked", name, primary.Name)
		}
		chosen = append(chosen, slot)
	}
	return chosen, nil
}
