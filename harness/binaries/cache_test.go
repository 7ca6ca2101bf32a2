package binaries

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestResolve(t *testing.T) {
	for in, want := range map[string]string{
		"1.40.0": "1.40.0", "1.40": "1.40.0", "1.36": "1.36.4", "1.36.2": "1.36.2", "1.39": "1.39.3",
		"1": "", "": "", "1.4": "", "1.36.1": "", "1.40.0.": "", "v1.40": "", "1.36.2.1": "",
	} {
		got, err := Resolve(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

// The table is in order, and whole: a checksum for each platform, none twice.
func TestPinned(t *testing.T) {
	seen := map[string]string{}
	var last [3]int
	for _, r := range pinned {
		var v [3]int
		if n, err := fmt.Sscanf(r.version, "%d.%d.%d", &v[0], &v[1], &v[2]); n != 3 || err != nil {
			t.Fatalf("%q is no release", r.version)
		}
		if v[0] < last[0] || v[0] == last[0] && (v[1] < last[1] || v[1] == last[1] && v[2] <= last[2]) {
			t.Errorf("%s comes after %v", r.version, last)
		}
		last = v
		for platform := range tags {
			sum := r.wheels[platform]
			if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
				t.Errorf("envoy %s of %s: %q is no SHA-256", r.version, platform, sum)
			}
			if seen[sum] != "" {
				t.Errorf("envoy %s has the checksum of %s", r.version, seen[sum])
			}
			seen[sum] = r.version
		}
		if len(r.wheels) != len(tags) {
			t.Errorf("envoy %s has %d wheels, want %d", r.version, len(r.wheels), len(tags))
		}
	}
}

func TestDefaultFollowsXDG(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "mine"))
	if c, err := Default(); err != nil || c.Dir != filepath.Join(dir, "mine", "faildrill") {
		t.Errorf("got %q, %v", c.Dir, err)
	}
	t.Setenv("XDG_CACHE_HOME", "relative")
	if runtime.GOOS != "linux" {
		return
	}
	// os.UserCacheDir refuses what the specification ignores: either is said.
	if c, err := Default(); err == nil && !filepath.IsAbs(c.Dir) {
		t.Errorf("got %q, want no folder below the working directory", c.Dir)
	}
}

// What a killed program left is removed once it is old.
func TestPlaceRemovesWhatWasAbandoned(t *testing.T) {
	parent := t.TempDir()
	for name, age := range map[string]time.Duration{unfinished + "old": 25 * time.Hour, unfinished + "young": time.Hour, "old": 99 * time.Hour} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o755); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(parent, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := Place(filepath.Join(parent, "new"), func(string) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), unfinished+"young new old"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The first of two that place a folder wins, unless what it placed is no good.
func TestPlaceWhatIsThere(t *testing.T) {
	for _, good := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "d")
		put := func(text string) error {
			return Place(dir, func(tmp string) error {
				return os.WriteFile(filepath.Join(tmp, "f"), []byte(text), 0o644)
			}, func(string) bool { return good })
		}
		if err := errors.Join(put("first"), put("second")); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "first", false: "second"}[good]
		if b, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(b) != want {
			t.Errorf("good %v: got %q, %v; want %q", good, b, err, want)
		}
		if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
			t.Errorf("it leaves %v", left)
		}
	}
}

// elfHead is the first part of a program of Linux.
func elfHead(machine byte) []byte {
	return append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"), machine, 0, 1, 0, 0, 0)
}

func TestPlatformOf(t *testing.T) {
	bigEndian := elfHead(62)
	bigEndian[5] = 2
	for _, c := range []struct {
		head []byte
		want string
	}{
		{elfHead(62), "linux/amd64"},
		{elfHead(183), "linux/arm64"},
		{elfHead(243), "linux/ELF machine 243"},
		{bigEndian, "linux/a big-endian processor"},
		{elfHead(62)[:19], ""},
		{[]byte("\xcf\xfa\xed\xfe\x0c\x00\x00\x01"), "darwin/arm64"},
		{[]byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01"), "darwin/amd64"},
		{[]byte("\xcf\xfa\xed\xfe\x0c\x00\x00\x00"), "darwin/Mach-O processor 0xc"},
		{[]byte("#!/bin/sh"), ""},
		{nil, ""},
	} {
		if got := platformOf(c.head); got != c.want {
			t.Errorf("%q: got %q, want %q", c.head, got, c.want)
		}
	}
	if got := platformOf(self(t)); (runtime.GOOS == "linux" || runtime.GOOS == "darwin") && got != platform {
		t.Errorf("this program: got %q, want %q", got, platform)
	}
}

// A program says its version once, until it changes; also one outside the cache.
func TestIdentifyRemembers(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.31.0")
	dir := t.TempDir()
	c := Cache{Dir: filepath.Join(dir, "cache"), GOOS: runtime.GOOS, GOARCH: runtime.GOARCH}
	path := filepath.Join(dir, "istiod")
	if err := os.WriteFile(path, self(t), 0o755); err != nil {
		t.Fatal(err)
	}
	asked := 0
	q := question{args: []string{"version"}, answer: func(b []byte) (string, error) {
		asked++
		return istioAnswer(b)
	}}
	identify := func() Binary {
		t.Helper()
		b, err := c.identify(t.Context(), path, q)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := identify()
	if second := identify(); first != second || asked != 1 || first.Version != "1.31.0" || len(first.SHA256) != 64 {
		t.Errorf("got %+v and %+v after %d questions, want the same after one", first, second, asked)
	}
	if _, err := os.Stat(path + ".json"); err == nil {
		t.Error("it writes beside a program that is not its own")
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("more")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if third := identify(); asked != 2 || third.SHA256 == first.SHA256 {
		t.Errorf("after a change: got %+v after %d questions, want another checksum after two", third, asked)
	}
}

func TestIstiod(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.31.0")
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		variable, name string
		find           func() (Binary, error)
	}{
		{"FAILDRILL_ISTIOD", IstiodName, Istiod},
		{"FAILDRILL_ISTIOCTL", IstioctlName, Istioctl},
	} {
		t.Setenv(c.variable, "")
		var missing *NotFoundError
		if _, err := c.find(); !errors.As(err, &missing) || !strings.Contains(missing.Fix, "make tools") || !strings.Contains(missing.Fix, "$"+c.variable) {
			t.Errorf("%s: got %v, want that it is not there, and make tools", c.name, err)
		}
		t.Setenv(c.variable, filepath.Join(dir, "none"))
		if _, err := c.find(); !errors.Is(err, os.ErrNotExist) || errors.As(err, &missing) || !strings.HasPrefix(err.Error(), "$"+c.variable+": ") {
			t.Errorf("%s: got %v, want that the variable names nothing", c.name, err)
		}
		t.Setenv(c.variable, exe)
		if b, err := c.find(); err != nil || b.Path != exe || b.Version != "1.31.0" {
			t.Errorf("%s: got %+v, %v; want the program of the variable", c.name, b, err)
		}
		t.Setenv(c.variable, "")
		cache, err := Default()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(cache.IstioDir(), c.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, self(t), 0o755); err != nil {
			t.Fatal(err)
		}
		if b, err := c.find(); err != nil || b.Path != path || b.Version != "1.31.0" {
			t.Errorf("%s: got %+v, %v; want the program of the cache", c.name, b, err)
		}
	}
}

// A program that says something else, or nothing.
func TestAnswers(t *testing.T) {
	for _, out := range []string{"", "envoy", "client version: 1.31.0", "{}", `{"clientVersion": {}}`} {
		if v, err := istioAnswer([]byte(out)); err == nil {
			t.Errorf("istio: %q is version %q", out, v)
		}
		if v, err := askEnvoy.answer([]byte(out)); err == nil {
			t.Errorf("envoy: %q is version %q", out, v)
		}
	}
	out := bytes.NewBufferString("\n/e/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n\n")
	if v, err := askEnvoy.answer(out.Bytes()); err != nil || v != "1.40.0" {
		t.Errorf("got %q, %v", v, err)
	}
}
