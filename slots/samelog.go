package slots

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// Tail is a digest of the last bytes of a node's log. Two standbys that are promoted
// at one position have the same timeline and history, and so has a server whose log
// was taken back; the bytes tell them apart.
type Tail struct {
	From   pg.LSN `json:"from_lsn"`
	To     pg.LSN `json:"to_lsn"`
	Digest string `json:"sha256"`
}

// tailBytes is how much of the log a tail covers: some pages, each of which has
// positions, transaction ids and times of its own.
const tailBytes = 64 << 10

// Keep is a [Survey] to check later ones against: the log of each primary is there
// with its tail, where the role may read it.
func Keep(ctx context.Context, hosts []node.Target) Snapshot {
	s := Survey(ctx, hosts)
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Role != RolePrimary || !n.HasHistory || n.End == 0 {
			continue
		}
		tail, err := readTail(ctx, hosts[i], n.Timeline, max(n.begin(), n.End-min(n.End, tailBytes)), n.End)
		if err != nil {
			n.Unseen = append(n.Unseen, "the end of its log, which tells it from another of the same timeline: "+oneLine(err))
			continue
		}
		n.Tail = &tail
	}
	return s
}

// begin is where the log of the node's timeline begins.
func (n Node) begin() pg.LSN {
	if len(n.History) == 0 {
		return 0
	}
	return n.History[len(n.History)-1].End
}

// readTail reads a stretch of the log as its digest.
func readTail(ctx context.Context, host node.Target, on pg.Timeline, from, to pg.LSN) (Tail, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	log, err := node.ReadWAL(ctx, host.WithTimeout(connectTime).WithoutCancel(), on, from, to)
	if err != nil {
		return Tail{}, err
	}
	sum := sha256.Sum256(log)
	return Tail{from, to, hex.EncodeToString(sum[:])}, nil
}

// restarted tells whether two looks at one timeline were at two processes, or may
// have been: then the log may be another.
func restarted(then, now Node) bool {
	return then.Timeline == now.Timeline && (then.Started == 0 || then.Started != now.Started)
}

// sameUpTo is how far the node has now the log that it, or another one of its
// timeline, had then; 0 with the reason where that cannot be seen.
func sameUpTo(ctx context.Context, then, now Node, host node.Target) (pg.LSN, string) {
	if then.Tail == nil {
		return 0, "the snapshot has not the end of its log" + hidden(then)
	}
	if now.End < then.Tail.To {
		return 0, fmt.Sprintf("its log ends at %s, and went up to %s", now.End, then.Tail.To)
	}
	tail, err := readTail(ctx, host, now.Timeline, then.Tail.From, then.Tail.To)
	switch {
	case err != nil:
		return 0, oneLine(err)
	case tail != *then.Tail:
		return 0, fmt.Sprintf("the log from %s to %s is another one", tail.From, tail.To)
	}
	return tail.To, ""
}
