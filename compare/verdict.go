// Package compare judges a run: it sets what the clients were promised beside
// what the stream showed and what survived, and says which promises were
// broken, what each witness has to say of it, and what could not be proven.
//
// The judge is pure. It takes facts and streams of evidence that were already
// read, talks to no server, and keeps no clock of its own. Unknown is never
// counted as good: the zero value of every verdict, fate and word is the honest
// one.
package compare

import "fmt"

// Verdict is what can be said of a promise. Its zero value is Inconclusive.
type Verdict uint8

// The verdicts.
const (
	// Inconclusive means that the promise was neither proven kept nor broken.
	Inconclusive Verdict = iota
	// Met means proven kept.
	Met
	// Breached means proven broken.
	Breached
)

// String names the verdict as the report does.
func (v Verdict) String() string {
	switch v {
	case Inconclusive:
		return "inconclusive"
	case Met:
		return "met"
	case Breached:
		return "breached"
	default:
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
}

// Worst is the verdict on two promises together: breached outweighs
// inconclusive, which outweighs met.
func Worst(a, b Verdict) Verdict {
	switch {
	case a == Breached || b == Breached:
		return Breached
	case a == Met && b == Met:
		return Met
	default:
		return Inconclusive
	}
}
