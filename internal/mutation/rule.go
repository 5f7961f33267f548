package main

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Rule is one rule, and how it is broken.
type Rule struct {
	// Words say the rule.
	Words string
	// Source is the file, from the root of the module, and From the text in it,
	// found there exactly once, in whose place To is put.
	Source, From, To string
	// Package and Test are the test that must fail, as go test names them.
	Package, Test string
	// At is where the rule stands in the list.
	At string
}

// Read reads all rules of a folder. A rule is a paragraph: lines that begin with
// "rule ", "file " and "test ", then the old lines after a "-" and the new ones
// after a "+". Lines that begin with "#" are for people.
func Read(root fs.FS, folder string) ([]Rule, error) {
	files, err := fs.Glob(root, path.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []Rule
	for _, file := range files {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			return nil, err
		}
		some, err := parse(file, string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read rules: there is none in %s", folder)
	}
	return all, nil
}

func parse(file, text string) ([]Rule, error) {
	var all []Rule
	var r Rule
	var from, to []string
	end := func() error {
		if r == (Rule{}) && len(from)+len(to) == 0 {
			return nil
		}
		r.From, r.To = strings.Join(from, "\n"), strings.Join(to, "\n")
		if r.Words == "" || r.Source == "" || r.Test == "" || r.Package == "" || r.From == "" || r.From == r.To {
			return fmt.Errorf("read rules: the one before %s is not whole", r.At)
		}
		all = append(all, r)
		r, from, to = Rule{}, nil, nil
		return nil
	}
	for n, line := range strings.Split(text, "\n") {
		r.At = ""
		word, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.TrimSpace(line) == "":
			if r != (Rule{}) || len(from)+len(to) > 0 {
				r.At = fmt.Sprintf("%s:%d", file, n+1)
			}
			if err := end(); err != nil {
				return nil, err
			}
		case line[0] == '#':
		case line[0] == '-':
			from = append(from, line[1:])
		case line[0] == '+':
			to = append(to, line[1:])
		case word == "rule":
			r.Words = rest
		case word == "file":
			r.Source = rest
		case word == "test":
			r.Package, r.Test, _ = strings.Cut(rest, " ")
		default:
			return nil, fmt.Errorf("read rules: %s:%d: %q begins with none of rule, file, test, - and +", file, n+1, line)
		}
	}
	r.At = ""
	if r == (Rule{}) && len(from)+len(to) == 0 {
		return all, nil
	}
	r.At = file + ": its end"
	return all, end()
}

// Break gives the source with the rule broken.
func (r Rule) Break(source string) (string, error) {
	if n := strings.Count(source, r.From); n != 1 {
		return "", fmt.Errorf("%s: the old lines are %d times in %s, want once: bring the list up to date", r.At, n, r.Source)
	}
	return strings.Replace(source, r.From, r.To, 1), nil
}
