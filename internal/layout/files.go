package layout

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxLines is the greatest number of lines of a file that people maintain.
const maxLines = 400

// fileViolations returns where files break the rules that all files keep.
func (m *Module) fileViolations() []Violation {
	var found []Violation
	for _, file := range m.Files {
		if file.Lines > maxLines && !file.Generated {
			found = append(found, Violation{file.Path, fmt.Sprintf("has %d lines (at most %d are allowed)", file.Lines, maxLines)})
		}
		if saysNothing(file.Package) || saysNothing(path.Base(path.Dir(file.Path))) {
			found = append(found, Violation{file.Path, fmt.Sprintf("package %s (a package is named for what it holds)", file.Package)})
		}
		if top, _, below := strings.Cut(file.Path, "/"); !below || !slices.Contains(tops(), top) {
			found = append(found, Violation{file.Path, fmt.Sprintf("stands in no folder of the program (those at the top are %s)", strings.Join(tops(), ", "))})
		}
		for _, line := range file.Inits {
			found = append(found, Violation{fmt.Sprintf("%s:%d", file.Path, line), "func init (nothing happens by being imported)"})
		}
	}
	return found
}

// tops are the folders at the top of the module that hold its packages.
func tops() []string {
	return []string{"cmd", "capture", "compare", "examples", "internal", "slots", "writer"}
}

// saysNothing reports whether a package's name tells nothing of its content.
func saysNothing(name string) bool {
	switch strings.TrimSuffix(name, "_test") {
	case "util", "utils", "common", "helper", "helpers", "misc", "shared", "base":
		return true
	}
	return false
}

// sortViolations puts them in the order of their places.
func sortViolations(found []Violation) {
	slices.SortStableFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.What, b.What))
	})
}
