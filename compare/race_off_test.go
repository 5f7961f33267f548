//go:build !race

package compare_test

// longRunOf is how many attempts the test of memory judges.
const longRunOf = 2_000_000
