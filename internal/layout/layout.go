// Package layout holds which package of this module may import which, and the
// few rules that every file keeps. It reads the source files of a module and
// says where they break a rule; its test does so for this module.
package layout

import "fmt"

// Violation is one place where the source breaks a rule.
type Violation struct {
	// Where is a package or a file (with its line, where one is meant), by its
	// path from the root of the module.
	Where string
	// What says what is there, and which rule does not allow it.
	What string
}

// String returns the violation as one line.
func (v Violation) String() string { return fmt.Sprintf("%s: %s", v.Where, v.What) }

// Check reads all Go files of the module whose go.mod lies in the directory
// root and returns every violation, sorted by place. Directories that the go
// command passes over (testdata, vendor, those that begin with a dot or an
// underscore) and nested modules are not read. Build constraints are not
// looked at: a file for another system keeps the same rules. The error says
// that something could not be read, in which case nothing is proven.
func Check(root string) ([]Violation, error) {
	module, err := readModule(root)
	if err != nil {
		return nil, fmt.Errorf("check layout: %w", err)
	}
	found := module.fileViolations()
	found = append(found, Imports(Rules(), module.Imports)...)
	found = append(found, Imports(TestRules(), module.TestImports)...)
	sortViolations(found)
	return found, nil
}
