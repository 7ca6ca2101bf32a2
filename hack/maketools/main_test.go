package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/binaries"
)

// place puts a program of this machine into the cache, with a record of the
// version that it would say.
func place(t *testing.T, name, version string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, program, 0o755); err != nil {
		t.Fatal(err)
	}
	i, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	record, err := json.Marshal(map[string]any{"size": i.Size(), "modified": i.ModTime(), "version": version})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+".json", record, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is there is not built again; what says another version is not taken for it.
func TestRun(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir("../..")
	c, err := binaries.Default()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), true, &out, &out); err != nil || out.String() != c.IstioDir()+"\n" {
		t.Errorf("-print: got %q, %v; want %s", out.String(), err, c.IstioDir())
	}
	place(t, filepath.Join(c.IstioDir(), binaries.IstiodName), binaries.IstioVersion)
	if err := check(c); err == nil {
		t.Error("istioctl is missing, and nothing is said")
	}
	place(t, filepath.Join(c.IstioDir(), binaries.IstioctlName), "1.30.0")
	if err := check(c); err == nil || !strings.Contains(err.Error(), "says that it is 1.30.0, expected "+binaries.IstioVersion) {
		t.Errorf("got %v, want that istioctl is another version", err)
	}
	place(t, filepath.Join(c.IstioDir(), binaries.IstioctlName), binaries.IstioVersion)
	t.Setenv("PATH", "") // go is not called
	out.Reset()
	if err := run(t.Context(), false, &out, &out); err != nil || !strings.HasPrefix(out.String(), "istiod and istioctl "+binaries.IstioVersion+" are in ") {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

// A build that fails leaves nothing.
func TestRunFails(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("PATH", "")
	if err := run(t.Context(), false, new(bytes.Buffer), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "run it from the root of the repository") {
		t.Errorf("elsewhere: got %v", err)
	}
	t.Chdir("../..")
	if err := run(t.Context(), false, new(bytes.Buffer), new(bytes.Buffer)); err == nil || !strings.HasPrefix(err.Error(), "building istiod and istioctl: ") {
		t.Errorf("got %v, want that it cannot be built", err)
	}
	if left, err := os.ReadDir(filepath.Join(cache, "faildrill", "istio")); err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}
