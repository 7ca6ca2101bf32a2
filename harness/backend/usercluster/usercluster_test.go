package usercluster

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/doctor"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func profile(t *testing.T, text string) istio.Profile {
	t.Helper()
	p, err := istio.ParseProfile(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// playable is a schedule that a namespace can play.
func playable(t *testing.T) *schedule.Schedule {
	t.Helper()
	return &schedule.Schedule{
		Profile: profile(t, "1.31"), Scale: 1,
		Clients:   []schedule.Client{{Name: "sleep", Namespace: "default", Load: schedule.Load{URL: "http://mydb.com/"}}},
		Upstreams: []schedule.Upstream{{Name: "east", Address: "east.example", IPs: []netip.Addr{netip.MustParseAddr("198.18.0.1")}, Ports: []uint32{80}}},
		Documents: [][]schedule.Document{{{Kind: "ServiceEntry", Namespace: "default", Name: "mydb"}}},
		Configs:   [][]xds.Config{{{}}},
	}
}

// What is missing is named, each once.
func TestMissing(t *testing.T) {
	hole := []schedule.Step{{Kind: schedule.KindFault, Fault: &schedule.Fault{Behaviour: schedule.Blackhole}}}
	for _, test := range []struct {
		feature  string // "": none
		netAdmin bool
		istio    string
		change   func(*schedule.Schedule)
	}{
		{"", true, "1.31.0", func(s *schedule.Schedule) { s.Upstreams[0].Address, s.Steps = "198.18.0.1", hole }},
		{"", false, "", func(*schedule.Schedule) {}},
		{"endpoints by address", false, "", func(s *schedule.Schedule) { s.Upstreams[0].Address = "198.18.0.1" }},
		{"black holes", false, "", func(s *schedule.Schedule) { s.Steps = hole }},
		{"stop", true, "1.31.0", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "dead", Behaviour: schedule.Stop}}}
		}},
		{"partition", true, "1.31.0", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "cut", Behaviour: schedule.Partition}}}
		}},
		{"", true, "1.31.0", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "still", Behaviour: schedule.Pause}}}
		}},
		{"a restart of istiod", true, "1.31.0", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{{Kind: schedule.KindRestart, Restart: schedule.Istiod}}
		}},
		{"Istio 1.31", true, "1.30.2", func(*schedule.Schedule) {}},
		{"scaled configuration", true, "", func(s *schedule.Schedule) { s.Scale = 2 }},
		{"Gateway", true, "", func(s *schedule.Schedule) { s.Documents[0][0].Kind = "Gateway" }},
		{"certificates of the mesh", true, "", func(s *schedule.Schedule) {
			s.Configs[0][0].Clusters = []xds.Cluster{{TLS: &xds.TLS{CA: xds.MeshRoot}, Localities: []xds.LocalityEndpoints{{Endpoints: []xds.Endpoint{{Address: "east.example", Port: 80}}}}}}
		}},
	} {
		s := playable(t)
		test.change(s)
		ms := Backend{report: Report{NetAdmin: test.netAdmin, Istio: test.istio}}.Missing(s)
		if test.feature == "" && len(ms) > 0 || test.feature != "" && (len(ms) != 1 || ms[0].Feature != test.feature || ms[0].Why == "") {
			t.Errorf("want %q missing, got %+v", test.feature, ms)
		}
	}
}

// What the user says of the releases is believed until the sidecars say otherwise.
func TestMissingOfNamedReleases(t *testing.T) {
	b := Backend{set: Settings{Profile: "istio=1.31,envoy=1.40"}, report: Report{Istio: "1.30.0"}}
	s := playable(t)
	if ms := b.Missing(s); len(ms) != 1 || ms[0].Feature != "Envoy 1.39" {
		t.Errorf("got %+v", ms)
	}
	s.Profile = profile(t, b.set.Profile)
	if ms := b.Missing(s); len(ms) > 0 {
		t.Errorf("got %+v", ms)
	}
}

// A drill is predicted with the Istio that is there, unless somebody says otherwise.
func TestLive(t *testing.T) {
	for _, test := range []struct {
		there string
		named string
		drill string
		want  string
	}{
		{"1.29.1", "", "1.31", "1.29.1"}, {"1.29.1", "1.31", "1.31", "1.31"}, {"", "", "1.31", "1.31"},
		{"1.31.2", "", "istio=1.31,envoy=1.40", "1.31"}, {"1.29.1", "", "1.19", "1.19"}, {"1.29.1", "", "istio=1.31,envoy=1.36", "1.31"},
	} {
		b := Backend{set: Settings{Profile: test.named}, report: Report{Istio: test.there}}
		d, err := b.Live(&schedule.Drill{Profile: profile(t, test.drill)})
		if err != nil || d.Profile.Istio != test.want {
			t.Errorf("%+v: got %v, %v", test, d.Profile, err)
		}
	}
	if _, err := (Backend{report: Report{Istio: "1.99.0"}}).Live(&schedule.Drill{Profile: profile(t, "1.31")}); err == nil || !strings.Contains(err.Error(), "--profile") {
		t.Errorf("a release that nobody knows: got %v", err)
	}
}

// A kubeconfig means the same wherever somebody cleans.
func TestAbsolute(t *testing.T) {
	t.Setenv("KUBECONFIG", "staging.yaml")
	t.Setenv(ImageVariable, "own:1")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if s := (Settings{}).absolute(); s.Kubeconfig != filepath.Join(here, "staging.yaml") || s.Image != "own:1" {
		t.Errorf("got %+v", s)
	}
	t.Setenv("KUBECONFIG", "a"+string(filepath.ListSeparator)+"b")
	if s := (Settings{Image: "other:1"}).absolute(); s.Kubeconfig != "" || s.Image != "other:1" {
		t.Errorf("got %+v; several files are the library's to read", s)
	}
}

func TestReport(t *testing.T) {
	r := Report{Istio: "1.31.0", Checks: []doctor.Check{{Name: "api server", State: doctor.OK}, {Name: "pods", State: doctor.Missing, What: "none", Fix: "do"}}}
	if err := r.Refusal(); err == nil || err.Error() != "none: do" {
		t.Errorf("got %v", err)
	}
	d := r.Doctor(Settings{Context: "staging", Namespace: "drill"})
	if lacks := d.Lacks([]string{doctor.Cluster}); lacks != "cluster cannot run here (missing: pods)" {
		t.Errorf("got %q", lacks)
	}
	var ue UserError
	if err := (Report{Wrong: "no such context"}).Refusal(); !errors.As(err, &ue) {
		t.Errorf("got %v", err)
	}
}

// The README prints the Role as it is.
func TestRoleInReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rules, _ := strings.Cut(roleYAML, "\nrules:\n")
	rules, _, _ = strings.Cut(rules, "\n---\n")
	for line := range strings.Lines(rules) {
		if want := "    " + strings.TrimRight(line, "\n") + "\n"; !strings.Contains(string(readme), want) {
			t.Errorf("README.md lacks the line %q", want)
		}
	}
	if !strings.Contains(string(readme), "    rules:\n    "+strings.ReplaceAll(strings.TrimSpace(rules), "\n", "\n    ")+"\n") {
		t.Error("README.md has the rules in another order")
	}
}
