package localenvoy_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/result"
)

// drillYAML is a small drill: a region refuses for a while.
const drillYAML = `apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: small}
spec:
  duration: DURATION
  clients:
  - {name: sleep, locality: us-east1, traffic: {url: "http://mydb.com/", every: 100ms}}
  upstreams:
  - {name: east, address: east.example, ports: [80]}
  - {name: west, address: west.example, ports: [80]}
  timeline:
  # Later than the merge window that the last resolved name opens.
  - {at: 1250ms, fault: {name: down, upstream: east, refuse: true}}
  expect:
  - {name: local first, during: [0s, 1.2s], share: {east: 100%}, errors: 0}
  - {name: goes west, during: [1.5s, 2s], share: {west: 100%}, errors: 0}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  location: MESH_EXTERNAL
  endpoints:
  - {address: east.example, locality: us-east1}
  - {address: west.example, locality: us-west1}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: mydb}
spec:
  host: mydb.com
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 1, interval: 10s, baseEjectionTime: 10m, maxEjectionPercent: 100}
`

func (m *machine) drill(duration string) {
	m.Helper()
	m.write("drill.yaml", strings.Replace(drillYAML, "DURATION", duration, 1))
}

// onLoopback stands for the built-in control plane without namespaces.
const onLoopback = "loopback"

// run is the drill on Envoy.
func (m *machine) run(plane string, more ...string) *exec.Cmd {
	m.Helper()
	if plane == onLoopback {
		plane, more = "builtin", append([]string{"--loopback"}, more...)
	}
	return m.command(append([]string{"run", "--on", "envoy", "--control-plane", plane, "-o", "json", "--dir", "runs", "drill.yaml"}, more...)...)
}

// planes are the control planes that can be had, each with its machine.
func planes(t *testing.T, f func(t *testing.T, m *machine, plane string)) {
	for _, plane := range []string{"builtin", "istiod", onLoopback} {
		t.Run(plane, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if plane == "istiod" {
				m.setenv("FAILDRILL_ISTIOD", needs.Istiod(t).Path)
			}
			f(t, m, plane)
		})
	}
}

// Two runs of one drill at once do not see each other, and leave nothing.
func TestSideBySide(t *testing.T) {
	planes(t, func(t *testing.T, m *machine, plane string) {
		m.drill("2200ms")
		start := func(more ...string) func() *running {
			return func() *running { return m.start(m.run(plane, more...)) }
		}
		one, two := start(), start("--dir", "runs2")
		a, b := one(), two()
		for r, again := range map[*running]func() *running{a: one, b: two} {
			if s := r.judged(again); s.code != 0 {
				t.Errorf("exit %d, %s %s %s: %+v %+v", s.code, s.run.Verdict, s.run.Reason, s.stderr, s.run.Expectations, s.run.Divergence)
			}
		}
		a.gone()
		b.gone()
	})
}

// A run that is killed leaves no process and no mount, whatever it was doing.
func TestKilled(t *testing.T) {
	t.Parallel()
	stages := []struct {
		name string
		wait func(*running)
	}{
		{"at random", func(*running) { time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) }},
		{"while istiod starts", func(r *running) { r.program("pilot-discovery") }},
		{"while Envoy starts", func(r *running) { r.program("envoy") }},
		{"in the middle", func(r *running) { r.has("runs/*/trace.jsonl", `"kind":"step"`) }},
		{"while it stops", func(r *running) {
			r.has("runs/*/trace.jsonl", `"kind":"step"`)
			if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		}},
	}
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			planes(t, func(t *testing.T, m *machine, plane string) {
				if plane != "istiod" && strings.Contains(s.name, "istiod") {
					t.Skip("there is no istiod")
				}
				m.drill("10m")
				r := m.start(m.run(plane))
				s.wait(r)
				r.processes()
				if err := r.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				<-r.ended
				r.gone()
			})
		})
	}
}

// Ctrl-C heals, collects and cleans; a second one ends it at once.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	planes(t, func(t *testing.T, m *machine, plane string) {
		for n, name := range []string{"once", "twice"} {
			m.drill("10m")
			r := m.start(m.run(plane, "--dir", "runs-"+name))
			r.has("runs-"+name+"/*/trace.jsonl", `"kind":"step"`)
			for range n + 1 {
				if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			s := r.wait()
			if s.code != 130 {
				t.Errorf("%s: exit %d, want 130: %s", name, s.code, s.stderr)
			}
			r.gone()
			if n == 0 && (s.run.Verdict != result.Error || s.run.Reason != "interrupted" || len(s.run.Phases) == 0 || s.run.Phases[0].Requests == 0) {
				t.Errorf("%s: %s %q, %+v; want an interrupted run with what was seen", name, s.run.Verdict, s.run.Reason, s.run.Phases)
			}
		}
	})
}

// What dies in the middle ends the run with a sentence that names it.
func TestDeaths(t *testing.T) {
	for _, c := range []struct{ plane, program, want string }{
		{"istiod", "envoy", "the Envoy of sleep died before the drill was over (signal: killed)"},
		{"istiod", "pilot-discovery", "istiod died before the drill was over (signal: killed)"},
		{"istiod", "faildrill-live", "faildrill-live died: signal: killed"},
		{onLoopback, "envoy", "the Envoy of sleep died before the drill was over (signal: killed)"},
		{onLoopback, "faildrill-live", "faildrill-live died: signal: killed"},
	} {
		t.Run(c.plane+"/"+c.program, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if c.plane == "istiod" {
				m.setenv("FAILDRILL_ISTIOD", needs.Istiod(t).Path)
			}
			m.drill("10m")
			r := m.start(m.run(c.plane))
			r.has("runs/*/trace.jsonl", `"kind":"step"`)
			if err := syscall.Kill(r.program(c.program).pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s := r.wait()
			r.gone()
			if s.code != 3 || s.run.Verdict != result.Error || !strings.Contains(s.run.Reason, c.want) || strings.Contains(s.run.Reason, "\n") {
				t.Errorf("exit %d, %s %q; want 3 and %q", s.code, s.run.Verdict, s.run.Reason, c.want)
			}
		})
	}
}

// An istiod that dies at its start is told with the end of its log; one that never
// gets ready can be interrupted.
func TestIstiodDoesNotStart(t *testing.T) {
	t.Parallel()
	t.Run("dies", func(t *testing.T) {
		m := newMachine(t)
		m.setenv("FAILDRILL_ISTIOD", called(t, asIstiodDies))
		m.drill("5s")
		r := m.start(m.run("istiod"))
		s := r.wait()
		r.gone()
		if s.code != 3 || !strings.Contains(s.run.Reason, "istiod died before it was ready (exit status 1)") || !strings.Contains(s.run.Reason, "no such mesh") {
			t.Errorf("exit %d, %q %s", s.code, s.run.Reason, s.stderr)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		m := newMachine(t)
		m.setenv("FAILDRILL_ISTIOD", called(t, asIstiodHangs))
		m.drill("5s")
		r := m.start(m.run("istiod"))
		r.program(asIstiodHangs)
		if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		s := r.wait()
		r.gone()
		if s.code != 130 || s.run.Reason != "interrupted" {
			t.Errorf("exit %d, %q %s", s.code, s.run.Reason, s.stderr)
		}
	})
}

// What is missing or not what it should be is told before anything runs, with what to do.
func TestPrograms(t *testing.T) {
	foreign := func(m *machine, name string) string {
		head := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 13)...)
		head[18] = 0xf3 // RISC-V
		m.write(name, string(head))
		if err := os.Chmod(filepath.Join(m.dir, name), 0o755); err != nil {
			m.Fatal(err)
		}
		return filepath.Join(m.dir, name)
	}
	envoys := func(m *machine) string {
		m.Helper()
		names, err := filepath.Glob(filepath.Join(m.dir, "cache/faildrill/envoy/*/envoy"))
		if err != nil || len(names) != 1 {
			m.Fatalf("%v, %v", names, err)
		}
		return names[0]
	}
	replace := func(m *machine, with string) {
		m.Helper()
		name := envoys(m)
		if err := os.Remove(name); err != nil {
			m.Fatal(err)
		}
		if with == "" {
			return
		}
		if err := os.Symlink(with, name); err != nil {
			m.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		breaks func(m *machine)
		args   []string
		want   string
	}{
		"no Envoy":             {func(m *machine) { replace(m, "") }, nil, "faildrill fetch envoy@1.40"},
		"Envoy by its version": {func(m *machine) { replace(m, "") }, []string{"--envoy", "1.40"}, "faildrill fetch envoy@1.40"},
		"an Envoy of another processor": {
			func(m *machine) { replace(m, foreign(m, "runs-foreign")) }, []string{"--envoy", "1.40"}, "is a program of linux/ELF machine 243",
		},
		"an Envoy that is not executable": {func(m *machine) {
			m.write("runs-text", "text")
			replace(m, filepath.Join(m.dir, "runs-text"))
		}, []string{"--envoy", "1.40"}, "is not an executable file"},
		"another program":   {func(m *machine) { replace(m, "/bin/true") }, []string{"--envoy", "1.40"}, "no version in its answer"},
		"no istiod":         {func(m *machine) { m.setenv("FAILDRILL_ISTIOD", m.dir+"/none") }, []string{"--control-plane", "istiod"}, "--control-plane builtin"},
		"no faildrill-live": {func(m *machine) { m.setenv("FAILDRILL_LIVE", m.dir+"/none") }, nil, "faildrill-live is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.drill("2s")
			c.breaks(m)
			s := m.start(m.run("builtin", c.args...)).wait()
			if s.code != 3 || !strings.Contains(s.stderr, c.want) || strings.Count(strings.TrimSpace(s.stderr), "\n") > 0 {
				t.Errorf("exit %d, %q; want 3 and one line with %q", s.code, s.stderr, c.want)
			}
			if s.stdout != "" {
				t.Errorf("it printed %s", s.stdout)
			}
		})
	}
}

// An ordinary user plays as root does; where the system refuses it namespaces, it
// plays without, and what needs them is an error that names the setting.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("every other test runs as an ordinary user")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		needs.Missing(t, err)
	}
	const nobody = "65534"
	own := func(m *machine) {
		for d := m.dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range []string{"home", "tmp", "cache", "cache/faildrill"} {
			if err := os.Chmod(filepath.Join(m.dir, d), 0o777); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("plays", func(t *testing.T) {
		m := newMachine(t)
		own(m)
		m.drill("2200ms")
		start := func() *running {
			cmd := m.run("builtin")
			cmd.Args = append([]string{setpriv, "--reuid", nobody, "--regid", nobody, "--clear-groups", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = setpriv
			return m.start(cmd)
		}
		r := start()
		s := r.judged(start)
		r.gone()
		if s.code != 0 || s.run.Verdict != result.Pass {
			t.Errorf("exit %d, %s %s %s: %+v %+v", s.code, s.run.Verdict, s.run.Reason, s.stderr, s.run.Expectations, s.run.Divergence)
		}
	})
	refused := func(t *testing.T, plane string) said {
		m := newMachine(t)
		if plane == "istiod" {
			// Where another user may read it.
			if err := copyFile(filepath.Join(m.dir, "runs-istiod"), needs.Istiod(t).Path); err != nil {
				t.Fatal(err)
			}
			m.setenv("FAILDRILL_ISTIOD", m.dir+"/runs-istiod")
		}
		own(m)
		m.drill("2200ms")
		cmd := m.run(plane)
		script := `echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --reuid ` + nobody + ` --regid ` + nobody + ` --clear-groups "$@"`
		cmd.Args = append([]string{"sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		everyone := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: everyone, GidMappings: everyone, GidMappingsEnableSetgroups: true}
		r := m.start(cmd)
		s := r.wait()
		r.gone()
		return s
	}
	t.Run("is refused", func(t *testing.T) {
		s := refused(t, "istiod")
		if s.code != 3 || !strings.Contains(s.run.Reason+s.stderr, "sudo sysctl -w user.max_user_namespaces=") {
			t.Errorf("exit %d, %q %s; want 3 and the setting", s.code, s.run.Reason, s.stderr)
		}
	})
	t.Run("plays without", func(t *testing.T) {
		s := refused(t, "builtin")
		if s.code != 0 || s.run.Verdict != result.Pass || !strings.Contains(s.run.Setting, "without namespaces") {
			t.Errorf("exit %d, %s %s %q %s: %+v", s.code, s.run.Verdict, s.run.Reason, s.run.Setting, s.stderr, s.run.Divergence)
		}
	})
}

// A disk that is full ends the run with what it says; nothing hangs.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	for name, size := range map[string]string{"at once": "8k", "in the middle": "100k"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.drill("3s")
			if err := os.Mkdir(filepath.Join(m.dir, "runs"), 0o777); err != nil {
				t.Fatal(err)
			}
			cmd := m.run("builtin")
			cmd.Args = append([]string{"sh", "-c", `mount -t tmpfs -o size=` + size + ` none runs && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			r := m.start(cmd)
			s := r.wait()
			r.gone()
			if s.code != 3 || !strings.Contains(s.stderr+s.run.Reason, "no space left on device") {
				t.Errorf("exit %d, %q %q; want 3 and that the disk is full", s.code, s.run.Reason, s.stderr)
			}
		})
	}
}

// An endpoint's name that no upstream has is told before anything runs.
func TestNamesWithoutUpstreams(t *testing.T) {
	m := newMachine(t)
	text := strings.Replace(drillYAML, "DURATION", "2200ms", 1)
	text = strings.Replace(text, "  - {address: west.example, locality: us-west1}\n",
		"  - {address: west.example, locality: us-west1}\n  - {address: nobody.example, locality: us-east1}\n", 1)
	m.write("drill.yaml", text)
	s := m.start(m.run("builtin")).wait()
	if s.code != 2 || !strings.Contains(s.stderr, `the endpoint address "nobody.example" (drill.yaml:29:6) is served by no upstream`) {
		t.Errorf("exit %d, %s", s.code, s.stderr)
	}
}

// istioctl reads the proxies too wherever the endpoints are looked at, and agrees.
func TestSecondView(t *testing.T) {
	t.Parallel()
	ctl := needs.Istioctl(t)
	m := newMachine(t)
	m.setenv("FAILDRILL_ISTIOCTL", ctl.Path)
	m.drill("2200ms")
	start := func() *running { return m.start(m.run("builtin")) }
	r := start()
	s := r.judged(start)
	r.gone()
	if s.code != 0 {
		t.Errorf("exit %d, %s %s %s", s.code, s.run.Verdict, s.run.Reason, s.stderr)
	}
	text, err := os.ReadFile(filepath.Join(m.dir, "runs/small/evidence/sleep-istioctl-endpoints-2.2s.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var checks []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); strings.HasPrefix(f[0], "198.") {
			checks = append(checks, f[2])
		}
	}
	if strings.Join(checks, " ") != "FAILED OK" {
		t.Errorf("the outlier checks are %v, want east FAILED and west OK:\n%s", checks, text)
	}
}

// A kept run goes on by itself, says what its proxies have, and ends when it is told to.
func TestKeep(t *testing.T) {
	t.Parallel()
	planes(t, func(t *testing.T, m *machine, plane string) {
		if plane == onLoopback {
			t.Skip("what is kept has namespaces of its own")
		}
		if ctl, err := binaries.Istioctl(); err == nil {
			m.setenv("FAILDRILL_ISTIOCTL", ctl.Path)
		}
		m.drill("2200ms")
		start := func() *running {
			m.start(m.command("clean")).wait()
			return m.start(m.run(plane, "--keep"))
		}
		r := start()
		s := r.judged(start)
		t.Cleanup(func() { m.start(m.command("clean")).wait() }) // should anything below fail
		if s.code != 0 || !strings.Contains(s.stderr, "faildrill endpoints small-") {
			t.Errorf("exit %d, %s %s", s.code, s.run.Reason, s.stderr)
		}
		// Neither the end of who started it nor that of its session ends it.
		for _, name := range []string{"faildrill-live", "envoy"} {
			if ps := r.processes(); !slices.ContainsFunc(ps, func(p process) bool { return p.name == name }) {
				t.Fatalf("%s is not among what stays: %v", name, ps)
			}
		}
		list := m.start(m.command("clean", "--list")).wait()
		if !strings.Contains(list.stdout, "small on Envoy "+envoy(t).Version) {
			t.Errorf("listed is %q %s", list.stdout, list.stderr)
		}
		asked := m.start(m.command("endpoints", "-o", "json")).wait()
		var doc result.Document[result.Table]
		if err := json.Unmarshal([]byte(asked.stdout), &doc); err != nil || len(doc.Results) != 1 || asked.code != 0 {
			t.Fatalf("exit %d, %v: %s %s", asked.code, err, asked.stdout, asked.stderr)
		}
		rows := doc.Results[0].Rows
		if len(rows) != 2 || rows[0].Upstream != "east" || rows[0].OutlierCheck != "FAILED" || rows[0].Ejections != 1 || rows[1].OutlierCheck != "OK" || rows[1].Share == 0 {
			t.Errorf("the endpoints are %+v", rows)
		}
		if slices.ContainsFunc(m.env, func(e string) bool { return strings.HasPrefix(e, "FAILDRILL_ISTIOCTL=") }) && (rows[0].Istioctl == nil || rows[0].Istioctl.OutlierCheck != "FAILED") {
			t.Errorf("istioctl says %+v", rows[0].Istioctl)
		}
		if stored := m.start(m.command("endpoints", "runs/small")).wait(); !strings.Contains(stored.stdout, "kept as") {
			t.Errorf("the folder of a kept run means the run: %s %s", stored.stdout, stored.stderr)
		}
		if c := m.start(m.command("clean", "small")).wait(); c.code != 0 || !strings.HasPrefix(c.stdout, "ended small-") {
			t.Errorf("exit %d, %s %s", c.code, c.stdout, c.stderr)
		}
		r.gone()
		if again := m.start(m.command("endpoints", "runs/small")).wait(); again.code != 0 || !strings.Contains(again.stdout, "stored as runs/small") || !strings.Contains(again.stdout, "FAILED") {
			t.Errorf("exit %d, %s %s", again.code, again.stdout, again.stderr)
		}
	})
}

// A run that was to be kept leaves nothing when it is killed or interrupted before, and
// nothing but its entry when it is killed after.
func TestKeepKilled(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.drill("10m")
	for _, signal := range []os.Signal{os.Interrupt, os.Kill} {
		r := m.start(m.run("builtin", "--keep"))
		r.has("runs/*/trace.jsonl", `"kind":"step"`)
		if err := r.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-r.ended
		r.gone()
		if err := os.RemoveAll(filepath.Join(m.dir, "runs")); err != nil {
			t.Fatal(err)
		}
	}
	m.drill("2200ms")
	r := m.start(m.run("builtin", "--keep"))
	r.wait()
	if err := syscall.Kill(r.program("faildrill-live").pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.gone()
	m.await("it was not listed any more", func() bool {
		list := m.start(m.command("clean", "--list")).wait()
		return list.code == 0 && list.stdout == ""
	})
}
