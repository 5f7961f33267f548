// Package selftest shows that the judge finds what is there, and nothing else. It
// makes real runs on servers of its own, reads their evidence into memory, plants
// faults in copies of it, alone and in mixtures, has each copy judged, and sets
// what was planted beside what was found. It also tells what the runs did not
// exercise: of that nothing was proved.
package selftest
