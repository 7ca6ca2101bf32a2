package istiod

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/schedule"
)

// The test binary plays a broken istiod when it is started as one.
const role = "FAILDRILL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "dies":
		fmt.Println("info\tstarting")
		fmt.Println("error\tno such mesh")
		os.Exit(3)
	case "hangs":
		fmt.Println("info\tstill starting")
		time.Sleep(time.Minute)
	case "parent":
		p, err := startProcess(exec.Command("sleep", "60"), os.DevNull)
		if err != nil {
			panic(err)
		}
		fmt.Println(p.pid)
		time.Sleep(time.Minute)
	case "":
		goleak.VerifyTestMain(m)
	}
}

func document(t testing.TB, kind, namespace, name, spec string) schedule.Document {
	t.Helper()
	return schedule.Document{
		Kind: kind, Namespace: namespace, Name: name,
		YAML: fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: %s}\nspec: %s\n", kind, name, spec),
	}
}

func entry(t testing.TB, host string) schedule.Document {
	return document(t, "ServiceEntry", "default", strings.ReplaceAll(host, ".", "-"),
		"{hosts: ["+host+"], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS, endpoints: [{address: east."+host+"}]}")
}

func TestStartFails(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		role, binary string
		within       time.Duration
		want         string
	}{
		{"dies", self, 0, "istiod died before it was ready (exit status 3); the end of its log: info starting | error no such mesh"},
		{"hangs", self, time.Second, "1s passed before istiod was ready; the end of its log: info still starting"},
		{"", filepath.Join(t.TempDir(), "none"), 0, "no such file or directory"},
	} {
		i, err := Start(t.Context(), Options{Binary: c.binary, Dir: t.TempDir(), Env: []string{role + "=" + c.role}, ReadyTimeout: c.within})
		if err == nil {
			i.Stop()
			t.Errorf("%s %s: no error", c.role, c.binary)
		} else if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want %q", err, c.want)
		}
	}
}

// Whoever starts istiod may give up at any time.
func TestStartCancelled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("enough")) })
	begin := time.Now()
	_, err = Start(ctx, Options{Binary: self, Dir: t.TempDir(), Env: []string{role + "=hangs"}})
	if err == nil || !strings.Contains(err.Error(), "enough") || time.Since(begin) > 10*time.Second {
		t.Errorf("got %v after %s, want the cause at once", err, time.Since(begin))
	}
}

// A stopped child is gone, and so is what it started.
func TestStopKillsTheGroup(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("process groups are used on Linux only")
	}
	dir := t.TempDir()
	p, err := startProcess(exec.Command("sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"), filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	var child int
	for begin := time.Now(); child == 0; time.Sleep(time.Millisecond) {
		if _, err := fmt.Sscan(p.logFrom(0), &child); err != nil && time.Since(begin) > 10*time.Second {
			t.Fatal("the child's child did not start")
		}
	}
	p.stop()
	for begin := time.Now(); !gone(child); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("process %d lives", child)
		}
	}
	if p.exit() == "" {
		t.Error("the child has not exited")
	}
	p.stop()
}

// A child does not outlive its parent, however that ends.
func TestChildDiesWithParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = []string{role + "=parent", "PATH=" + os.Getenv("PATH")}
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscan(out, &child); err != nil {
		t.Fatal(err)
	}
	if gone(child) {
		t.Fatal("the child did not live")
	}
	_ = parent.Process.Kill()
	_ = parent.Wait() // killed
	for begin := time.Now(); !gone(child); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("process %d lives", child)
		}
	}
}

// gone: a killed orphan may stay as a zombie until its new parent looks.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestRefusal(t *testing.T) {
	for _, c := range []struct{ log, want string }{
		{"", ""},
		{"2026-08-27T12:00:00Z\tinfo\tTriggering reload of file configuration\n", ""},
		{"x\twarn\tunable to reload file configuration /d/config: configuration is invalid: a: b\nmore\n", "configuration is invalid: a: b"},
		{"x\twarn\tunable to reload file configuration /d/config: configur", ""},
	} {
		if got := refusal(c.log); got != c.want {
			t.Errorf("%q: got %q, want %q", c.log, got, c.want)
		}
	}
}

func TestFirstRefusal(t *testing.T) {
	for log, want := range map[string]string{
		"":                                      "",
		"info\tstarting\nerror\tno such mesh\n": "",
		"Error: failed to create discovery service: error initializing config controller: configuration is invalid: port 0\n2026\terror\tfailed": "configuration is invalid: port 0",
	} {
		if got := firstRefusal(log); got != want {
			t.Errorf("%q: got %q, want %q", log, got, want)
		}
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"kind: A\nmetadata: {name: x}\n", "kind: A\nmetadata: {name: n, namespace: ns}\n"},
		{"kind: A\nmetadata:\n", "kind: A\nmetadata:\n    name: n\n    namespace: ns\n"},
		{"kind: A\n", "kind: A\nmetadata:\n    name: n\n    namespace: ns\n"},
		{"kind: A\nmetadata: {name: x, namespace: other, labels: {a: \"1\"}}\n", "kind: A\nmetadata: {name: n, namespace: ns, labels: {a: \"1\"}}\n"},
	} {
		got, err := complete(schedule.Document{Namespace: "ns", Name: "n", YAML: c.yaml}, time.Time{})
		if err != nil || got != c.want {
			t.Errorf("%q: got %q (%v), want %q", c.yaml, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "[a]", "a: ["} {
		if got, err := complete(schedule.Document{YAML: bad}, time.Time{}); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
}

func TestIstiod(t *testing.T) {
	i, err := Start(t.Context(), Options{Binary: needs.Istiod(t).Path, Dir: t.TempDir(), Documents: []schedule.Document{entry(t, "a.example")}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	begin := time.Now()
	if err := i.SetConfig(t.Context(), []schedule.Document{entry(t, "b.example")}); err != nil {
		t.Fatal(err)
	}
	t.Logf("taken after %s", time.Since(begin))

	// A refusal says why, and the next configuration is taken again.
	bad := entry(t, "c.example")
	bad.YAML = strings.Replace(bad.YAML, "number: 80", "number: 0", 1)
	var refused *RefusedError
	if err := i.SetConfig(t.Context(), []schedule.Document{bad}); !errors.As(err, &refused) || !strings.Contains(refused.Reason, "port number 0") {
		t.Errorf("got %v, want a refusal of port 0", err)
	}
	if err := i.SetConfig(t.Context(), []schedule.Document{entry(t, "d.example")}); err != nil {
		t.Error(err)
	}
	i.Stop()
	select {
	case <-i.Done():
	default:
		t.Error("istiod runs after Stop")
	}
	if c, err := net.Dial("tcp", i.GRPCAddr()); err == nil {
		c.Close()
		t.Errorf("something listens on %s after Stop", i.GRPCAddr())
	}
}

// istiod does not start with an invalid object: a refusal, in its words.
func TestIstiodStartsWithInvalidObject(t *testing.T) {
	bad := entry(t, "c.example")
	bad.YAML = strings.Replace(bad.YAML, "number: 80", "number: 0", 1)
	i, err := Start(t.Context(), Options{Binary: needs.Istiod(t).Path, Dir: t.TempDir(), Documents: []schedule.Document{bad}})
	if err == nil {
		i.Stop()
		t.Fatal("it started")
	}
	var refused *RefusedError
	if want := "configuration is invalid: port number 0 must be in the range 1..65535"; !errors.As(err, &refused) || refused.Reason != want {
		t.Errorf("got %v, want the refusal %q", err, want)
	}
}
