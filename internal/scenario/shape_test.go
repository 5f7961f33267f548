package scenario_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/plan"
)

// rounds are the seeds that each scenario is run with: PGRPO_ROUNDS of them, or one,
// from PGRPO_SEED on, or 1.
func rounds(t *testing.T) []uint64 {
	t.Helper()
	seeds := make([]uint64, number(t, "PGRPO_ROUNDS"))
	first := number(t, "PGRPO_SEED")
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

// number is a positive number of the environment, 1 where there is none.
func number(t *testing.T, name string) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number from 1", name, text)
	}
	return n
}

// shape is what a trial's load and timing are like.
type shape struct {
	mix            plan.Mix
	workers        int
	rate           float64 // 0: as fast as it goes
	warmup, unsafe time.Duration
}

// shapeOf gives each seed a shape of its own, the same each time.
func shapeOf(seed uint64) shape {
	random := rand.New(rand.NewPCG(seed, 0))
	mixes := []plan.Mix{
		{Insert: 50, Update: 30, Delete: 20}, {Insert: 100}, {Insert: 34, Update: 33, Delete: 33}, {Insert: 20, Update: 80},
	}
	s := shape{mix: mixes[random.IntN(len(mixes))], workers: 1 + random.IntN(12)}
	s.mix.MaxOps = 1 + random.IntN(8)
	s.mix.PayloadBytes = random.IntN(400)
	if random.IntN(2) == 0 {
		s.rate = float64(200 + random.IntN(2000))
	}
	s.warmup = time.Duration(300+random.IntN(1200)) * time.Millisecond
	s.unsafe = time.Duration(50+random.IntN(1000)) * time.Millisecond
	return s
}
