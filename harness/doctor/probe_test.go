package doctor

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
	if os.Geteuid() != 0 { // root may use every socket
		locked := filepath.Join(t.TempDir(), "d.sock")
		l, err := net.Listen("unix", locked)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := os.Chmod(locked, 0); err != nil {
			t.Fatal(err)
		}
		if p := probeDocker(t.Context(), "unix://"+locked); !strings.Contains(p.Error, "this user may not use") || !strings.Contains(p.Fix, "usermod") {
			t.Errorf("got %+v, want that it is not this user's", p)
		}
	}
	if p := probeDocker(t.Context(), "ssh://there"); !strings.Contains(p.Error, "only unix:// and tcp://") {
		t.Errorf("got %+v, want that ssh is not looked at", p)
	}
}

func TestLiveOf(t *testing.T) {
	if p := liveOf("/a/faildrill-live", nil); !p.ok() || p.Path != "/a/faildrill-live" {
		t.Errorf("got %+v", p)
	}
	if p := liveOf("", errors.New("not there")); p.Error != "not there" || p.Fix == "" {
		t.Errorf("got %+v, want what is missing, and a command", p)
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
