package pg

import (
	"cmp"
	"slices"
)

// Told is what the attempts of one connection were told. LSNs of one connection
// only grow, since no session outlives a crash of its server: the first attempt
// was told the least, and the last ack is the greatest. Times are wall-clock
// nanoseconds since 1970, all by the observer's monotonic clock.
type Told struct {
	// First is the LSN that the first attempt was told that was told any, 0
	// if none, and Sent when that attempt was sent.
	First LSN
	Sent  int64
	// Acked is the LSN of the last attempt that was acked, 0 if none, and
	// Received when its ack came.
	Acked    LSN
	Received int64
}

// Attempt adds one attempt of the connection, in any order.
func (t *Told) Attempt(lsn LSN, sent int64) {
	if lsn != 0 && (t.First == 0 || sent < t.Sent) {
		t.First, t.Sent = lsn, sent
	}
}

// Ack adds that an attempt with that LSN was acked.
func (t *Told) Ack(lsn LSN, received int64) {
	if lsn > t.Acked {
		t.Acked, t.Received = lsn, received
	}
}

// Known returns the contacts with what attempts prove beside the looks: where
// an attempt that was sent after an ack was received was told an LSN below that
// ack's, by the same server process, the log lost that ack. The first contact
// with the process after it is given the ack's LSN as a floor that it stands
// below. It and all later contacts with the process are decided anew. told
// gives what is known of a contact; the contacts given are not changed.
func Known(contacts []Contact, told func(Contact) Told) []Contact {
	type teller struct {
		observer int32
		process  process
	}
	lines := make(map[teller][]line)
	for i, c := range contacts {
		if t := told(c); c.Start != 0 && c.Timeline != 0 && (t.First != 0 || t.Acked != 0) {
			key := teller{c.Observer, c.process()}
			lines[key] = append(lines[key], line{i, t})
		}
	}
	found := make(map[process][]loss)
	for key, all := range lines {
		found[key.process] = append(found[key.process], losses(all)...)
	}
	known := slices.Clone(contacts)
	for p, all := range found {
		slices.SortFunc(all, func(a, b loss) int {
			return cmp.Or(cmp.Compare(a.after, b.after), cmp.Compare(a.contact, b.contact))
		})
		var seen int64
		for _, l := range all {
			if l.after < seen {
				continue // Another observer saw the same loss.
			}
			at := opener(contacts, p, l, lines[teller{contacts[l.contact].Observer, p}])
			seen = contacts[at].At
			if c := &known[at]; c.Marker != Absent || c.Branch == 0 {
				c.Floor, c.Insert, c.Marker = l.floor, l.told, NotLooked
				for i := range known {
					if c := &known[i]; c.At >= seen && c.process() == p {
						c.Branch = 0
					}
				}
			}
		}
	}
	return known
}

// line is what one contact was told.
type line struct {
	contact int
	Told
}

// loss is a log that went backwards: a contact was told the LSN told though
// floor had been acked. It was lost after that ack was received.
type loss struct {
	contact     int
	told, floor LSN
	after       int64
}

// losses finds where one observer's contacts with one process show that its log
// went backwards. What was acked before a loss says nothing of later ones.
func losses(all []line) []loss {
	var found []loss
	var forgotten int64
	bySent := slices.Clone(all)
	slices.SortStableFunc(bySent, func(a, b line) int { return cmp.Compare(a.Sent, b.Sent) })
	for _, l := range bySent {
		if l.First == 0 {
			continue
		}
		var floor LSN
		var last int64
		for _, a := range all {
			if a.Acked != 0 && a.Received > forgotten && a.Received < l.Sent {
				floor, last = max(floor, a.Acked), max(last, a.Received)
			}
		}
		if l.First < floor {
			found = append(found, loss{l.contact, l.First, floor, last})
			forgotten = last
		}
	}
	return found
}

// opener is the first contact with the process that was made after the loss, as
// far as it was of use: its attempts were told an LSN, or its look failed.
func opener(contacts []Contact, p process, l loss, told []line) int {
	first := l.contact
	useful := func(i int) bool {
		return contacts[i].Marker == Absent || slices.ContainsFunc(told, func(t line) bool { return t.contact == i })
	}
	for i, c := range contacts {
		if c.process() == p && c.At > l.after && c.At < contacts[first].At && useful(i) {
			first = i
		}
	}
	return first
}
