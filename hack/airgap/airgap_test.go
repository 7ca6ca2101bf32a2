package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The versions in one file are those that the modules pin.
func TestVersions(t *testing.T) {
	for module, want := range map[string]string{
		"kubernetes": "k8s.io/kubernetes v" + kubernetes, "containerd": "github.com/containerd/containerd/v2 " + containerd, "etcd": "go.etcd.io/etcd/server/v3 " + etcd,
		"coredns": "github.com/coredns/coredns " + coredns, "cni": "github.com/containernetworking/plugins " + cni,
	} {
		text, err := os.ReadFile(filepath.Join("../tools", module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)` + regexp.QuoteMeta(want) + `( // indirect)?$`).Match(text) {
			t.Errorf("hack/tools/%s/go.mod does not require %s", module, want)
		}
	}
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "sigs.k8s.io/kind "+kind+"\n") {
		t.Errorf("go.mod does not require kind %s", kind)
	}
}

// An artifact is built once; other inputs, its own or those it needs, make it stale.
func TestStore(t *testing.T) {
	root := t.TempDir()
	source := filepath.Join(root, "source")
	write := func(text string) {
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	built := 0
	base := &artifact{name: "base", files: []string{"source"}, build: func(_ context.Context, _ *store, out, _ string) error {
		built++
		return writeFile(filepath.Join(out, "a"), "a", 0o644)
	}}
	top := &artifact{name: "top", needs: []*artifact{base}, build: func(_ context.Context, s *store, out, _ string) error {
		built++
		return copyFile(filepath.Join(out, "b"), s.path(base, "a"), 0o644)
	}}
	dir := filepath.Join(root, "cache")
	open := func() *store { return &store{dir: dir, root: root, keys: map[*artifact]string{}} }
	states := func(want ...state) {
		t.Helper()
		s := open()
		for i, a := range []*artifact{base, top} {
			if got, err := s.state(a); err != nil || got != want[i] {
				t.Errorf("%s is %s, %v; want %s", a.name, got, err, want[i])
			}
		}
	}
	say := func(string, ...any) {}
	states(missing, missing)
	for range 2 {
		if err := open().make(t.Context(), top, say); err != nil {
			t.Fatal(err)
		}
	}
	if built != 2 {
		t.Errorf("%d were built, want 2", built)
	}
	states(present, present)
	write("two")
	states(stale, stale)
	s := open()
	if err := s.make(t.Context(), top, say); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.prune([]*artifact{base, top}); err != nil || len(gone) != 2 {
		t.Errorf("removed %v, %v; want the two of the old source", gone, err)
	}
	states(present, present)
}

// The same files are the same image, whenever it is written.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := writeFile(program, "text", 0o755); err != nil {
		t.Fatal(err)
	}
	var archives []string
	for _, name := range []string{"a.tar", "b.tar"} {
		if err := os.Chtimes(program, built, built.AddDate(len(archives), 0, 0)); err != nil {
			t.Fatal(err)
		}
		im := image{tag: "faildrill/test:1", layers: []layer{{files: map[string]string{"/usr/local/bin/program": program}}}, entrypoint: []string{"/usr/local/bin/program"}}
		if err := write(filepath.Join(dir, name), dir, im); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, string(text))
	}
	if archives[0] != archives[1] {
		t.Error("two archives of the same files differ")
	}
}
