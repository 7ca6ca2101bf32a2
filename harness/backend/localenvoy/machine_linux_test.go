package localenvoy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/result"
)

// The names under which the test program is something else. A program that plays
// istiod gets no environment, so that the name has to tell.
const (
	asIstiodDies  = "istiod-dies"
	asIstiodHangs = "istiod-hangs"
)

func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case asIstiodDies, asIstiodHangs:
		playIstiod()
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// playIstiod says a version when it is asked for one, and else dies or hangs.
func playIstiod() {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Printf(`{"clientVersion": {"version": "%s"}}`, binaries.IstioVersion)
		os.Exit(0)
	}
	fmt.Println("info\tstarting")
	if filepath.Base(os.Args[0]) == asIstiodHangs {
		time.Sleep(time.Minute)
	}
	fmt.Println("error\tno such mesh")
	os.Exit(1)
}

// called is a name under which the test program can be started.
func called(t testing.TB, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// built are the two programs, made once.
var built struct {
	sync.Once
	dir string
	err error
}

func programs(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "faildrill-test-"); built.err != nil {
			return
		}
		if built.err = os.Chmod(built.dir, 0o755); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", built.dir, "./harness/cmd/faildrill", "./harness/cmd/faildrill-live")
		cmd.Dir = "../../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

// envoy is the newest Envoy in the cache; without one, or without namespaces, the test is skipped.
func envoy(t testing.TB) binaries.Binary {
	t.Helper()
	needs.Namespaces(t)
	return needs.Envoy(t)
}

// machine is a place of its own for runs: whatever they leave shows.
type machine struct {
	testing.TB
	dir    string // everything is below it
	marker string // in the environment of what is started here
	mounts string
	env    []string
}

const markerVariable = "FAILDRILL_TEST_MARKER"

// newMachine has an Envoy in its cache, and no istiod.
func newMachine(t testing.TB) *machine {
	t.Helper()
	e := envoy(t)
	m := &machine{TB: t, dir: t.TempDir(), marker: rand.Text(), mounts: mounts(t)}
	for _, d := range []string{"home", "tmp", "cache/faildrill/envoy/" + filepath.Base(filepath.Dir(e.Path))} {
		if err := os.MkdirAll(filepath.Join(m.dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// Not a symbolic link: another user may not be allowed to follow it.
	if err := copyFile(filepath.Join(m.dir, "cache/faildrill/envoy", filepath.Base(filepath.Dir(e.Path)), "envoy"), e.Path); err != nil {
		t.Fatal(err)
	}
	m.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + m.dir + "/home", "TMPDIR=" + m.dir + "/tmp", "XDG_CACHE_HOME=" + m.dir + "/cache", markerVariable + "=" + m.marker,
	}
	t.Cleanup(func() { m.clean() })
	return m
}

// copyFile is a hard link where both are on one file system: Envoy is large.
func copyFile(to, from string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (m *machine) setenv(key, value string) { m.env = append(m.env, key+"="+value) }

func (m *machine) write(name, text string) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o666); err != nil {
		m.Fatal(err)
	}
}

// command is faildrill in the machine. Its runs are in the folder runs.
func (m *machine) command(args ...string) *exec.Cmd {
	m.Helper()
	cmd := exec.Command(filepath.Join(programs(m), "faildrill"), args...)
	cmd.Dir, cmd.Env = m.dir, slices.Clone(m.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// said is a run that has ended.
type said struct {
	code           int
	stdout, stderr string
	run            result.Run // zero: it printed none
}

// running is a run that goes on.
type running struct {
	*machine
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan struct{}
	namespaces     map[string]bool // of all its processes that were seen
}

// start starts faildrill with -o json.
func (m *machine) start(cmd *exec.Cmd) *running {
	m.Helper()
	r := &running{machine: m, cmd: cmd, ended: make(chan struct{}), namespaces: map[string]bool{}}
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in the exit code
		close(r.ended)
	}()
	m.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-r.ended
	})
	return r
}

// most bounds everything that is waited for: the machine may be busy.
const most = 60 * time.Second

// wait waits for the end.
func (r *running) wait() said {
	r.Helper()
	select {
	case <-r.ended:
	case <-time.After(most):
		r.Fatalf("it runs after %v", most)
	}
	s := said{code: r.cmd.ProcessState.ExitCode(), stdout: r.stdout.String(), stderr: r.stderr.String()}
	var doc result.Document[result.Run]
	if json.Unmarshal([]byte(s.stdout), &doc) == nil && len(doc.Results) == 1 {
		s.run = doc.Results[0]
	}
	if strings.Contains(s.stderr+s.stdout, "goroutine ") || strings.Contains(s.stderr+s.stdout, "panic:") {
		r.Errorf("it prints a stack trace: %s%s", s.stderr, s.stdout)
	}
	return s
}

// judged waits for the end of a run. One that was inconclusive, since the machine
// was late, is played again.
func (r *running) judged(again func() *running) said {
	r.Helper()
	s := r.wait()
	for n := 1; s.code == inconclusive && n < 5; n++ {
		r.Logf("attempt %d: %s", n, s.run.Reason)
		next := again()
		s = next.wait()
		maps.Copy(r.namespaces, next.namespaces)
	}
	return s
}

// inconclusive is that exit code.
const inconclusive = 4

// process is one of the run's, as seen from outside.
type process struct {
	pid  int
	name string // of its program
}

// processes are those that have the marker, or share a namespace with one that had.
func (r *running) processes() []process {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		r.Fatal(err)
	}
	own := namespacesOf("/proc/self")
	var found []process
	for range 2 { // the second time with the namespaces of the first
		found = nil
		for _, p := range all {
			env, _ := os.ReadFile(p + "/environ")
			ns := namespacesOf(p)
			mine := bytes.Contains(env, []byte(markerVariable+"="+r.marker))
			for n := range ns {
				mine = mine || r.namespaces[n]
			}
			if !mine {
				continue
			}
			var x process
			if _, err := fmt.Sscanf(filepath.Base(p), "%d", &x.pid); err != nil {
				r.Fatal(err)
			}
			exe, err := os.Readlink(p + "/exe")
			if err != nil {
				continue // it has ended, and waits to be asked
			}
			x.name = filepath.Base(exe)
			if link, err := os.ReadFile(p + "/cmdline"); err == nil {
				x.name = filepath.Base(string(bytes.SplitN(link, []byte{0}, 2)[0]))
			}
			found = append(found, x)
			for n := range ns {
				if !own[n] {
					r.namespaces[n] = true
				}
			}
		}
	}
	return found
}

func namespacesOf(proc string) map[string]bool {
	out := map[string]bool{}
	for _, kind := range []string{"pid", "net", "mnt"} {
		if n, err := os.Readlink(proc + "/ns/" + kind); err == nil {
			out[n] = true
		}
	}
	return out
}

// await polls until done says so.
func (m *machine) await(what string, done func() bool) {
	m.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			m.Fatalf("%v passed before %s", most, what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// program waits until a program of the name runs, and returns it.
func (r *running) program(name string) process {
	r.Helper()
	var found process
	r.await(name+" runs", func() bool {
		select {
		case <-r.ended:
			if len(r.processes()) > 0 {
				break // it is kept
			}
			r.Fatalf("it ended before %s ran: %s%s", name, r.stdout.String(), r.stderr.String())
		default:
		}
		ps := r.processes()
		i := slices.IndexFunc(ps, func(p process) bool { return p.name == name })
		if i >= 0 {
			found = ps[i]
		}
		return i >= 0
	})
	return found
}

// has waits until a file of the run's folder holds the text.
func (r *running) has(pattern, text string) {
	r.Helper()
	r.await(pattern+" holds "+text, func() bool {
		select {
		case <-r.ended:
			r.Fatalf("it ended before %s held %s: %s%s", pattern, text, r.stdout.String(), r.stderr.String())
		default:
		}
		r.processes() // learns their namespaces
		names, _ := filepath.Glob(filepath.Join(r.dir, pattern))
		return slices.ContainsFunc(names, func(name string) bool {
			b, err := os.ReadFile(name)
			return err == nil && bytes.Contains(b, []byte(text))
		})
	})
}

// gone waits until no process of the run is left.
func (r *running) gone() {
	r.Helper()
	var left []process
	r.await("its processes had ended", func() bool {
		left = r.processes()
		return len(left) == 0
	})
}

func mounts(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// clean checks that nothing is left but the folders of the runs: no mount, no file.
func (m *machine) clean() {
	m.Helper()
	if now := mounts(m); now != m.mounts {
		m.Errorf("the mounts changed:\n%s\n%s", m.mounts, now)
	}
	records := map[string]bool{}
	err := filepath.WalkDir(m.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(m.dir, path)
		if err != nil || d.IsDir() {
			return err
		}
		top, _, _ := strings.Cut(rel, string(filepath.Separator))
		switch {
		case strings.HasPrefix(top, "runs"), top == "drill.yaml":
		case top == "cache" && (filepath.Base(path) == "envoy" || filepath.Base(path) == "envoy.json" || strings.Contains(rel, "elsewhere")):
		default:
			records[rel] = true
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.Error(err)
	}
	if len(records) > 0 {
		m.Errorf("files are left: %v", slices.Sorted(maps.Keys(records)))
	}
}
