package slots

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pgrpo/pgrpo/internal/pg"
	"github.com/pgrpo/pgrpo/internal/trouble"
)

// as is a node of another name, which has these slots.
func as(name, role string, slots ...pg.Slot) Node {
	n := watched()
	n.Name, n.Role, n.Slots = name, role, slots
	return n
}

func away(name string) Node { return Node{Name: name, Role: RoleUnreachable, Err: name + " is down"} }

func TestWatcher(t *testing.T) {
	s := watched().Slots[0]
	later, temporary, physical, lost, copied, read := s, s, s, s, s, s
	read.Active, read.ActivePid = true, 9
	later.Confirmed = 0x900
	temporary.Temporary = true
	copied.Synced = true
	fresh := copied
	fresh.Temporary = true
	physical.Type, physical.Plugin, physical.Name = "physical", "", "standby"
	lost.Name, lost.Invalidation = "lost", "wal_removed"
	other := as("p", RolePrimary, s)
	other.System = 8
	for name, c := range map[string]struct {
		looks  []Node
		want   string
		answer Answer
	}{
		"all is well":           {[]Node{as("p", RolePrimary, s), as("q", RoleStandby), as("p", RolePrimary, s)}, "watching note, watching note", Yes},
		"one was not looked at": {[]Node{as("p", RolePrimary, s)}, "watching note", Untold},
		"one is never seen":     {[]Node{as("p", RolePrimary, s), away("q"), away("q")}, "watching note, away doubt", Untold},
		"away is said once, and back": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby), away("p"), away("p"), as("p", RolePrimary, s), away("p")},
			"watching note, watching note, away doubt, back note, away doubt", Untold},
		"lost when it is first seen": {[]Node{as("p", RolePrimary, lost), as("q", RoleStandby)}, "watching note, lost bad, watching note", No},
		"gone, and made again": {[]Node{as("q", RoleStandby), as("p", RolePrimary, s), as("p", RolePrimary), as("p", RolePrimary), as("p", RolePrimary, later)},
			"watching note, watching note, vanished bad, remade bad", No},
		"gone, and made again while it was away": {[]Node{as("q", RoleStandby), as("p", RolePrimary, s), as("p", RolePrimary), away("p"), as("p", RolePrimary, s)},
			"watching note, watching note, vanished bad, away doubt, back note, remade bad", No},
		"a temporary one comes and goes": {[]Node{as("q", RoleStandby), as("p", RolePrimary), as("p", RolePrimary, temporary), as("p", RolePrimary), as("p", RolePrimary, s)},
			"watching note, watching note, appeared note, vanished note, appeared note", Yes},
		"promoted without it": {[]Node{as("p", RolePrimary, s, physical, lost), as("q", RoleStandby), away("p"), as("q", RolePrimary)},
			"watching note, lost bad, watching note, away doubt, promoted note, missing bad", No},
		"promoted without it, and it is made there": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby), away("p"), as("q", RolePrimary), as("q", RolePrimary, later)},
			"watching note, watching note, away doubt, promoted note, missing bad, remade bad", No},
		"promoted without it, the old one was demoted before": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby), as("p", RoleStandby), as("q", RolePrimary)},
			"watching note, watching note, demoted note, vanished note, promoted note, missing bad", No},
		"promoted with it": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby, s), as("p", RoleStandby), as("q", RolePrimary, s)},
			"watching note, watching note, demoted note, vanished note, promoted note", Yes},
		"promoted with a temporary copy": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby, temporary), as("q", RolePrimary)},
			"watching note, watching note, promoted note, vanished bad", No},
		"a server that leads again": {[]Node{as("q", RoleStandby), as("p", RolePrimary, s), as("p", RoleStandby), as("p", RolePrimary)},
			"watching note, watching note, demoted note, vanished note, promoted note", Yes},
		"what a demoted server kept is dropped for a copy": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby, copied), as("p", RoleStandby, s), as("q", RolePrimary, copied), as("p", RoleStandby), as("p", RoleStandby, copied)},
			"watching note, watching note, demoted note, promoted note, vanished note, appeared note", Yes},
		"what a demoted server kept is a copy at the next look": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby, s), as("p", RoleStandby, s), as("p", RoleStandby, fresh), as("p", RoleStandby, copied), as("p", RoleStandby)},
			"watching note, watching note, demoted note, remade note, persistent note, vanished bad", No},
		"what a demoted server kept is needed when it leads again": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby, s), as("p", RoleStandby, s), as("p", RolePrimary, s), as("p", RolePrimary)},
			"watching note, watching note, demoted note, promoted note, vanished bad", No},
		"what a demoted server kept was read from there": {[]Node{as("p", RolePrimary, s), as("q", RoleStandby, s), as("p", RoleStandby, s), as("p", RoleStandby, read), as("p", RoleStandby)},
			"watching note, watching note, demoted note, active note, vanished bad", No},
		"a demoted server has a copy": {[]Node{as("p", RolePrimary, copied), as("q", RoleStandby, s), as("p", RoleStandby, copied), as("p", RoleStandby)},
			"watching note, watching note, demoted note, vanished bad", No},
		"another cluster at its address": {[]Node{as("q", RoleStandby), as("p", RolePrimary, s), other, as("p", RolePrimary, s)},
			"watching note, watching note, away doubt, back note", Untold},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWatcher("p", "q")
			at := time.Unix(0, 0)
			var all []Change
			for _, n := range c.looks {
				at = at.Add(time.Second)
				step := w.Step(at, n, nil)
				for _, c := range step {
					if c.At != at || c.Node != n.Name || c.Text == "" {
						t.Errorf("%+v", c)
					}
				}
				all = append(all, step...)
			}
			if got := told(all); got != c.want || w.Answer() != c.answer {
				t.Errorf("%q, all well: %s; want %q, %s", got, w.Answer(), c.want, c.answer)
			}
		})
	}
}

// A timeline that a standby does not show is the one that it was on.
func TestWatcherRemembersTheTimeline(t *testing.T) {
	w := NewWatcher("q")
	var all []Change
	for _, tl := range []pg.Timeline{1, 0, 2} {
		n := as("q", RoleStandby)
		n.Timeline = tl
		all = append(all, w.Step(time.Time{}, n, nil)...)
	}
	if got := told(all); got != "watching note, timeline note" {
		t.Error(got)
	}
}

func TestWatcherRefuses(t *testing.T) {
	w := NewWatcher("p", "q")
	w.Step(time.Time{}, away("p"), nil)
	if w.Blind() || w.Reached() {
		t.Error("q was not looked at")
	}
	w.Step(time.Time{}, away("q"), nil)
	if !w.Blind() {
		t.Error("none was reached")
	}
	w.Step(time.Time{}, as("p", RolePrimary), nil)
	other, old := as("q", RoleStandby), away("q")
	other.System, old.Version = 8, 120022
	for _, n := range []Node{other, old} {
		if err := w.refuse(n); trouble.Of(err) != trouble.Refused {
			t.Errorf("%+v: %v", n, err)
		}
	}
	if err := w.refuse(as("q", RoleStandby)); err != nil || w.Blind() {
		t.Error(err)
	}
	if w.Step(time.Time{}, as("q", RoleStandby), nil); w.refuse(other) != nil {
		t.Error("a node that was seen is away, not refused")
	}
	if !slices.Equal(w.weights, []Weight{Doubt, Note}) {
		t.Errorf("weights %v", w.weights)
	}
}

// The end of a watch breaks a look off, and is no deadline of it.
func TestBroken(t *testing.T) {
	by, end := context.WithTimeout(t.Context(), time.Hour)
	ctx, cancel := broken(by)
	defer cancel()
	if _, has := ctx.Deadline(); has || ctx.Err() != nil {
		t.Errorf("a deadline: %t; %v", has, ctx.Err())
	}
	end()
	<-ctx.Done()
	if ctx.Err() != context.Canceled {
		t.Error(ctx.Err())
	}
}
