package scenario

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files and the generated documents anew")

// golden compares with the file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test ./harness/scenario -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); go test ./harness/scenario -update writes it\n%s", file, diff)
	}
}

// The package folder, from the root of the module, where the tests run: paths
// in messages are then what a user sees.
const here = "harness/scenario"

func inRoot(t *testing.T) { t.Chdir(filepath.FromSlash("../..")) }

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	return files
}

func TestGood(t *testing.T) {
	inRoot(t)
	for _, file := range glob(t, here+"/testdata/ok/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			inputs, err := Load(Disk(), []string{file})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, in := range inputs {
				b.WriteString(draw(t, in))
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".out", b.String())
		})
	}
}

func TestBad(t *testing.T) {
	inRoot(t)
	files := append(glob(t, here+"/testdata/err/*.yaml"), glob(t, "fixtures/bad/*")...)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			inputs, err := Load(Disk(), []string{file})
			if err == nil {
				t.Fatalf("it loads: %v", inputs)
			}
			problems, ok := err.(Problems)
			if !ok || inputs != nil {
				t.Fatalf("got %v and a %T, want only Problems", inputs, err)
			}
			if diff := cmp.Diff(problems.sorted(), problems); diff != "" {
				t.Errorf("not sorted:\n%s", diff)
			}
			out := strings.TrimSuffix(file, ".yaml") + ".out"
			if strings.HasPrefix(filepath.ToSlash(file), "fixtures/") { // no golden files among what is embedded
				out = here + "/testdata/bad/" + filepath.Base(out)
			}
			golden(t, out, err.Error()+"\n")
		})
	}
}

// TestFixtures loads each recipe by itself.
func TestFixtures(t *testing.T) {
	inRoot(t)
	for _, dir := range glob(t, "fixtures/recipes/*") {
		inputs, err := Load(Disk(), []string{dir})
		if err != nil {
			t.Error(err)
		} else if len(inputs) != 1 || inputs[0].Name != filepath.Base(dir) {
			t.Errorf("%s is %d inputs, want one of that name", dir, len(inputs))
		}
	}
}

// draw is what Load made of an input: what it read, and the scenario with its defaults.
func draw(t *testing.T, in *Input) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nfile: %s\n", in.Name, in.File)
	for _, d := range in.Documents {
		fmt.Fprintf(&b, "document: %s:%d %s %s/%s, step %d\n", d.File, d.Line, d.Kind, d.Namespace, d.Name, d.Step)
	}
	for _, r := range in.Resources {
		fmt.Fprintf(&b, "resource: %s, labels %v, annotations %q, %d fields: %s\n", r.ID(), r.Labels, r.Annotations, len(r.Fields), compact(t, r.Spec))
	}
	for _, a := range in.Addresses() {
		fmt.Fprintf(&b, "address: %s %v %q at %s, step %d\n", a.Name, a.Ports, a.Locality, a.Pos, a.Step)
	}
	for _, kind := range sorted(in.Skipped) {
		fmt.Fprintf(&b, "skipped: %s %d\n", kind, in.Skipped[kind])
	}
	for _, w := range in.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	slices.Sort(in.Embedded)
	for _, e := range in.Embedded {
		fmt.Fprintf(&b, "embedded: %s\n", e)
	}
	if in.Scenario != nil {
		Defaults(in)
		text, err := Marshal(*in.Scenario)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "scenario:\n%s", text)
	}
	return b.String()
}

// compact is a message as JSON on one line; protobuf's own writers vary their spaces.
func compact(t *testing.T, m any) string {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
