// Package plant does to the evidence of a run what goes wrong in the field, and
// knows what a judge must say of it.
//
// A [Base] is the evidence of one run with what was found in it. A [Plot] is a
// copy to plant in: each [Planter] alters it in one way and notes the findings
// that must follow, from what it did and from the words of the design alone. What
// hangs on several deeds together, the holes and the contradictions of the
// witnesses, is drawn from all of them by rules of their own. So faults can be
// planted in any mixture, and [Plot.Try] holds a judge to exactly what was
// planted: nothing missed, nothing added.
//
// Attempts and rows that a planter altered are claimed: no other touches them, so
// that none hides what another did.
//
// The package does no input or output. All its chance comes from a seed.
package plant
