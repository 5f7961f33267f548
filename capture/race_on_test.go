//go:build race

package capture

// raceFactor is how many times the memory a program takes under the race
// detector, about.
const raceFactor = 6
