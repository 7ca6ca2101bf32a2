package scenario

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// seeds are all inputs of the tests, good and bad.
func seeds(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/*/*.yaml", "../../fixtures/bad/*.yaml", "../../fixtures/recipes/*/*.yaml", "../../scenarios/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s (%v)", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
}

// FuzzLoad wants an answer to any bytes: an input that can be completed, saved
// and loaded again, or problems that have a place.
func FuzzLoad(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		files := Disk()
		files.Stdin = bytes.NewReader(data)
		inputs, err := Load(files, []string{"-"})
		if err != nil {
			problems, ok := err.(Problems)
			if !ok || len(problems) == 0 || problems.Error() == "" {
				t.Fatalf("got a %T: %v", err, err)
			}
			for _, p := range problems {
				if p.Message == "" || p.Pos.Line < 0 || p.Pos.Line > 0 && p.Pos.Column < 1 {
					t.Errorf("a problem without words or place: %+v", p)
				}
			}
			return
		}
		for _, in := range inputs {
			Defaults(in)
			if in.Scenario == nil {
				continue
			}
			if _, err := Bundle(in); err != nil {
				t.Error(err)
			}
			for step := range in.Scenario.Spec.Timeline {
				in.After(step)
			}
			text, err := Marshal(*in.Scenario)
			if err != nil {
				t.Fatal(err)
			}
			if _, problems := parseYAML("again", text); len(problems) > 0 {
				t.Fatalf("%v in\n%s", problems, text)
			}
		}
	})
}

// FuzzParse wants documents without aliases, each with its text.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, _ := parseYAML("x.yaml", data)
		for _, d := range docs {
			if d.node == nil || d.node.Kind == 0 {
				t.Fatal("an empty document")
			}
			_ = d.source()
		}
	})
}
