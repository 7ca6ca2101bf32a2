package kept

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/trace"
)

// sleeper is a process that does nothing, as an entry.
func sleeper(t *testing.T, r Registry, scenario string) (Entry, *exec.Cmd) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("runs are kept on Linux only")
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	id, err := r.NewID(scenario)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{ID: id, PID: cmd.Process.Pid, Scenario: scenario, Folder: "/runs/" + scenario, Envoy: "1.40.0"}
	if err := r.Add(e); err != nil {
		t.Fatal(err)
	}
	if e, err = r.read(r.entry(id)); err != nil {
		t.Fatal(err)
	}
	return e, cmd
}

// registry is in a folder whose name is short enough for sockets.
func registry(t *testing.T) Registry {
	t.Helper()
	dir, err := os.MkdirTemp("", "kept")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return Registry{dir}
}

func list(t *testing.T, r Registry) []string {
	t.Helper()
	es, err := r.List()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range es {
		ids = append(ids, e.ID)
	}
	return ids
}

func files(t *testing.T, r Registry) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(r.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// What killed runs left goes when somebody looks; others stay.
func TestStaleEntries(t *testing.T) {
	r := registry(t)
	a, cmd := sleeper(t, r, "a")
	b, _ := sleeper(t, r, "b")
	// A number that another process has by now.
	other := b
	other.ID = "other"
	if err := r.Add(other); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.entry("other"))
	if err != nil {
		t.Fatal(err)
	}
	started, err := startOf(b.PID)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.entry("other"), strings.Replace(string(text), `"`+started+`"`, `"1"`, 1))
	write(t, r.entry("broken"), "{")
	// The socket of a run that was killed before it was kept, and of one that is about to be.
	abandoned, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.Socket("abandoned"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	abandoned.SetUnlinkOnClose(false)
	abandoned.Close()
	soon, err := net.Listen("unix", r.Socket("soon"))
	if err != nil {
		t.Fatal(err)
	}
	defer soon.Close()

	if d := cmp.Diff([]string{a.ID, b.ID}, list(t, r)); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	a.awaitEnd(t.Context())
	if d := cmp.Diff([]string{b.ID}, list(t, r)); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
	if d := cmp.Diff([]string{r.entry(b.ID), r.Socket("soon")}, files(t, r)); d != "" {
		t.Errorf("the files: want - got +\n%s", d)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	es := []Entry{{ID: "a-1", Scenario: "a", Folder: "/runs/a"}, {ID: "a-2", Scenario: "a", Folder: "/other/a"}, {ID: "b", Scenario: "c"}}
	for word, want := range map[string]string{"a-2": "a-2", "a": "a-1 a-2", "/runs/a/": "a-1", "b": "b", "x": "", "": ""} {
		var got []string
		for _, e := range Find(es, word) {
			got = append(got, e.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %v, want %q", word, got, want)
		}
	}
}

func TestNewID(t *testing.T) {
	r := registry(t)
	id, err := r.NewID("us-east1 loses /Dynamo.us, or whatever is longer than that")
	if err != nil || !strings.HasPrefix(id, "us-east1-loses--dynamo.us--or-") || id != filepath.Base(id) {
		t.Errorf("%q, %v", id, err)
	}
	if again, _ := r.NewID("us-east1 loses /Dynamo.us, or whatever is longer than that"); again == id {
		t.Errorf("twice %q", id)
	}
	if _, err := (Registry{"/" + strings.Repeat("long/", 20)}).NewID("a"); err == nil || !strings.Contains(err.Error(), "set XDG_CACHE_HOME") {
		t.Errorf("got %v, want what is too long", err)
	}
}

// run is a kept run that answers.
type run struct{ err error }

func (r run) Endpoints(context.Context) (Table, error) {
	return Table{At: 3, Clients: []Client{{Name: "sleep", Rows: []Row{{Row: trace.Row{Address: "198.18.0.1:80"}, Share: 0.5}}, Answer: json.RawMessage(`{"a":1}`)}}}, r.err
}

func serving(t *testing.T, r Registry, e Entry, x Run) <-chan error {
	t.Helper()
	l, err := net.Listen("unix", r.Socket(e.ID))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Serve(t.Context(), l, x) }()
	return ended
}

func TestEndpoints(t *testing.T) {
	r := registry(t)
	e, _ := sleeper(t, r, "a")
	if _, err := r.Endpoints(t.Context(), e); err == nil || !strings.HasPrefix(err.Error(), "asking "+e.ID) {
		t.Errorf("got %v, want that nobody answers", err)
	}
	serving(t, r, e, run{})
	got, err := r.Endpoints(t.Context(), e)
	want, _ := run{}.Endpoints(t.Context())
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, want - got +\n%s", err, d)
	}
	if _, err := r.ask(t.Context(), e, "sing"); err == nil || !strings.Contains(err.Error(), `unknown word "sing"`) {
		t.Errorf("got %v", err)
	}
	b, _ := sleeper(t, r, "b")
	serving(t, r, b, run{errors.New("Envoy has died")})
	if _, err := r.Endpoints(t.Context(), b); err == nil || !strings.Contains(err.Error(), "Envoy has died") {
		t.Errorf("got %v, want what the run says", err)
	}
}

// A run that does not end by itself is killed.
func TestEnd(t *testing.T) {
	r := registry(t)
	polite, cmd := sleeper(t, r, "polite")
	ended := serving(t, r, polite, run{})
	go func() {
		<-ended
		_ = cmd.Process.Kill() // as the end of the whole process would be
	}()
	deaf, _ := sleeper(t, r, "deaf")
	for _, e := range []Entry{polite, deaf} {
		begin := time.Now()
		if err := r.End(t.Context(), e); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("%s ended after %v", e.ID, took)
		}
		if e.alive() {
			t.Errorf("%s is there", e.ID)
		}
	}
	if left := files(t, r); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func TestLastShares(t *testing.T) {
	var rs []trace.Request
	for i := range 30 {
		rs = append(rs, trace.Request{Client: 0, Host: int32(i / 15)}, trace.Request{Client: 1, Host: 7}, trace.Request{Client: 0, Host: -1})
	}
	if d := cmp.Diff(map[int32]float64{0: 0.25, 1: 0.75}, LastShares(rs, 0)); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
	if got := LastShares(rs, 2); len(got) != 0 {
		t.Errorf("got %v of a client without requests", got)
	}
}
