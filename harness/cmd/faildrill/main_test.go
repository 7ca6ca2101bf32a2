package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faildrill/faildrill/fixtures"
	"github.com/faildrill/faildrill/harness"
)

func TestMain(m *testing.M) {
	testscript.Main(leaves{m}, map[string]func(){"faildrill": main, "docker": fakeDocker, "istioctl": fakeIstioctl})
}

// leaves removes what the tests had built.
type leaves struct{ m *testing.M }

func (l leaves) Run() int {
	code := l.m.Run()
	if built {
		if dir, err := clusterPrograms(); err == nil {
			_ = os.RemoveAll(dir) // the tests are over
		}
	}
	return code
}

// TestScripts are the user stories, one a file. They run in an empty folder, so
// that fixtures/ and scenarios/ are those of the program.
//
//	code N faildrill ARGS...     run it, and expect this exit code
//	steadily N faildrill ARGS... the same, again where the machine was too slow to tell
//	json PATH TEXT               the value at results.0.outcome of the last output
//	cluster                      the programs for kind, and a Docker that is made up
//	cached VERSION               a release of Envoy in the cache, played by this program
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": cmdCode, "steadily": cmdSteadily, "json": cmdJSON, "cached": cmdCached, "cluster": cmdCluster},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	expectCode(ts, args[0], execCode(ts, args[1:]))
}

// cmdSteadily is code for what keeps time: a machine that was too slow has shown nothing.
func cmdSteadily(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: steadily N command...")
	}
	const inconclusive, attempts = 4, 20
	got := execCode(ts, args[1:])
	for n := 1; n < attempts && got == inconclusive && strings.Contains(strings.Join(strings.Fields(ts.ReadFile("stdout")), " "), harness.ReasonTooSlow); n++ {
		got = execCode(ts, args[1:])
	}
	expectCode(ts, args[0], got)
}

// execCode runs a command and is its exit code.
func execCode(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	ts.Check(err)
	return 0
}

func expectCode(ts *testscript.TestScript, want string, got int) {
	if want != strconv.Itoa(got) {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
	if text := ts.ReadFile("stderr"); strings.Contains(text, "goroutine ") || strings.Contains(text, "panic:") {
		ts.Fatalf("it prints a stack trace")
	}
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json path text")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("the output is not JSON: %v", err)
	}
	for _, key := range strings.Split(args[0], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if key == "len" {
				v = len(x)
				continue
			}
			if err != nil || i >= len(x) {
				ts.Fatalf("%s: no element %s in a list of %d", args[0], key, len(x))
			}
			v = x[i]
		default:
			ts.Fatalf("%s: nothing below a %T at %s", args[0], v, key)
		}
	}
	if got := fmt.Sprint(v); (got == args[1]) == neg {
		ts.Fatalf("%s is %s; want %s (not: %v)", args[0], got, args[1], neg)
	}
}

// cmdCached puts a program of this machine into the cache, with a record of the
// version that it would say.
func cmdCached(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cached version")
	}
	dir := filepath.Join(ts.Getenv("XDG_CACHE_HOME"), "faildrill", "envoy", args[0]+"-"+runtime.GOOS+"-"+runtime.GOARCH)
	ts.Check(os.MkdirAll(dir, 0o755))
	self, err := os.Executable()
	ts.Check(err)
	program, err := os.ReadFile(self)
	ts.Check(err)
	name := filepath.Join(dir, "envoy")
	ts.Check(os.WriteFile(name, program, 0o755))
	i, err := os.Stat(name)
	ts.Check(err)
	record, err := json.Marshal(map[string]any{"size": i.Size(), "modified": i.ModTime(), "version": args[0], "sha256": "00"})
	ts.Check(err)
	ts.Check(os.WriteFile(name+".json", record, 0o644))
}

// run runs the program in a folder of its own.
func run(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command("faildrill", args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// Every bad input gives exit code 2, one problem a line, and leaves nothing.
func TestBadInput(t *testing.T) {
	bad, err := fs.ReadDir(fixtures.FS, "bad")
	if err != nil || len(bad) < 20 {
		t.Fatalf("%d bad inputs: %v", len(bad), err)
	}
	for _, f := range bad {
		for _, args := range [][]string{{"plan"}, {"run", "--on", "model"}, {"lint"}} {
			name := "fixtures/bad/" + f.Name()
			t.Run(args[0]+" "+f.Name(), func(t *testing.T) {
				dir := t.TempDir()
				code, stdout, stderr := run(t, dir, append(args, name)...)
				if code != 2 || stdout != "" || stderr == "" {
					t.Errorf("exit code %d, stdout %q, stderr %q; want 2 and problems", code, stdout, stderr)
				}
				for line := range strings.Lines(stderr) {
					if !strings.HasPrefix(line, "fixtures/bad/") && !strings.HasPrefix(line, "fixtures/recipes/") && !strings.Contains(line, "no drill can be made") {
						t.Errorf("a line without a place: %s", line)
					}
				}
				if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "panic") {
					t.Errorf("a stack trace:\n%s", stderr)
				}
				if left, _ := os.ReadDir(dir); len(left) > 0 {
					t.Errorf("it left %v", left)
				}
			})
		}
	}
}

// Ctrl-C in the middle of a minute: the program ends at once with 130, and the
// folder says so.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	scenario := `apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: long}
spec:
  config: [fixtures/recipes/external-failover-fixed/]
  duration: 60s
  clients: [{name: sleep, locality: us-east1, traffic: {url: "http://mydb.com/", every: 200ms}}]
`
	if err := os.WriteFile(filepath.Join(dir, "long.yaml"), []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("faildrill", "run", "--on", "inproc", "--dir", "runs", "long.yaml")
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	running := func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "runs", "long", "trace.jsonl"))
		return bytes.Count(b, []byte(`"kind":"request"`)) >= 3
	}
	for deadline := time.Now().Add(20 * time.Second); !running(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("no request within 20s\n%s", errs.String())
		}
	}
	start := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("still running 10s after the interrupt")
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d; want 130\n%s", code, errs.String())
	}
	t.Logf("it took %v", time.Since(start).Round(time.Millisecond))
	if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("something is left of its process group: %v", err)
	}
	verdict, err := os.ReadFile(filepath.Join(dir, "runs", "long", "verdict.json"))
	if err != nil || !bytes.Contains(verdict, []byte(`"reason": "interrupted"`)) {
		t.Errorf("the verdict (%v) does not say that it was interrupted:\n%s", err, verdict)
	}
	code, stdout, _ := run(t, dir, "judge", "runs")
	if code != 3 || !strings.Contains(stdout, "interrupted") {
		t.Errorf("judged again: exit code %d\n%s", code, stdout)
	}
}

// Cluster code costs start-up time wherever it is linked: it belongs in a binary
// of its own.
func TestStartupLinksNoClusterCode(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	heavy := []string{
		"k8s.io/client-go", "k8s.io/kubernetes", "k8s.io/api/", "istio.io/istio", "istio.io/client-go", "sigs.k8s.io/", "github.com/testcontainers",
		"github.com/docker", "google.golang.org/grpc", "net/http/pprof", "expvar", "testing",
	}
	for pkg := range strings.Lines(string(out)) {
		pkg = strings.TrimSpace(pkg)
		for _, h := range heavy {
			if pkg == strings.TrimSuffix(h, "/") || strings.HasPrefix(pkg, strings.TrimSuffix(h, "/")+"/") {
				t.Errorf("the program links %s", pkg)
			}
		}
	}
}

// What packages do before main costs every run. Time depends on the machine;
// what they allocate does not. A short run ends before the first collection.
func TestStartupIsLight(t *testing.T) {
	program := filepath.Join(t.TempDir(), "faildrill")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "plan", "fixtures/recipes/external-failover/")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1,gctrace=1", "GOGC=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("got %v, want exit code 1\n%s", err, stderr.String())
	}
	packages, allocated := 0, 0
	for line := range strings.Lines(stderr.String()) {
		words := strings.Fields(line)
		switch {
		case words[0] == "gc":
			t.Errorf("a collection: %s", line)
		case words[0] == "init" && len(words) > 7:
			packages++
			n, err := strconv.Atoi(words[7])
			if err != nil {
				t.Fatal(err)
			}
			allocated += n
		}
	}
	if packages < 20 || allocated > initBytes {
		t.Errorf("%d packages allocate %d bytes before main, want at most %d", packages, allocated, initBytes)
	}
}

// initBytes is a third more than it was when this was written.
const initBytes = 1_100_000

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		seen []code
		want int
	}{
		{nil, 0},
		{[]code{0, 0}, 0},
		{[]code{0, 4}, 4},
		{[]code{4, 1, 0}, 1},
		{[]code{1, 5}, 5},
		{[]code{5, 2}, 2},
		{[]code{2, 3}, 3},
		{[]code{3, 130, 1}, 130},
	} {
		if got := (&codes{c.seen}).exit(); got != c.want {
			t.Errorf("of %v: got %d, want %d", c.seen, got, c.want)
		}
	}
}

// A disk that is full is no mistake of the user's, whatever was to be written.
func TestFullDisk(t *testing.T) {
	for want, err := range map[int]error{
		3: fmt.Errorf("%w: %w", harness.ErrFolder, &fs.PathError{Op: "write", Path: "runs", Err: syscall.ENOSPC}),
		2: fmt.Errorf("%w: %w", harness.ErrFolder, &fs.PathError{Op: "mkdir", Path: "runs", Err: syscall.ENOTDIR}),
	} {
		if got := codeOf(err); got != want {
			t.Errorf("%v: got %d, want %d", err, got, want)
		}
	}
}

func TestClientOverride(t *testing.T) {
	c, err := clientOverride("locality=us-east1/a,namespace=shop,labels=app=web;version=v1")
	if err != nil || c.Locality != "us-east1/a" || c.Namespace != "shop" || c.Labels["app"] != "web" || c.Labels["version"] != "v1" {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, bad := range []string{"us-east1", "locality=", "zone=a", "labels=app", "locality=a,"} {
		if _, err := clientOverride(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
