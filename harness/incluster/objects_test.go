package incluster

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/faildrill/faildrill/harness/detour"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

var update = flag.Bool("update", false, "write the goldens")

func settings() *Settings {
	return &Settings{Namespace: "drill-a1b2", Run: "a1b2", Agent: "faildrill/faildrill-agent:1", Own: true, Istiod: netip.MustParseAddr("10.96.0.11"), Regions: []string{"us-east1/us-east1-b"}, Files: map[string][]byte{"/etc/ca/ca.crt": []byte("PEM"), "/etc/own/cert.pem": []byte("CHAIN")}}
}

// Everything that a drill makes, as people would write it.
func TestGoldenObjects(t *testing.T) {
	s := settings()
	var all []*kube.Object
	for _, f := range []func(*Settings) ([]*kube.Object, error){names, environment} {
		os, err := f(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, os...)
	}
	led := detour.Rules{To: map[netip.Addr]netip.Addr{netip.MustParseAddr("10.10.0.1"): netip.MustParseAddr("172.18.0.5")}}
	for i, c := range []schedule.Client{
		{Name: "sleep", Locality: xds.Locality{Region: "us-east1", Zone: "us-east1-b"}, Labels: map[string]string{"version": "v1"}},
		{Name: "Europe's client", Locality: xds.Locality{Region: "eu-west1", Zone: "a", SubZone: "rack1"}},
		{Name: "nowhere"},
	} {
		o, err := workload(s, &c, i, "10.96.0.20", led)
		if err != nil {
			t.Fatal(err)
		}
		all, led = append(all, o), detour.Rules{}
	}
	golden(t, "objects.yaml", text(t, all))
}

func text(t *testing.T, os []*kube.Object) string {
	t.Helper()
	var b strings.Builder
	for _, o := range os {
		y, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(y))
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestObjectName(t *testing.T) {
	for name, want := range map[string]string{"sleep": "sleep", "Europe's client": "europe-s-client", "--": "client", strings.Repeat("a", 80): strings.Repeat("a", 50)} {
		if got := objectName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
