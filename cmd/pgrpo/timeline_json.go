package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/pgrpo/pgrpo/internal/lineage"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// json prints the picture for programs. What is not known is null.
func (s *sight) json(to io.Writer) error {
	all := sightJSON{Schema: 1, System: orNull(s.System.String(), s.System != 0), Nodes: []nodeJSON{}, Histories: []groupJSON{},
		Twins: []twinsJSON{}, Strangers: orEmpty(s.Strangers), Pairs: []pairJSON{}, Untold: orEmpty(s.Untold())}
	for _, n := range s.Nodes {
		all.Nodes = append(all.Nodes, nodeOf(n))
	}
	for _, g := range s.Groups {
		all.Histories = append(all.Histories, groupJSON{g.System.String(), g.Timeline, g.Nodes, orNull(g.Contested, g.Contested != "")})
	}
	for _, t := range s.Twins {
		all.Twins = append(all.Twins, twinsJSON{t.Timeline, t.Of})
	}
	for _, p := range s.Pairs {
		all.Pairs = append(all.Pairs, pairJSON{p.A, p.B, string(p.Kin), some(p.Timeline), some(p.Fork), p.PastA, p.PastB, some(p.Why)})
	}
	if s.asked != nil {
		all.At = &atJSON{Timeline: s.asked.Timeline, LSN: s.asked.LSN, Owner: some(s.Owner(*s.asked)), Segment: some(s.file())}
		for _, a := range s.answers {
			all.At.Nodes = append(all.At.Nodes, answerJSON{a.Node, string(a.Verdict), some(a.Fork), some(a.Why)})
		}
	}
	out := json.NewEncoder(to)
	out.SetIndent("", "  ")
	return out.Encode(all)
}

func nodeOf(n lineage.Node) nodeJSON {
	shown := nodeJSON{
		Name: n.Name, Role: string(n.Role), State: some(n.State), System: orNull(n.System.String(), n.System != 0), Timeline: some(n.Timeline),
		Insert: some(n.Insert), Flush: some(n.Flush), Receive: some(n.Receive), Replay: some(n.Replay), End: some(n.End),
		Segment: some(n.Segment()), Version: some(n.Version), Started: some(started(n)), Unseen: orEmpty(n.Unseen),
	}
	if !n.HasHistory {
		return shown
	}
	shown.History = []forkJSON{}
	for _, f := range n.Forks() {
		shown.History = append(shown.History, forkJSON{f.Parent, f.Timeline, f.At, f.Reason, some(f.Time), some(f.Last), some(f.First)})
	}
	return shown
}

// some is nil for a zero value, which stands for an unknown one.
func some[T comparable](v T) *T {
	var zero T
	return orNull(v, v != zero)
}

func orNull[T any](v T, known bool) *T {
	if !known {
		return nil
	}
	return &v
}

func orEmpty(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}

type sightJSON struct {
	Schema    int         `json:"schema_version"`
	System    *string     `json:"system_id"`
	Nodes     []nodeJSON  `json:"nodes"`
	Histories []groupJSON `json:"histories"`
	Twins     []twinsJSON `json:"twins"`
	Strangers []string    `json:"strangers"`
	Pairs     []pairJSON  `json:"pairs"`
	At        *atJSON     `json:"at"`
	Untold    []string    `json:"untold"`
}

type nodeJSON struct {
	Name     string       `json:"name"`
	Role     string       `json:"role"`
	State    *string      `json:"state"`
	System   *string      `json:"system_id"`
	Timeline *pg.Timeline `json:"timeline"`
	Insert   *pg.LSN      `json:"insert_lsn"`
	Flush    *pg.LSN      `json:"flush_lsn"`
	Receive  *pg.LSN      `json:"receive_lsn"`
	Replay   *pg.LSN      `json:"replay_lsn"`
	End      *pg.LSN      `json:"end_lsn"`
	Segment  *string      `json:"wal_segment"`
	Version  *string      `json:"server_version"`
	Started  *string      `json:"started_at"`
	// History is null if it is not known, and empty on timeline 1.
	History []forkJSON `json:"history"`
	Unseen  []string   `json:"unseen"`
}

type forkJSON struct {
	Parent   pg.Timeline `json:"parent"`
	Timeline pg.Timeline `json:"timeline"`
	At       pg.LSN      `json:"fork_lsn"`
	Reason   string      `json:"reason"`
	Time     *time.Time  `json:"stopped_at"`
	Last     *string     `json:"parent_wal_segment"`
	First    *string     `json:"wal_segment"`
}

type groupJSON struct {
	System    string      `json:"system_id"`
	Timeline  pg.Timeline `json:"timeline"`
	Nodes     []string    `json:"nodes"`
	Contested *string     `json:"contested"`
}

type twinsJSON struct {
	Timeline pg.Timeline `json:"timeline"`
	Of       [][]string  `json:"nodes"`
}

type pairJSON struct {
	A        string       `json:"a"`
	B        string       `json:"b"`
	Kin      string       `json:"relation"`
	Timeline *pg.Timeline `json:"timeline"`
	Fork     *pg.LSN      `json:"fork_lsn"`
	PastA    *uint64      `json:"a_past_bytes"`
	PastB    *uint64      `json:"b_past_bytes"`
	Why      *string      `json:"why"`
}

type atJSON struct {
	Timeline pg.Timeline  `json:"timeline"`
	LSN      pg.LSN       `json:"lsn"`
	Owner    *pg.Timeline `json:"written_on"`
	Segment  *string      `json:"wal_segment"`
	Nodes    []answerJSON `json:"nodes"`
}

type answerJSON struct {
	Node    string  `json:"name"`
	Verdict string  `json:"in_history"`
	Fork    *pg.LSN `json:"fork_lsn"`
	Why     *string `json:"why"`
}
