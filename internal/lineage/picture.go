package lineage

import (
	"fmt"
	"slices"

	"github.com/pgrpo/pgrpo/internal/pg"
)

// Picture is what can be told of some nodes.
type Picture struct {
	Nodes []Node
	// System is the cluster that the picture is of: that of the first node which
	// told its own. 0 if none did.
	System pg.SystemID
	// Strangers are the names of nodes of other systems.
	Strangers []string
	Groups    []Group
	Twins     []Twins
	// Pairs are all pairs of nodes that were reached.
	Pairs []Pair

	// contested says of a timeline why it may be more than one log.
	contested map[key]string
}

// Group is the nodes on one timeline with one history.
type Group struct {
	System   pg.SystemID
	Timeline pg.Timeline
	History  pg.History
	Nodes    []string
	// Contested says why the nodes may not be on one log all the same, "" if
	// nothing speaks against it.
	Contested string
}

// Twins are different timelines of one number, told apart by their histories.
type Twins struct {
	Timeline pg.Timeline
	// Of are the nodes that have each of them in their history.
	Of [][]string
}

// key is the identity of a timeline as far as it can be read: system, number and
// the text of the history that led to it.
type key struct {
	system   pg.SystemID
	timeline pg.Timeline
	text     string
}

func keyOf(system pg.SystemID, led []pg.Step, tl pg.Timeline) key {
	return key{system, tl, pg.History(led).Text()}
}

// Draw makes the picture. Names of nodes are to be unique.
func Draw(nodes []Node) Picture {
	p := Picture{Nodes: nodes, contested: map[key]string{}}
	for _, n := range nodes {
		switch {
		case n.System == 0 || n.System == p.System:
		case p.System == 0:
			p.System = n.System
		default:
			p.Strangers = append(p.Strangers, n.Name)
		}
	}
	p.group()
	p.twins()
	for i, a := range nodes {
		for _, b := range nodes[i+1:] {
			if a.Role != Unreachable && b.Role != Unreachable {
				p.Pairs = append(p.Pairs, p.relate(a, b))
			}
		}
	}
	return p
}

// group puts the nodes together that show the same timeline and history.
func (p *Picture) group() {
	of := map[key][]Node{}
	var order []key
	for _, n := range p.Nodes {
		if n.chain() == nil {
			continue
		}
		k := keyOf(n.System, n.History, n.Timeline)
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], n)
	}
	for _, k := range order {
		g := Group{System: k.system, Timeline: k.timeline, History: of[k][0].History, Contested: contested(of[k])}
		for _, n := range of[k] {
			g.Nodes = append(g.Nodes, n.Name)
		}
		if g.Contested != "" {
			p.contested[k] = g.Contested
		}
		p.Groups = append(p.Groups, g)
	}
}

// contested says what speaks against one log of all these nodes, which show the
// same identity: two that write, or one that follows and is past the end of the
// one that writes.
func contested(nodes []Node) string {
	var writer *Node
	for i, n := range nodes {
		switch {
		case !n.Writes || writer != nil && n.Start != 0 && n.Start == writer.Start:
		case writer == nil:
			writer = &nodes[i]
		default:
			return fmt.Sprintf("%s and %s both write timeline %d with the same history: where their logs part cannot be told",
				writer.Name, n.Name, n.Timeline)
		}
	}
	if writer == nil || writer.End == 0 {
		return ""
	}
	for _, n := range nodes {
		if !n.Writes && n.End > writer.reach() {
			return fmt.Sprintf("%s follows timeline %d to %s, and %s, which writes it, ends at %s: where their logs part cannot be told",
				n.Name, n.Timeline, n.End, writer.Name, writer.reach())
		}
	}
	return ""
}

// variant is one timeline by the history that led to it.
type variant struct {
	led   []pg.Step
	nodes []string
}

// variants are the different timelines of that number in the histories of the
// picture's cluster.
func (p *Picture) variants(tl pg.Timeline) []variant {
	var all []variant
	for _, n := range p.Nodes {
		chain := n.chain()
		i := slices.IndexFunc(chain, func(s pg.Step) bool { return s.Parent == tl })
		if i < 0 || n.System != p.System {
			continue
		}
		known := slices.IndexFunc(all, func(v variant) bool { return slices.Equal(v.led, chain[:i]) })
		if known < 0 {
			all = append(all, variant{led: chain[:i]})
			known = len(all) - 1
		}
		all[known].nodes = append(all[known].nodes, n.Name)
	}
	return all
}

func (p *Picture) twins() {
	var seen []pg.Timeline
	for _, n := range p.Nodes {
		for _, s := range n.chain() {
			if n.System != p.System || slices.Contains(seen, s.Parent) {
				continue
			}
			seen = append(seen, s.Parent)
			all := p.variants(s.Parent)
			if len(all) < 2 {
				continue
			}
			twins := Twins{Timeline: s.Parent}
			for _, v := range all {
				twins.Of = append(twins.Of, v.nodes)
			}
			p.Twins = append(p.Twins, twins)
		}
	}
}

// Untold are the lines of what could not be told: nodes that were not reached,
// what others did not show, and logs that cannot be compared although both showed
// all of their histories.
func (p Picture) Untold() []string {
	var lines, dark []string
	for _, n := range p.Nodes {
		for _, what := range n.Unseen {
			lines = append(lines, n.Name+": "+what)
		}
		if n.chain() == nil {
			dark = append(dark, n.Name)
		}
	}
	for _, pair := range p.Pairs {
		if pair.Kin == Untold && !slices.Contains(dark, pair.A) && !slices.Contains(dark, pair.B) && !slices.Contains(lines, pair.Why) {
			lines = append(lines, pair.Why)
		}
	}
	return lines
}
