package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is a small change of one rule, and the tests that it makes fail.
type mutant struct {
	rule, name string // envoy/decay, at-once
	why        string // what the change makes of the rule
	file       string // from the root of the repository
	edits      []edit
	killers    []killer
	at         string // where it is written: mutants/outlier.txt:12
}

func (m *mutant) id() string { return m.rule + " " + m.name }

// edit replaces a text that a file has exactly once.
type edit struct{ find, replace string }

// killer is a test, or one golden of it: TestTranscripts/codes.
type killer struct{ pkg, test string }

// load reads every file of the folder.
func load(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		ms, err := parse(filepath.Join(filepath.Base(dir), filepath.Base(f)), text)
		if err != nil {
			return nil, err
		}
		all = append(all, ms...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no mutants in %s", dir)
	}
	return all, nil
}

// parse reads one file; the package comment has the form.
func parse(name string, text []byte) ([]mutant, error) {
	var ms []mutant
	last := byte('+') // the sign of the line before: a minus after it begins an edit
	n := 0
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		n++
		line, at := s.Text(), fmt.Sprintf("%s:%d", name, n)
		if line == "" || line[0] == '#' {
			last = '+'
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if word == "mutant" {
			id, why, found := strings.Cut(rest, ": ")
			rule, short, two := strings.Cut(id, " ")
			if !found || !two || strings.Contains(short, " ") {
				return nil, fmt.Errorf("%s: %q; expected mutant RULE NAME: what the change makes of the rule", at, line)
			}
			ms = append(ms, mutant{rule: rule, name: short, why: why, at: at})
			last = '+'
			continue
		}
		if len(ms) == 0 {
			return nil, fmt.Errorf("%s: %q stands before the first mutant", at, line)
		}
		m := &ms[len(ms)-1]
		switch {
		case word == "in":
			m.file = rest
		case word == "killed-by":
			f := strings.Fields(rest)
			if len(f) < 2 || !strings.HasPrefix(f[0], "./") {
				return nil, fmt.Errorf("%s: %q; expected killed-by ./PACKAGE and the names of tests", at, line)
			}
			for _, t := range f[1:] {
				m.killers = append(m.killers, killer{f[0], t})
			}
		case line[0] == '-' && last == '+':
			m.edits = append(m.edits, edit{find: line[1:]})
		case line[0] == '-':
			m.edits[len(m.edits)-1].find += "\n" + line[1:]
		case line[0] == '+' && len(m.edits) > 0:
			e := &m.edits[len(m.edits)-1]
			if last == '+' {
				e.replace += "\n"
			}
			e.replace += line[1:]
		default:
			return nil, fmt.Errorf("%s: %q; expected mutant, in, -, + or killed-by", at, line)
		}
		last = '+'
		if line[0] == '-' {
			last = '-'
		}
	}
	for i := range ms {
		if m := &ms[i]; m.file == "" || len(m.edits) == 0 || len(m.killers) == 0 {
			return nil, fmt.Errorf("%s: %s needs in, an edit and killed-by", m.at, m.id())
		}
	}
	return ms, nil
}

// apply makes the change in the text of its file. A text that is not there
// exactly once is an error: the mutant is stale.
func (m *mutant) apply(text string) (string, error) {
	for _, e := range m.edits {
		if n := strings.Count(text, e.find); n != 1 {
			return "", fmt.Errorf("%s: %s is stale: %s has this %d times, not once:\n%s", m.at, m.id(), m.file, n, e.find)
		}
		text = strings.Replace(text, e.find, e.replace, 1)
	}
	return text, nil
}

// packages are those whose tests have to kill the mutant, with the tests.
func (m *mutant) packages() ([]string, map[string][]string) {
	var order []string
	tests := map[string][]string{}
	for _, k := range m.killers {
		if !slices.Contains(order, k.pkg) {
			order = append(order, k.pkg)
		}
		tests[k.pkg] = append(tests[k.pkg], k.test)
	}
	return order, tests
}
