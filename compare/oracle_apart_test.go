package compare_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/pgrpo/pgrpo/compare"
	"github.com/pgrpo/pgrpo/internal/pg"
)

// The model calls nothing that the judge decides by: no function of its package,
// and so has no clock of it, and no method of the branches or of a result. A
// conversion is none.
func TestModelSharesNoCode(t *testing.T) {
	rules := map[string]bool{}
	for _, of := range []reflect.Type{
		reflect.TypeFor[pg.Branches](), reflect.TypeFor[*compare.Result](), reflect.TypeFor[*compare.Ops](), reflect.TypeFor[compare.WALBytes](),
	} {
		for i := range of.NumMethod() {
			rules[of.Method(i).Name] = true
		}
	}
	files, err := filepath.Glob("oracle_*_test.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("the model is not in %q: %v", files, err)
	}
	for _, name := range files {
		if name == "oracle_apart_test.go" {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			what, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, named := what.X.(*ast.Ident)
			ofJudge := named && from.Name == "compare" && what.Sel.Name != "Account"
			ofBranches := rules[what.Sel.Name] && !(named && from.Name == "o")
			if ofJudge || ofBranches {
				t.Errorf("%s: the model calls %s", set.Position(call.Pos()), what.Sel.Name)
			}
			return true
		})
	}
}
