package capture

import (
	"encoding/hex"
	"strconv"
	"strings"
	"sync"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/txn"
)

// Arrival is an end transaction as the stream showed it.
type Arrival struct {
	Number int32
	// Nonce is that of the logical message, if one of this number came.
	Nonce [16]byte
	Token bool
	// Whole says that all the rows came that its marker promises.
	Whole bool
	// End is the end of its commit.
	End pg.LSN
}

func (o *open) arrival(end pg.LSN) Arrival {
	a := Arrival{Number: int32(o.marker.Seq), Whole: o.seen == o.marker.Ops, End: end}
	if o.token != nil && o.token.Number == a.Number {
		a.Nonce, a.Token = o.token.Nonce, true
	}
	return a
}

// parseToken reads the content that [node.EndContent] makes.
func parseToken(content []byte) (txn.Run, txn.Sentinel, bool) {
	var s txn.Sentinel
	parts := strings.Split(string(content), "/")
	if len(parts) != 3 || len(parts[2]) != hex.EncodedLen(len(s.Nonce)) {
		return 0, s, false
	}
	run, err := strconv.ParseInt(parts[0], 10, 32)
	if err != nil {
		return 0, s, false
	}
	number, err := strconv.ParseInt(parts[1], 10, 32)
	if err != nil {
		return 0, s, false
	}
	s.Number = int32(number)
	_, err = hex.Decode(s.Nonce[:], []byte(parts[2]))
	return txn.Run(run), s, err == nil
}

// proof is what an end transaction must show. Its zero value is the stronger.
type proof uint8

const (
	// proofToken wants the logical message with the announced nonce.
	proofToken proof = iota
	// proofRows wants the rows alone: PostgreSQL 13's pgoutput has no option
	// for logical messages.
	proofRows
)

// ending knows which end transactions were announced and which came. It is safe
// for concurrent use. What came before it was announced counts too.
type ending struct {
	mu       sync.Mutex
	expected map[int32][16]byte
	arrived  map[int32]arrived
	last     int32
	done     chan struct{}
	over     bool
}

type arrived struct {
	Arrival
	by proof
}

func newEnding() *ending {
	return &ending{expected: make(map[int32][16]byte), arrived: make(map[int32]arrived), done: make(chan struct{})}
}

// expect announces an end transaction. Only the one with the greatest number
// ends the capture: one before it may have been lost.
func (e *ending) expect(s txn.Sentinel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expected[s.Number] = s.Nonce
	e.last = max(e.last, s.Number)
	e.check()
}

// heard takes in an end transaction that is durable in the repo.
func (e *ending) heard(a Arrival, by proof) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.arrived[a.Number] = arrived{a, by}
	e.check()
}

func (e *ending) check() {
	nonce, announced := e.expected[e.last]
	a, came := e.arrived[e.last]
	if e.over || !announced || !came || !a.Whole {
		return
	}
	if a.by == proofRows || a.Token && a.Nonce == nonce {
		e.over = true
		close(e.done)
	}
}

// isOver tells whether done is closed.
func (e *ending) isOver() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}
