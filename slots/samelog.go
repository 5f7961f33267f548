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

// A tail covers leastTail bytes of the log. Where that is nearly empty, as after a
// switch of segments, it goes further back, up to mostTail: enough bytes of records
// have times and transaction ids of their own.
const (
	leastTail = 64 << 10
	mostTail  = 32 << 20
	enough    = 256
)

// A page of the log is so long, and has a header of at most so many bytes, which is
// there in an empty one too.
const (
	pageBytes   = 8192
	headerBytes = 40
)

// Keep is a [Survey] to check later ones against: the log of each primary is there
// with its tail, where the role may read it.
func Keep(ctx context.Context, hosts []node.Target) Snapshot {
	s := Survey(ctx, hosts)
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Role != RolePrimary || !n.HasHistory || n.End == 0 {
			continue
		}
		tail, err := n.readEnd(ctx, hosts[i])
		if err != nil {
			n.Unseen = append(n.Unseen, "the end of its log, which tells it from another of the same timeline: "+oneLine(err))
			continue
		}
		n.Tail = &tail
	}
	return s
}

// readEnd reads as much of the end of the node's log as tells it from another one.
func (n Node) readEnd(ctx context.Context, host node.Target) (Tail, error) {
	for size := pg.LSN(leastTail); size <= mostTail; size *= 8 {
		from := max(n.begin(), n.End-min(n.End, size))
		log, err := readLog(ctx, host, n.Timeline, from, n.End)
		if err != nil {
			return Tail{}, err
		}
		// From its beginning on, all of the timeline is in it.
		if written(log, from) >= enough || from == n.begin() {
			return tailOf(log, from), nil
		}
	}
	return Tail{}, fmt.Errorf("the last %d MiB up to %s are nearly empty", mostTail>>20, n.End)
}

// written counts the bytes of a stretch that are not zero and in no page's header.
func written(log []byte, from pg.LSN) int {
	n := 0
	for i, b := range log {
		if b != 0 && (uint64(from)+uint64(i))%pageBytes >= headerBytes {
			n++
		}
	}
	return n
}

// begin is where the log of the node's timeline begins.
func (n Node) begin() pg.LSN {
	if len(n.History) == 0 {
		return 0
	}
	return n.History[len(n.History)-1].End
}

// readLog reads a stretch of the log.
func readLog(ctx context.Context, host node.Target, on pg.Timeline, from, to pg.LSN) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return node.ReadWAL(ctx, host.WithTimeout(connectTime).WithoutCancel(), on, from, to)
}

func tailOf(log []byte, from pg.LSN) Tail {
	sum := sha256.Sum256(log)
	return Tail{from, from + pg.LSN(len(log)), hex.EncodeToString(sum[:])}
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
	log, err := readLog(ctx, host, now.Timeline, then.Tail.From, then.Tail.To)
	switch {
	case err != nil:
		return 0, oneLine(err)
	case tailOf(log, then.Tail.From) != *then.Tail:
		return 0, fmt.Sprintf("the log from %s to %s is another one", then.Tail.From, then.Tail.To)
	}
	return then.Tail.To, ""
}
