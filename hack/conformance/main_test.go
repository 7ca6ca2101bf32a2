package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(envoy, verdict string) string {
		return `{"schema": "faildrill.dev/run/v1", "results": [{"scenario": "one", "backend": "kind", "verdict": "` + verdict + `", "profile": {"istio": "1.31", "envoy": "` + envoy + `"}}]}`
	}
	out := filepath.Join(dir, "out")
	if err := merge(out, []string{file("a.json", run("1.39", "pass")), file("b.json", run("1.40", "fail"))}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<th scope="row">one</th>`, "Envoy 1.39", "Envoy 1.40", "2 runs: 1 pass, 1 fail"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the report lacks %s", want)
		}
	}
	for name, text := range map[string]string{"no JSON": "{", "another document": `{"schema": "faildrill.dev/plan/v1"}`} {
		if err := merge(filepath.Join(dir, "none"), []string{file("c.json", text)}); err == nil || !strings.Contains(err.Error(), "c.json") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := merge(out, nil); err == nil {
		t.Error("nothing was named, and it is no error")
	}
}
