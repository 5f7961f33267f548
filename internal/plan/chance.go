package plan

import (
	"math/bits"

	"github.com/pgrpo/pgrpo/internal/txn"
)

// gamma is the increment of SplitMix64.
const gamma = 0x9E3779B97F4A7C15

// chance is the stream of draws of one attempt. It is counter-based: draw n is
// a function of (seed, worker, seq, n), and no generator is kept.
type chance uint64

// keyOf folds seed and worker, the same for all attempts of a view.
func keyOf(seed uint64, w txn.Worker) uint64 {
	return txn.Mix(txn.Mix(seed) ^ uint64(uint32(w)))
}

func chanceOf(key uint64, seq txn.Seq) chance {
	return chance(txn.Mix(key ^ uint64(seq)))
}

// below gives draw n as a number from 0 to limit-1; limit must be positive.
// The bias is below limit/2^64.
func (c chance) below(n int, limit int) int {
	hi, _ := bits.Mul64(txn.Mix(uint64(c)+uint64(n)*gamma), uint64(limit))
	return int(hi)
}
