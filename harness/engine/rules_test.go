package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	ruleDeclared = regexp.MustCompile(`(?m)^\t(Rule\w+)\s+RuleID = "(envoy/[a-z0-9-]+)"\s+// \S+`)
	ruleNamed    = regexp.MustCompile(`\bRule[A-Z]\w+`)
)

// Every rule is declared once, listed once, and a "Rule:" comment names it where
// the code follows it; no comment names another.
func TestRules(t *testing.T) {
	text, err := os.ReadFile("rules.go")
	if err != nil {
		t.Fatal(err)
	}
	named := rulesInComments(t)
	ids := map[string]bool{}
	var declared []string
	for _, m := range ruleDeclared.FindAllStringSubmatch(string(text), -1) {
		name, id := m[1], m[2]
		if slices.Contains(declared, name) || ids[id] {
			t.Errorf("%s (%s) is declared twice", name, id)
		}
		declared, ids[id] = append(declared, name), true
		if n := len(regexp.MustCompile(`\b`+name+`\b`).FindAllString(string(text), -1)); n != 2 {
			t.Errorf("rules.go names %s %d times; want a declaration and a place in Rules()", name, n)
		}
		if !named[name] {
			t.Errorf("no code says that it follows %s", name)
		}
	}
	for name := range named {
		if !slices.Contains(declared, name) {
			t.Errorf("a comment names %s, which rules.go does not declare with an ID and a source", name)
		}
	}
	if got := len(Rules()); got != len(declared) || len(declared) < 50 {
		t.Errorf("Rules() has %d rules; %d are declared", got, len(declared))
	}
	for _, r := range Rules() {
		if !ids[string(r)] {
			t.Errorf("Rules() has %q, which is not declared", r)
		}
	}
}

// rulesInComments are the names after "Rule:" in the code of the engine and its parts.
func rulesInComments(t *testing.T) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	err := filepath.WalkDir(".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") || p == "rules.go" {
			return err
		}
		text, err := os.ReadFile(p)
		for l := range strings.Lines(string(text)) {
			if _, rules, found := strings.Cut(l, "// Rule: "); found {
				for _, r := range ruleNamed.FindAllString(rules, -1) {
					named[r] = true
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return named
}
