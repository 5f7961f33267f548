//go:build race

package compare_test

// longRunOf is how many attempts the test of memory judges: the race detector
// slows them tenfold.
const longRunOf = 200_000
