package layout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Imports returns where the imports break the rules. The map goes from every
// package of the module to what it imports, both named as in Rule: what is no
// key of the map is not ours. The result is sorted by package.
func Imports(rules []Rule, imports map[string][]string) []Violation {
	var found []Violation
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		for _, rule := range rules {
			if matches(rule.In, pkg) && !matches(rule.Except, pkg) {
				found = append(found, rule.check(pkg, imports)...)
			}
		}
	}
	return found
}

// check returns where one package breaks the rule.
func (r Rule) check(pkg string, imports map[string][]string) []Violation {
	var found []Violation
	add := func(format string, args ...any) {
		found = append(found, Violation{Where: pkg, What: fmt.Sprintf(format, args...) + " (" + r.Why + ")"})
	}
	for _, imported := range imports[pkg] {
		_, ours := imports[imported]
		if ours && (matches(r.Never, imported) || r.Only != nil && !matches(r.Only, imported)) {
			add("imports %s", imported)
		}
	}
	for _, chain := range reach(pkg, imports) {
		if matches(r.Unreachable, chain[len(chain)-1]) {
			add("reaches %s", strings.Join(chain[1:], " -> "))
		}
	}
	return found
}

// reach returns, for every package outside the module that pkg imports itself
// or by other packages of the module, the shortest chain of imports to it. A
// package of the module is a key of the map.
func reach(pkg string, imports map[string][]string) [][]string {
	var outside [][]string
	seen := map[string]bool{pkg: true}
	for queue := [][]string{{pkg}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		for _, next := range imports[chain[len(chain)-1]] {
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(chain), next)
			if _, ours := imports[next]; ours {
				queue = append(queue, longer)
			} else {
				outside = append(outside, longer)
			}
		}
	}
	return outside
}

// matches reports whether one of the patterns means the package.
func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "..." {
			return true
		}
		if above, ok := strings.CutSuffix(pattern, "/..."); ok {
			return pkg == above || strings.HasPrefix(pkg, above+"/")
		}
		return pkg == pattern
	})
}
