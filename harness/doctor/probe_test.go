package doctor

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A child in namespaces of its own is the first process there.
func TestProbeNamespaces(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("namespaces are a part of Linux")
	}
	if n := probeNamespaces(t.Context(), []string{"sh", "-c", "test $$ != 1"}); n.Made || n.Error == "" {
		t.Errorf("a child that fails: got %+v", n)
	}
	n := probeNamespaces(t.Context(), []string{"sh", "-c", "test $$ = 1"})
	if n.Made == (n.Error != "") {
		t.Errorf("got %+v, want that they were made, or why not", n)
	}
	if !n.Made {
		t.Skipf("this machine refuses namespaces: %s", n.Error)
	}
	if os.Geteuid() != 0 && !n.WithUser {
		t.Errorf("got %+v, want a user namespace for user %d", n, os.Geteuid())
	}
}

func TestProbeDocker(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	status := http.StatusOK
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.47")
		if r.URL.Path != "/_ping" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
	}))
	srv.Listener = l
	srv.Start()
	if p := probeDocker(t.Context(), "unix://"+sock); !p.ok() || p.Version != "API 1.47" {
		t.Errorf("got %+v", p)
	}
	status = http.StatusForbidden
	if p := probeDocker(t.Context(), "unix://"+sock); !strings.Contains(p.Error, "answers 403 Forbidden") {
		t.Errorf("got %+v, want the status", p)
	}
	srv.Close()
	if p := probeDocker(t.Context(), "unix://"+sock); !strings.Contains(p.Error, "cannot be reached at unix://"+sock) {
		t.Errorf("got %+v, want that it cannot be reached", p)
	}
	if p := probeDocker(t.Context(), "ssh://there"); !strings.Contains(p.Error, "only unix:// and tcp://") {
		t.Errorf("got %+v, want that ssh is not looked at", p)
	}
}

func TestLive(t *testing.T) {
	there := func(paths ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			for _, p := range paths {
				if p == name || filepath.Base(p) == name {
					return p, nil
				}
			}
			return "", errors.New("not there")
		}
	}
	for _, c := range []struct {
		exe, variable string
		paths         []string
		want          string
	}{
		{"/a/faildrill", "", []string{"/a/faildrill-live", "/p/faildrill-live"}, "/a/faildrill-live"},
		{"/b/faildrill", "", []string{"/a/faildrill-live"}, "/a/faildrill-live"},
		{"/a/faildrill", "/v/live", []string{"/a/faildrill-live", "/v/live"}, "/v/live"},
		{"/a/faildrill", "/v/none", []string{"/a/faildrill-live"}, ""},
		{"", "", nil, ""},
	} {
		p := Live(c.exe, c.variable, there(c.paths...))
		if p.Path != c.want || p.ok() != (c.want != "") || !p.ok() && p.Fix == "" {
			t.Errorf("%q, %q, %q: got %+v, want %q", c.exe, c.variable, c.paths, p, c.want)
		}
	}
}

func TestProbeDisk(t *testing.T) {
	dir := t.TempDir()
	if d := probeDisk(filepath.Join(dir, "not", "yet")); d.Error != "" || d.Free <= 0 {
		t.Errorf("got %+v, want the space of the folder above", d)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if d := probeDisk(filepath.Join(dir, "file", "cache")); d.Error == "" {
		t.Errorf("got %+v, want that it is below a file", d)
	}
}

func TestReadInt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "n")
	if got := readInt(name); got != nil {
		t.Errorf("no file: got %d", *got)
	}
	for text, want := range map[string]int{"1\n": 1, "63000": 63000} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := readInt(name); got == nil || *got != want {
			t.Errorf("%q: got %v, want %d", text, got, want)
		}
	}
}
