package doctor

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func ptr(n int) *int { return &n }

// machines are what Probe may have seen.
func machines() map[string]Facts {
	live := Program{Path: "/usr/local/bin/faildrill-live"}
	istiod := Program{Path: "/home/me/.cache/faildrill/istio/1.31.0-0123456789ab/pilot-discovery", Version: "1.31.0"}
	istioctl := Program{Path: "/home/me/.cache/faildrill/istio/1.31.0-0123456789ab/istioctl", Version: "1.31.0"}
	golang := Program{Path: "/usr/local/go/bin/go", Version: "go1.26.8"}
	disk := Disk{Dir: "/home/me/.cache/faildrill", Free: 57_300_000_000}
	whole := Facts{
		OS: "linux", Arch: "amd64", Kernel: "6.8.0",
		Namespaces: Namespaces{Made: true, WithUser: true, UnprivilegedUsernsClone: ptr(1), AppArmorRestrictUserns: ptr(0), MaxUserNamespaces: ptr(63000)},
		Inotify:    Inotify{Free: Plenty, Limit: ptr(128)},
		Live:       live, Istiod: istiod, Istioctl: istioctl, Go: golang, Cache: disk,
		Envoys: []Program{{Path: "/e/1.36.4/envoy", Version: "1.36.4"}, {Path: "/e/1.40.0/envoy", Version: "1.40.0"}},
		Docker: Program{Path: "unix:///var/run/docker.sock", Version: "API 1.47"},
		Kind:   Program{Error: "the kind cluster is not up: faildrill kind up", Fix: "faildrill kind up"},
	}
	up := whole
	up.Kind = Program{Version: "Envoy 1.40.0, Istio 1.31.0, Kubernetes 1.36.3, nodes in us-east1/us-east1-b"}
	kept := whole
	kept.KeptRuns = []string{".faildrill/runs/20261101-120000-recipe, since 2026-11-01 12:00, faildrill clean ends it"}

	ubuntu := whole
	ubuntu.Namespaces = Namespaces{Error: "permission denied", UnprivilegedUsernsClone: ptr(1), AppArmorRestrictUserns: ptr(1), MaxUserNamespaces: ptr(63000)}

	debian := whole
	debian.Namespaces = Namespaces{Error: "operation not permitted", UnprivilegedUsernsClone: ptr(0), MaxUserNamespaces: ptr(63000)}
	debian.Inotify.Free = 20
	debian.Envoys = []Program{
		{Error: "/e/1.36.4/envoy is a program of linux/arm64; this machine is linux/amd64", Fix: "faildrill fetch envoy@1.36.4"},
		{Path: "/e/1.40.0/envoy", Version: "1.40.0"},
	}

	none := whole
	none.Root = true
	none.Namespaces = Namespaces{Error: "no space left on device", MaxUserNamespaces: ptr(0)}

	container := Facts{
		OS: "linux", Arch: "arm64", Kernel: "6.8.0", Root: true,
		Namespaces: Namespaces{Error: "operation not permitted", RestrictedByTheContainer: true, MaxUserNamespaces: ptr(63000)},
		Inotify:    Inotify{Free: 3, Limit: ptr(128)},
		Live:       Program{Error: "not beside faildrill, and not in PATH", Fix: "make build"},
		Istiod:     Program{Error: "not found", Fix: "make tools in a checkout of faildrill, or set $FAILDRILL_ISTIOD"},
		Istioctl:   Program{Error: "not found", Fix: "make tools in a checkout of faildrill, or set $FAILDRILL_ISTIOCTL"},
		Go:         Program{Error: "not in PATH", Fix: "install Go from go.dev/dl: only make tools needs it"},
		Docker:     Program{Error: "cannot be reached at unix:///var/run/docker.sock", Fix: "install Docker and start it"},
		Kind:       Program{Error: "kind needs Docker: docker is not installed", Fix: "faildrill kind up"},
		Cache:      Disk{Dir: "/root/.cache/faildrill", Free: 300_000_000},
	}

	mac := whole
	mac.OS, mac.Arch, mac.Kernel = "darwin", "arm64", ""
	mac.Namespaces = Namespaces{}
	mac.Cache = Disk{Dir: "/Users/me/Library/Caches/faildrill", Free: -1, Error: "/Users/me cannot be written"}
	mac.Envoys = []Program{{Error: "/e/1.40.0/envoy is not an executable file", Fix: "faildrill fetch envoy@1.40.0"}}

	macWhole := mac
	macWhole.Envoys = whole.Envoys

	return map[string]Facts{
		"whole": whole, "kind-up": up, "kept": kept, "ubuntu": ubuntu, "debian": debian, "no-namespaces": none, "container": container, "mac": mac, "mac-whole": macWhole,
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got), rewritten by -update:\n%s", name, d)
	}
}

func TestGoldenText(t *testing.T) {
	for name, f := range machines() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Text(&b, Diagnose(f)); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", b.String())
		})
	}
}

func TestGoldenJSON(t *testing.T) {
	b, err := json.MarshalIndent(Diagnose(machines()["container"]), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "container.json", string(b)+"\n")
}

// A backend runs when nothing that it needs is missing: each need by itself.
func TestNeeds(t *testing.T) {
	gone := Program{Error: "gone", Fix: "get it"}
	for _, c := range []struct {
		what            string
		take            func(*Facts)
		builtin, istiod bool
	}{
		{"nothing", func(*Facts) {}, true, true},
		{"live", func(f *Facts) { f.Live = gone }, false, false},
		{"envoy", func(f *Facts) { f.Envoys = nil }, false, false},
		{"one envoy of two", func(f *Facts) { f.Envoys = []Program{gone, f.Envoys[1]} }, true, true},
		{"istiod", func(f *Facts) { f.Istiod = gone }, true, false},
		{"istioctl", func(f *Facts) { f.Istioctl = gone }, true, true},
		{"namespaces", func(f *Facts) { f.Namespaces = Namespaces{Error: "no"} }, true, false},
		{"inotify", func(f *Facts) { f.Inotify.Free = 3 }, false, false},
		{"much inotify", func(f *Facts) { f.Inotify.Free = 20 }, true, true},
		{"go", func(f *Facts) { f.Go = gone }, true, true},
		{"docker", func(f *Facts) { f.Docker = gone }, true, true},
		{"linux", func(f *Facts) { f.OS, f.Namespaces = "darwin", Namespaces{} }, true, false},
	} {
		f := machines()["whole"]
		c.take(&f)
		runs := map[string]bool{}
		for _, b := range Diagnose(f).Backends {
			runs[b.Name] = b.Runs
		}
		if runs[EnvoyBuiltin] != c.builtin || runs[EnvoyIstiod] != c.istiod || !runs[Model] || !runs[Inproc] {
			t.Errorf("without %s: got %v, want %s %v, %s %v", c.what, runs, EnvoyBuiltin, c.builtin, EnvoyIstiod, c.istiod)
		}
	}
}

func TestLacks(t *testing.T) {
	whole, mac := Diagnose(machines()["whole"]), Diagnose(machines()["mac-whole"])
	for _, c := range []struct {
		r    Report
		want []string
		says string
	}{
		{whole, nil, ""},
		{whole, []string{Model, Inproc, Envoy}, ""},
		{whole, []string{Kind}, "kind cannot run here (missing: kind)"},
		{mac, []string{EnvoyBuiltin}, ""},
		{mac, []string{Inproc, Envoy}, "envoy-istiod cannot run here (missing: namespaces)"},
	} {
		if got := c.r.Lacks(c.want); got != c.says {
			t.Errorf("%v: got %q, want %q", c.want, got, c.says)
		}
	}
	for _, name := range Names() {
		listed := name == Envoy
		for _, b := range whole.Backends {
			listed = listed || b.Name == name
		}
		if !listed {
			t.Errorf("%s is no backend of the report", name)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestTextSaysThatItCannotWrite(t *testing.T) {
	if err := Text(fullDisk{}, Diagnose(machines()["whole"])); err == nil {
		t.Error("nothing is said")
	}
}
