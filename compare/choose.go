package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// ErrNoSurvivor is wrapped by every answer of [Choose] that names no survivor.
var ErrNoSurvivor = errors.New("which is the survivor?")

// NodeFacts is what one node said of itself after the load, or that it said
// nothing.
type NodeFacts struct {
	Name string
	// Reachable says that it answered; Why says why it did not.
	Reachable bool
	Why       string
	// Writable says that a transaction may write there: it is not in
	// recovery. That alone proves nothing.
	Writable bool
	// Branch is the branch that it is on, 0 where that could not be told.
	Branch   pg.BranchID
	System   pg.SystemID
	Timeline pg.Timeline
	Start    pg.ProcessStart
}

// LastAck is where the last attempt that was acked, by the order of sending,
// was acked.
type LastAck struct {
	Branch   pg.BranchID
	System   pg.SystemID
	Timeline pg.Timeline
	Start    pg.ProcessStart
}

// Choice names the survivor among nodes, by index. Zombies are other writable
// servers, that the survivor's log has left behind; Unreachable did not
// answer, which does not keep the others from being judged.
type Choice struct {
	Index                int
	Zombies, Unreachable []int
}

// Choose finds the survivor: the reachable writable node whose branch is, or
// descends from, the branch of the last ack. Where the branch's history cannot
// be read, the timeline and the server process of the last ack stand in. Of
// several writable nodes it is the one that all the others' branches are proper
// ancestors of. Anything else is an error that wraps [ErrNoSurvivor] and says
// what stands against it; the unreachable nodes are named then too.
func Choose(nodes []NodeFacts, branches pg.Branches, last LastAck) (Choice, error) {
	choice := Choice{Index: -1}
	var writable []int
	for i, n := range nodes {
		switch {
		case !n.Reachable:
			choice.Unreachable = append(choice.Unreachable, i)
		case n.Writable && !sameServer(nodes, writable, n):
			writable = append(writable, i)
		}
	}
	if len(writable) == 0 {
		return choice, fmt.Errorf("%w no node that answered takes writes%s", ErrNoSurvivor, unreachable(nodes, choice.Unreachable))
	}
	for _, i := range writable {
		if leadsAll(nodes, writable, i, branches) {
			choice.Index = i
			break
		}
	}
	if choice.Index < 0 {
		return choice, fmt.Errorf("%w %s all take writes, and none descends from the others%s", ErrNoSurvivor, names(nodes, writable), foreign(nodes, writable, last))
	}
	if n := nodes[choice.Index]; !follows(n, branches, last) {
		choice.Index = -1
		return choice, fmt.Errorf("%w %s takes writes, and is not proven to descend from the server that acknowledged last%s%s",
			ErrNoSurvivor, n.Name, foreign([]NodeFacts{n}, []int{0}, last), unreachable(nodes, choice.Unreachable))
	}
	for _, i := range writable {
		if i != choice.Index {
			choice.Zombies = append(choice.Zombies, i)
		}
	}
	return choice, nil
}

// Outrun refuses a choice that an earlier choice has outrun: its log is a proper
// ancestor of the log of the server that was found to be the survivor before. Where
// that server is now not asked, or does not answer, the chosen one is a zombie all
// the same. The error wraps [ErrNoSurvivor].
func Outrun(chosen NodeFacts, branches pg.Branches, earlier NodeFacts) error {
	fork, rel := branches.Cut(chosen.Branch, earlier.Branch)
	if rel != pg.Ancestor {
		return nil
	}
	return fmt.Errorf("%w %s takes writes, but an earlier judgement found %s, whose timeline %d left that log at %v: name it too, and see that it answers",
		ErrNoSurvivor, chosen.Name, earlier.Name, earlier.Timeline, fork)
}

// sameServer tells whether a node is a server that is listed already, under
// another name. A server is its process, never its address.
func sameServer(nodes []NodeFacts, listed []int, n NodeFacts) bool {
	for _, i := range listed {
		o := nodes[i]
		if n.Start != 0 && o.System == n.System && o.Timeline == n.Timeline && o.Start == n.Start {
			return true
		}
	}
	return false
}

// leadsAll tells whether the branches of all other writable nodes are proper
// ancestors of node i's.
func leadsAll(nodes []NodeFacts, writable []int, i int, branches pg.Branches) bool {
	for _, k := range writable {
		if k == i {
			continue
		}
		if _, rel := branches.Cut(nodes[k].Branch, nodes[i].Branch); rel != pg.Ancestor {
			return false
		}
	}
	return true
}

// follows tells whether a node is on the line of the last ack.
func follows(n NodeFacts, branches pg.Branches, last LastAck) bool {
	switch _, rel := branches.Cut(last.Branch, n.Branch); rel {
	case pg.Same, pg.Ancestor:
		return true
	case pg.Stranger:
		return false
	}
	return last.Start != 0 && n.System == last.System && n.Timeline == last.Timeline && n.Start == last.Start
}

func names(nodes []NodeFacts, indices []int) string {
	var list []string
	for _, i := range indices {
		list = append(list, nodes[i].Name)
	}
	return strings.Join(list, ", ")
}

// foreign names the nodes of another cluster than that of the last ack.
func foreign(nodes []NodeFacts, indices []int, last LastAck) string {
	indices = slices.DeleteFunc(slices.Clone(indices), func(i int) bool {
		return last.System == 0 || nodes[i].System == 0 || nodes[i].System == last.System
	})
	if len(indices) == 0 {
		return ""
	}
	return "; of another cluster than the run's, by the system identifier: " + names(nodes, indices)
}

func unreachable(nodes []NodeFacts, indices []int) string {
	if len(indices) == 0 {
		return ""
	}
	return "; not reachable: " + names(nodes, indices)
}
