package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/istio"
)

func mutants(t *testing.T) []mutant {
	t.Helper()
	ms, err := load("mutants")
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// ruleIDs are the rules that need a mutant.
func ruleIDs() []string {
	var ids []string
	for _, r := range engine.Rules() {
		ids = append(ids, string(r))
	}
	for _, r := range istio.Rules() {
		ids = append(ids, string(r))
	}
	return ids
}

// causes are the codes of explain: a mutant of one is called explain/CODE.
func causes(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../harness/explain/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, f := range files {
		for _, m := range regexp.MustCompile(`(?m)^\tCode\w+\s*= "([^"]+)"`).FindAllStringSubmatch(read(t, f), -1) {
			codes = append(codes, "explain/"+m[1])
		}
	}
	return codes
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every rule of the engine and of the translation has a mutant, or stands in
// uncovered.txt with the reason; every cause of explain has one. No mutant is of
// something that is not a rule.
func TestStaleKillListCoversEveryRule(t *testing.T) {
	rules, codes := ruleIDs(), causes(t)
	uncovered := map[string]bool{}
	for l := range strings.Lines(read(t, "uncovered.txt")) {
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		id, why, _ := strings.Cut(l, " ")
		if !slices.Contains(rules, id) || strings.TrimSpace(why) == "" {
			t.Errorf("uncovered.txt: %q; expected a rule and a reason", l)
		}
		uncovered[id] = true
	}
	has, ids := map[string]bool{}, map[string]bool{}
	for _, m := range mutants(t) {
		if ids[m.id()] {
			t.Errorf("%s: %s is there twice", m.at, m.id())
		}
		has[m.rule], ids[m.id()] = true, true
		if !slices.Contains(rules, m.rule) && !slices.Contains(codes, m.rule) {
			t.Errorf("%s: %s is no rule of the engine or the translation, and no cause of explain", m.at, m.rule)
		}
	}
	for _, r := range rules {
		switch {
		case has[r] && uncovered[r]:
			t.Errorf("%s has a mutant: take it out of uncovered.txt", r)
		case !has[r] && !uncovered[r]:
			t.Errorf("%s has no mutant; hack/killlist/README.md says how to write one", r)
		}
	}
	for _, c := range codes {
		if !has[c] {
			t.Errorf("%s has no mutant in mutants/explain.txt", c)
		}
	}
}

// Every mutant's text is in its file exactly once, and the change changes something.
func TestStaleKillListTexts(t *testing.T) {
	for _, m := range mutants(t) {
		text := read(t, filepath.Join("..", "..", m.file))
		switch changed, err := m.apply(text); {
		case err != nil:
			t.Error(err)
		case changed == text:
			t.Errorf("%s: %s changes nothing", m.at, m.id())
		}
	}
}

// Every test that is to kill a mutant exists; a golden is a file of the package's
// testdata, or named in its tests.
func TestStaleKillListTests(t *testing.T) {
	sources := map[string]string{}
	for _, m := range mutants(t) {
		for _, k := range m.killers {
			dir := filepath.Join("..", "..", k.pkg)
			if sources[dir] == "" {
				files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					sources[dir] += read(t, f)
				}
			}
			name, golden, _ := strings.Cut(k.test, "/")
			if !strings.Contains(sources[dir], "func "+name+"(t *testing.T)") {
				t.Errorf("%s: %s has no %s", m.at, k.pkg, name)
			}
			if golden != "" && !hasGolden(dir, golden, sources[dir]) {
				t.Errorf("%s: %s %s has no golden %s", m.at, k.pkg, name, golden)
			}
		}
	}
}

func hasGolden(dir, golden, source string) bool {
	for _, part := range strings.Split(golden, "/") {
		one, _ := filepath.Glob(filepath.Join(dir, "testdata", part+".*"))
		two, _ := filepath.Glob(filepath.Join(dir, "testdata", "*", part+".*"))
		if len(one)+len(two) == 0 && !strings.Contains(strings.ReplaceAll(source, " ", "_"), part) {
			return false
		}
	}
	return true
}

func TestParse(t *testing.T) {
	text := "# why\nmutant a/b c: d e\nin x.go\n-one\n-two\n+\n-\tthree\n+four\n+five\nkilled-by ./p TestA TestB/c\nkilled-by ./q TestA\n"
	ms, err := parse("f.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []mutant{{
		rule: "a/b", name: "c", why: "d e", file: "x.go", at: "f.txt:2", edits: []edit{{"one\ntwo", ""}, {"\tthree", "four\nfive"}},
		killers: []killer{{"./p", "TestA"}, {"./p", "TestB/c"}, {"./q", "TestA"}},
	}}
	if d := cmp.Diff(want, ms, cmp.AllowUnexported(mutant{}, edit{}, killer{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if got, err := ms[0].apply("0 one\ntwo 1\n\tthree\n"); err != nil || got != "0  1\nfour\nfive\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, stale := range []string{"one", "one\ntwo\tthree one\ntwo"} {
		if _, err := ms[0].apply(stale); err == nil {
			t.Errorf("%q: expected a stale mutant", stale)
		}
	}
	for _, bad := range []string{
		"-early\n", "mutant a/b: no name\n", "mutant a/b c: d\nin x.go\nkilled-by ./p TestA\n", "mutant a/b c: d\nin x.go\n-x\nkilled-by TestA\n",
		"mutant a/b c: d\n-x\n+y\nkilled-by ./p TestA\n", "mutant a/b c: d\nin x.go\n-x\n+y\n", "mutant a/b c: d\nwhat is this\n", "mutant a/b c: d\n+y\n",
	} {
		if _, err := parse("f.txt", []byte(bad)); err == nil {
			t.Errorf("%q: expected an error", bad)
		}
	}
}

func TestPattern(t *testing.T) {
	for want, tests := range map[string][]string{
		"^(TestA)$":             {"TestA"},
		"^(TestA|TestB)$":       {"TestA", "TestB/x"},
		"^(TestA)$/^(x\\.y|z)$": {"TestA/x.y", "TestA/z"},
		"":                      nil,
	} {
		if got := pattern(tests); got != want {
			t.Errorf("%v: got %s, want %s", tests, got, want)
		}
	}
}
