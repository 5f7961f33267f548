package layout

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Module is what the source files of a module say of its layout. Packages are
// named as in Rule; the package at the root is ".".
type Module struct {
	// Path is the module's path, from go.mod.
	Path string
	// Imports goes from each package to what its files import, without tests.
	Imports map[string][]string
	// TestImports goes from each package to what its tests import, those of the
	// package of the same name with _test included.
	TestImports map[string][]string
	// Files are all files, in the order of their paths.
	Files []File
}

// File is what is looked at in one source file.
type File struct {
	// Path is the file's path from the root of the module, with slashes.
	Path string
	// Package is the name in its package clause.
	Package string
	// Lines is the number of its lines.
	Lines int
	// Generated is whether it says that a program wrote it.
	Generated bool
	// Inits are the lines where a function init begins.
	Inits []int
}

// readModule reads the module whose go.mod lies in the directory root.
func readModule(root string) (*Module, error) {
	name, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	module := &Module{Path: name, Imports: map[string][]string{}, TestImports: map[string][]string{}}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return passOver(root, file)
		case !strings.HasSuffix(file, ".go") || strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return module.readFile(root, filepath.ToSlash(relative))
	})
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", name, err)
	}
	if len(module.Files) == 0 {
		return nil, fmt.Errorf("read module %s: no Go file in %s", name, root)
	}
	return module, nil
}

// passOver returns fs.SkipDir for a directory that is no part of the module.
func passOver(root, dir string) error {
	if dir == root {
		return nil
	}
	name := filepath.Base(dir)
	if name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	if err == nil {
		return fs.SkipDir
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// modulePath returns the path that the go.mod file gives to its module.
func modulePath(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read module path: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "module" {
			return strings.Trim(fields[1], `"`), nil
		}
	}
	return "", fmt.Errorf("read module path: no module line in %s", file)
}

// readFile adds one file, whose path is from the root.
func (m *Module) readFile(root, name string) error {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	file := File{Path: name, Package: parsed.Name.Name, Lines: lines(source), Generated: ast.IsGenerated(parsed)}
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if ok && function.Recv == nil && function.Name.Name == "init" {
			file.Inits = append(file.Inits, positions.Position(function.Pos()).Line)
		}
	}
	m.Files = append(m.Files, file)
	return m.addImports(name, parsed.Imports)
}

// addImports adds what one file imports to what its package does.
func (m *Module) addImports(file string, specs []*ast.ImportSpec) error {
	into := m.Imports
	if strings.HasSuffix(file, "_test.go") {
		into = m.TestImports
	}
	pkg := path.Dir(file)
	m.know(pkg)
	for _, spec := range specs {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("read imports of %s: %w", file, err)
		}
		if ours, ok := m.own(imported); ok {
			imported = ours
			m.know(ours)
		}
		if !slices.Contains(into[pkg], imported) {
			into[pkg] = append(into[pkg], imported)
		}
	}
	return nil
}

// know makes a package a key of both maps, and so one of ours.
func (m *Module) know(pkg string) {
	for _, imports := range []map[string][]string{m.Imports, m.TestImports} {
		if _, known := imports[pkg]; !known {
			imports[pkg] = nil
		}
	}
}

// own returns the path from the module's root of a package of this module.
func (m *Module) own(imported string) (string, bool) {
	if imported == m.Path {
		return ".", true
	}
	return strings.CutPrefix(imported, m.Path+"/")
}

// lines counts the lines of a source file; the last may lack its end.
func lines(source []byte) int {
	count := bytes.Count(source, []byte{'\n'})
	if len(source) > 0 && source[len(source)-1] != '\n' {
		count++
	}
	return count
}
