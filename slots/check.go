package slots

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// atOnce is how many slots are decoded from at the same time.
const atOnce = 4

// Judged is the verdict on one slot, with what it was and is.
type Judged struct {
	Decision
	// Node is the survivor's name, "" where there is none.
	Node string
	// Before is the slot on the old primary, After on the survivor; nil if it was
	// not there.
	Before, After *pg.Slot
}

// Check decides what became of slots that a snapshot's primary had. It decodes from
// each on the survivor among the nodes that were seen now, at most so long for each
// slot, and leaves it confirmed where it is. The hosts are those that were asked.
// Consumers are positions by slot, over those of the snapshot.
func Check(ctx context.Context, before, now Snapshot, slots []pg.Slot, consumers map[string]pg.LSN, hosts []node.Target, patience time.Duration) []Judged {
	survivor, why := now.Survivor()
	all := make([]Judged, len(slots))
	if why != "" {
		for i, s := range slots {
			all[i] = Judged{Decision: Decision{Name: s.Name, Verdict: NotChecked, Reason: why}, Before: &s}
		}
		return all
	}
	same, unlike := continuity(ctx, before, survivor, hosts)
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, s := range slots {
		consumer, told := consumers[s.Name]
		if !told {
			consumer = before.Consumers[s.Name]
		}
		q := Ask(before, survivor, s.Name, consumer)
		q.Same, q.Unlike = same, unlike
		group.Go(func() error {
			all[i] = Judged{Decision: decideThere(ctx, q, hosts, patience), Node: survivor.Name, Before: q.Before, After: q.After}
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the decisions
	return all
}

// Ask puts together what two moments show of one slot; nobody decoded from it yet.
func Ask(before Snapshot, survivor Node, name string, consumer pg.LSN) Question {
	q := Question{Name: name, Now: survivor, Consumer: consumer}
	q.Then, _ = before.Primary()
	q.Before = found(q.Then, name)
	q.After = found(survivor, name)
	if then, ok := before.Node(survivor.Name); ok && then.Role == RoleStandby {
		q.Standby = found(then, name)
	}
	return q
}

// continuity looks whether the survivor has the log of the snapshot's primary, where
// its timeline alone does not tell.
func continuity(ctx context.Context, before Snapshot, survivor Node, hosts []node.Target) (same pg.LSN, unlike string) {
	then, _ := before.Primary()
	if _, known := forkOf(then, survivor); !known || !restarted(then, survivor) {
		return 0, ""
	}
	for _, h := range hosts {
		if nameOf(h) == survivor.Name {
			return sameUpTo(ctx, then, survivor, h)
		}
	}
	return 0, "it was not asked"
}

func found(n Node, name string) *pg.Slot {
	if s, ok := n.Slot(name); ok {
		return &s
	}
	return nil
}

// decideThere decodes from the slot, and counts what comes again where something
// seems to.
func decideThere(ctx context.Context, q Question, hosts []node.Target, patience time.Duration) Decision {
	for _, h := range hosts {
		if nameOf(h) != q.Now.Name || q.After == nil || !q.After.Logical() {
			continue
		}
		h = h.WithTimeout(connectTime)
		q.Decoded = decode(ctx, h, *q.After, patience)
		if again := Decide(q).Again; q.Decoded.Attempt == Worked && again.To != 0 {
			counting, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			// Without a number the verdict is the same.
			if n, err := node.CountPeeked(counting, h, *q.After, again.To); err == nil {
				q.Decoded.Again = &n
			}
		}
	}
	return Decide(q)
}

// decode tries to decode from a slot of the node.
func decode(ctx context.Context, host node.Target, s pg.Slot, patience time.Duration) Decoded {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := node.PeekSlot(ctx, host, s)
	switch {
	case err == nil:
		return Decoded{Attempt: Worked}
	case errors.Is(err, node.ErrUndecodable):
		return Decoded{Attempt: Refused, Why: oneLine(err)}
	default:
		return Decoded{Attempt: Failed, Why: oneLine(err)}
	}
}

// AllSurvived is whether the consumers of all slots go on without a gap, and
// without having seen what the survivor never had. Of no slot, nothing is said.
func AllSurvived(all []Judged) Answer {
	answer := Yes
	for _, j := range all {
		switch j.Verdict {
		case Survived, SurvivedRewound:
		case NotChecked:
			answer = Untold
		default:
			return No
		}
	}
	if len(all) == 0 {
		return Untold
	}
	return answer
}
