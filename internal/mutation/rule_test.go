package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// The list fits the sources: each rule's old lines are there once, what is put in
// their place is Go, and the test that is to catch it is in its package.
func TestListFits(t *testing.T) {
	root := filepath.Join("..", "..")
	rules, err := Read(os.DirFS(root), "internal/mutation/rules")
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string]string)
	for _, r := range rules {
		if at := words[r.Words]; at != "" {
			t.Errorf("%s: this rule stands at %s as well", r.At, at)
		}
		words[r.Words] = r.At
		source, err := os.ReadFile(filepath.Join(root, r.Source))
		if err != nil {
			t.Error(err)
			continue
		}
		broken, err := r.Break(string(source))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), r.Source, broken, 0); err != nil {
			t.Errorf("%s: %v", r.At, err)
		}
		if !hasTest(t, filepath.Join(root, r.Package), r.Test) {
			t.Errorf("%s: there is no %s in %s", r.At, r.Test, r.Package)
		}
	}
}

func hasTest(t *testing.T, dir, test string) bool {
	t.Helper()
	top, _, _ := strings.Cut(test, "/")
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+top+"(t *testing.T)") {
			return true
		}
	}
	return false
}

// sample is a module with one rule, and a list that breaks it in several ways.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":        "module sample\n\ngo 1.26\n",
		"limit.go":      "package sample\n\nfunc fits(n int) bool {\n\treturn n <= 3\n}\n",
		"limit_test.go": "package sample\n\nimport \"testing\"\n\nfunc TestFits(t *testing.T) {\n\tif fits(4) {\n\t\tt.Error(4)\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTry(t *testing.T) {
	dir := sample(t)
	for to, want := range map[string]string{
		"\treturn n <= 4": "",
		"\treturn n < 3":  "passed with the rule broken",
		"\treturn m":      "something else did",
	} {
		r := Rule{At: "here", Source: "limit.go", From: "\treturn n <= 3", To: to, Package: ".", Test: "TestFits"}
		got := r.Try(t.Context(), dir, time.Minute)
		if (got.Err == nil) != (want == "") || got.Err != nil && !strings.Contains(got.Err.Error(), want) {
			t.Errorf("%q: %v, want %q", to, got.Err, want)
		}
	}
	r := Rule{At: "here", Source: "limit.go", From: "\treturn n == 3", To: "x", Package: ".", Test: "TestFits"}
	if got := r.Try(t.Context(), dir, time.Minute); got.Err == nil || !strings.Contains(got.Err.Error(), "0 times") {
		t.Errorf("a list that is out of date: %v", got.Err)
	}
}

func TestRead(t *testing.T) {
	good := "# words\n\nrule a is b\nfile a.go\ntest ./a TestA/sub\n-\tx\n-\ty\n+\tz\n\nrule c\nfile a.go\ntest ./a TestC\n-x\n"
	all, err := Read(fstest.MapFS{"r/a.txt": {Data: []byte(good)}}, "r")
	if err != nil || len(all) != 2 || all[0].From != "\tx\n\ty" || all[0].To != "\tz" || all[0].Test != "TestA/sub" || all[1].To != "" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, bad := range []string{
		"", "# none\n", "rule a\n\nfile b\n", "rule a\nfile a.go\ntest ./a TestA\n", "rule a\nfile a.go\ntest ./a\n-x\n",
		"rule a\nfile a.go\ntest ./a TestA\n-x\n+x\n", "what\n",
	} {
		if all, err := Read(fstest.MapFS{"r/a.txt": {Data: []byte(bad)}}, "r"); err == nil {
			t.Errorf("%q is read as %+v", bad, all)
		}
	}
}
