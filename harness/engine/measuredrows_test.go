package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	rowLabel  = regexp.MustCompile(`^([A-E])(\d+)$`)
	testNamed = regexp.MustCompile(`^([a-z0-9/]+):(Test\w+)(?:/(\w+))?$`)
	testFunc  = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// Every row of testdata/measured.txt names tests that exist, or says why there is
// none. A pending test must not exist: once it does, the line is to be changed.
func TestMeasuredRows(t *testing.T) {
	text, err := os.ReadFile("testdata/measured.txt")
	if err != nil {
		t.Fatal(err)
	}
	next, rows, tests := map[string]int{}, 0, testsIn{}
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		rows++
		f := strings.SplitN(l, " | ", 4)
		m := rowLabel.FindStringSubmatch(f[0])
		if len(f) != 4 || m == nil {
			t.Errorf("%q: want a row, its names, what it is, and tests", l)
			continue
		}
		next[m[1]]++
		if want := fmt.Sprint(next[m[1]]); m[2] != want {
			t.Errorf("row %s: want %s%s here", f[0], m[1], want)
		}
		if why, ok := strings.CutPrefix(f[3], "no: "); ok {
			if len(why) < 10 {
				t.Errorf("row %s: no test, and no reason", f[0])
			}
			continue
		}
		tests.row(t, f[0], f[3])
	}
	if rows < 120 {
		t.Errorf("%d rows", rows)
	}
}

// testsIn has the names of the tests of each package that was asked for.
type testsIn map[string]map[string]bool

func (k testsIn) row(t *testing.T, row, shown string) {
	t.Helper()
	there, pending, _ := strings.Cut(shown, "pending: ")
	there = strings.TrimSuffix(strings.TrimSpace(there), ";")
	if there == "" && pending == "" {
		t.Errorf("row %s: neither a test nor a reason", row)
	}
	for _, name := range strings.Fields(there) {
		if ok, err := k.exists(name); err != nil || !ok {
			t.Errorf("row %s: there is no %s (%v)", row, name, err)
		}
	}
	for _, name := range strings.Fields(pending) {
		if ok, err := k.exists(name); err != nil || ok {
			t.Errorf("row %s: %s is there now, and pending no more (%v)", row, name, err)
		}
	}
}

// exists looks for package:Test in the package's test files, and for the
// transcript behind a second slash in its testdata.
func (k testsIn) exists(name string) (bool, error) {
	m := testNamed.FindStringSubmatch(name)
	if m == nil {
		return false, fmt.Errorf("%q is no package:Test", name)
	}
	dir := filepath.Join("..", m[1])
	if k[m[1]] == nil {
		k[m[1]] = map[string]bool{}
		files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return false, err
			}
			for _, fn := range testFunc.FindAllStringSubmatch(string(text), -1) {
				k[m[1]][fn[1]] = true
			}
		}
	}
	if !k[m[1]][m[2]] || m[3] == "" {
		return k[m[1]][m[2]], nil
	}
	for _, pattern := range []string{"testdata", "testdata/*"} {
		if files, _ := filepath.Glob(filepath.Join(dir, pattern, m[3]+".txt")); len(files) > 0 {
			return true, nil
		}
	}
	return false, nil
}
