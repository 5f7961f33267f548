package plant

import (
	"errors"
	"fmt"
	"maps"

	"github.com/pgrpo/pgrpo/compare"
)

// ErrUnsure is returned for a plot of which it cannot be said what must be found
// in it: a word of a witness hangs on the last milliseconds. Plant anew.
var ErrUnsure = errors.New("what was planted has no certain outcome")

// Outcome sets what was planted beside what a judge found, by class. Missed and
// Extra count against all that must be found, what the base held included.
type Outcome struct {
	Planted, Found, Missed, Extra [compare.Classes]int
	// Wrong says in words what the judge got wrong; empty if nothing.
	Wrong []string
	// Verdict is what had to come out.
	Verdict compare.Verdict
}

// Try has the plot judged, and sets what is found beside what must be. The error
// is [ErrUnsure], or a planter that did not do what it says.
func (p *Plot) Try(judge Judge) (Outcome, error) {
	want, err := p.settle()
	if err != nil {
		return Outcome{}, err
	}
	found := map[Key]int{}
	res, failure := judge(p.Case, p.Facts, p, func(f compare.Finding) error {
		found[keyOf(f)]++
		return nil
	})
	o := Outcome{Wrong: p.faults}
	p.choose(&o)
	for key, n := range want {
		planted := max(0, n-p.base.found[key])
		missed := max(0, n-found[key])
		o.Planted[key.Class] += planted
		o.Found[key.Class] += max(0, planted-missed)
		o.Missed[key.Class] += missed
		if missed > 0 {
			o.wrong("%v was missed", key)
		}
	}
	for key, n := range found {
		if extra := n - want[key]; extra > 0 {
			o.Extra[key.Class] += extra
			o.wrong("%v was found, and is not there", key)
		}
	}
	p.again(&o, res)
	o.Verdict = p.verdict(want)
	if res.Verdict != o.Verdict {
		o.wrong("the verdict was %v, and had to be %v: %q", res.Verdict, o.Verdict, res.Reasons)
	}
	if (failure != nil) != p.stopped {
		o.wrong("judging ended with the error %v", failure)
	}
	p.countsOf(&o, res, found)
	return o, nil
}

func (o *Outcome) wrong(format string, args ...any) {
	o.Wrong = append(o.Wrong, fmt.Sprintf(format, args...))
}

// again sets the commits that were delivered again beside those counted: they
// are absorbed, and make no finding.
func (p *Plot) again(o *Outcome, res compare.Result) {
	before, want := p.base.Result.Counts[compare.CaptureDuplicate], p.Facts.Capture.Duplicates
	if !p.stopped {
		want += before - p.base.Facts.Capture.Duplicates + p.repeats
	}
	got := res.Counts[compare.CaptureDuplicate]
	o.Planted[compare.CaptureDuplicate] = int(max(0, want-before))
	o.Found[compare.CaptureDuplicate] = int(max(0, min(want, got)-before))
	o.Missed[compare.CaptureDuplicate] = int(max(0, want-got))
	o.Extra[compare.CaptureDuplicate] = int(max(0, got-want))
	if got != want {
		o.wrong("%d commits came again, %d were counted", want, got)
	}
}

// countsOf holds the counts of a result to the findings they are of.
func (p *Plot) countsOf(o *Outcome, res compare.Result, found map[Key]int) {
	var each [compare.Classes]int64
	for key, n := range found {
		each[key.Class] += int64(n)
	}
	for class, n := range res.Counts {
		if class := compare.Class(class); class != compare.CaptureDuplicate && n != each[class] {
			o.wrong("%d findings of %v were handed out, and %d counted", each[class], class, n)
		}
	}
	lost := each[compare.LostTransaction]
	if p.Case.Acks == compare.StrictAcks {
		lost += each[compare.LostUnreplicated]
	}
	if res.RPO.Transactions != lost {
		o.wrong("the RPO is %d transactions, with %d lost", res.RPO.Transactions, lost)
	}
	if p.stopped || !p.Facts.Survivor.Proven {
		return
	}
	strangeRows := p.strangeRows
	if p.Facts.TableWorkers == nil {
		strangeRows = 0
	}
	if res.Unattributed != p.strange || res.UnattributedRows != strangeRows {
		o.wrong("%d markers and %d rows belong to no account, %d and %d were counted",
			p.strange, strangeRows, res.Unattributed, res.UnattributedRows)
	}
}

// settle draws what must be found from all that was planted.
func (p *Plot) settle() (map[Key]int, error) {
	if p.stopped {
		return map[Key]int{}, nil
	}
	p.bounds, p.firsts = boundsOf(p.Evidence), p.takeovers()
	p.show()
	across, sure := p.across()
	if !sure && p.Facts.Survivor.Proven {
		return nil, ErrUnsure
	}
	want := maps.Clone(p.want)
	maps.Copy(want, across)
	for key := range want {
		if !p.heard(key) {
			delete(want, key)
		}
	}
	for key := range p.sure {
		if want[key] == 0 && p.heard(key) {
			return nil, fmt.Errorf("plant %v: the rules do not say that it follows", key)
		}
	}
	return want, nil
}

// heard tells whether anybody could find it. Without a survivor only what
// contradicts itself in the stream can be found, and only a stream that was
// followed to its end shows what is not in it.
func (p *Plot) heard(k Key) bool {
	if k.Row != 0 && p.Facts.TableWorkers == nil {
		return false
	}
	switch k.Class {
	case compare.CaptureDisorder, compare.CaptureTorn, compare.SplitBrain:
		return true
	case compare.CaptureMismatch:
		return p.Facts.Survivor.Proven || !p.besideMarker[k]
	case compare.CaptureGap:
		return p.Facts.Survivor.Proven && p.complete()
	default:
		return p.Facts.Survivor.Proven
	}
}

// complete tells whether the stream was followed to an end that is on the
// survivor.
func (p *Plot) complete() bool {
	c := &p.Facts.Capture
	for _, s := range p.Facts.Sentinels {
		for _, kept := range p.Facts.SentinelKept {
			if c.Heard && c.Complete && kept == s.Number {
				return true
			}
		}
	}
	return false
}

// verdict is what must come out: a breach that is proven stays one, and nothing
// is met while anything is in doubt.
func (p *Plot) verdict(want map[Key]int) compare.Verdict {
	for key := range want {
		if p.breaks(key.Class) {
			return compare.Breached
		}
	}
	l, slot := &p.Case.Limits, p.Facts.Slot.Fate
	switch {
	case !p.Facts.Survivor.Proven:
		return compare.Inconclusive
	case l.CDC != nil && slot == compare.SlotBroken:
		return compare.Breached
	case p.stopped, len(p.doubts) > 0:
		return compare.Inconclusive
	case l.CDC != nil && (slot != compare.SlotKept || !p.complete()), l.Diverged != nil && !p.complete():
		return compare.Inconclusive
	}
	return compare.Met
}

// breaks tells whether one finding of a class breaks a promise that is asked.
func (p *Plot) breaks(class compare.Class) bool {
	l := &p.Case.Limits
	switch class {
	case compare.LostUnreplicated:
		return p.Case.Acks == compare.StrictAcks
	case compare.CapturedLost:
		return l.Diverged != nil && p.Facts.Survivor.Proven
	case compare.CaptureGap, compare.CaptureDisorder, compare.CaptureTorn, compare.CaptureMismatch:
		return l.CDC != nil && p.Facts.Survivor.Proven && p.complete()
	case compare.CaptureDuplicate, compare.NoClass:
		return false
	default:
		return true
	}
}
