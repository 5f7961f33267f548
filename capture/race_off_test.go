//go:build !race

package capture

// raceFactor is 1 without the race detector.
const raceFactor = 1
