package scenario_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/node"
	"github.com/pgrpo/pgrpo/internal/sandbox/relay"
)

// target names a server on its own.
func (f field) target(addr string) node.Target {
	f.t.Helper()
	found, err := node.Parse("postgres://postgres@" + addr + "/postgres?sslmode=disable")
	f.check(err)
	return found
}

// roles are the nodes of the report, by name; the survivor's has a star.
func (tr *trial) roles() map[string]string {
	all := map[string]string{}
	for _, n := range tr.report.Nodes {
		all[n.Name] = n.Role
		if n.Survivor {
			all[n.Name] += "*"
		}
	}
	return all
}

// The old primary comes back beside the promoted standby, takes writes, and is
// the first host that clients ask; another node does not answer.
func TestZombieFirst(t *testing.T) {
	f := open(t)
	p := f.primary("primary", bare())
	s, link := f.standby("standby", p)
	c := load(t, f.Sandbox, dsn(p, s))
	gone := f.primary("gone", nil)
	f.check(gone.Kill())
	c.Standbys = []node.Target{f.target(gone.Addr())}
	c.Fault = oneByOne(freezes(link), takes(p), dies(p, link), s.Promote, isHeard(s), takes(s), p.StartAlone)
	tr := judge(t, c)
	if tr.evidence.NoSurvivor != nil {
		t.Fatal(tr.evidence.NoSurvivor)
	}
	roles := tr.roles()
	if roles[s.Addr()] != "primary*" || roles[p.Addr()] != "zombie" || roles[gone.Addr()] != "unreachable" {
		t.Errorf("nodes %v", roles)
	}
	if writes, err := p.Value(t.Context(), "select not pg_is_in_recovery()"); writes != "t" || err != nil {
		t.Errorf("the old primary takes writes: %s, %v", writes, err)
	}
	lost := tr.equals(t, tr.markers(t, p), tr.markers(t, s))
	tr.usesAgain(t, lost, s)
}

// The endpoint moves from a primary that nobody fences to the promoted standby;
// the primary lives on and takes writes all the time.
func TestPrimaryNotFenced(t *testing.T) {
	f := open(t)
	p := f.primary("primary", bare())
	s, link := f.standby("standby", p)
	endpoint, err := relay.Listen(t.Context(), p.Addr())
	f.check(err)
	t.Cleanup(func() { f.check(endpoint.Close()) })
	c := load(t, f.Sandbox, "postgres://postgres@"+endpoint.Addr()+"/postgres?sslmode=disable&target_session_attrs=read-write")
	c.Standbys = []node.Target{f.target(p.Addr()), f.target(s.Addr())}
	c.Fault = oneByOne(freezes(link), takes(p), s.Promote,
		func(context.Context) error { endpoint.Retarget(s.Addr()); return nil }, isHeard(s), takes(s))
	tr := judge(t, c)
	if tr.evidence.NoSurvivor != nil {
		t.Fatal(tr.evidence.NoSurvivor)
	}
	if roles := tr.roles(); roles[endpoint.Addr()] != "primary*" || roles[p.Addr()] != "zombie" {
		t.Errorf("nodes %v", roles)
	}
	lost := tr.equals(t, tr.markers(t, p), tr.markers(t, s))
	tr.usesAgain(t, lost, s)
}

// Two servers take writes, and neither descends from the other.
func TestWhichSurvived(t *testing.T) {
	f := open(t)
	p, other := f.primary("primary", nil), f.primary("other", nil)
	c := load(t, f.Sandbox, dsn(p))
	c.Standbys = []node.Target{f.target(other.Addr())}
	c.Fault = takes(p)
	tr := judge(t, c)
	if !errors.Is(tr.evidence.NoSurvivor, compare.ErrNoSurvivor) || tr.report.Judged() != compare.Inconclusive {
		t.Errorf("verdict %s, survivor: %v", tr.report.Verdict, tr.evidence.NoSurvivor)
	}
	if !slices.ContainsFunc(tr.report.Reasons, func(r string) bool {
		return strings.Contains(r, "which is the survivor?") && strings.Contains(r, p.Addr()) && strings.Contains(r, other.Addr())
	}) {
		t.Errorf("reasons %q", tr.report.Reasons)
	}
}
