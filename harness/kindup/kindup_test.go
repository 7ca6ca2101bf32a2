package kindup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/faildrill/faildrill/harness/images"
)

// Nodes carry the regions, the control plane the first; an own node runs on older machines, too.
func TestConfig(t *testing.T) {
	c := config(settings{Regions: []string{"us-east1/us-east1-b", "us-west1"}, Images: images.Images{Vanilla: true}})
	if len(c.Nodes) != 2 || c.Nodes[0].Role != v1alpha4.ControlPlaneRole || c.Nodes[1].Role != v1alpha4.WorkerRole {
		t.Fatalf("got %+v", c.Nodes)
	}
	for i, want := range []map[string]string{
		{"topology.kubernetes.io/region": "us-east1", "topology.kubernetes.io/zone": "us-east1-b"}, {"topology.kubernetes.io/region": "us-west1"},
	} {
		for k, v := range want {
			if c.Nodes[i].Labels[k] != v || len(c.Nodes[i].Labels) != len(want) {
				t.Errorf("node %d: got %v, want %v", i, c.Nodes[i].Labels, want)
			}
		}
	}
	one := []string{DefaultRegion}
	for n, s := range map[int]settings{0: {Regions: one}, 1: {Regions: []string{"a", "b"}}, 2: {Regions: one, Images: images.Images{Vanilla: true}}, 3: {Regions: []string{"a", "b"}, Images: images.Images{Vanilla: true}}} {
		if got := config(s).KubeadmConfigPatches; len(got) != n {
			t.Errorf("want %d patches: only an own node needs its programs told, only one of several its taint removed; got %q", n, got)
		}
	}
}

// Whatever a cluster is made from is in its fingerprint.
func TestFingerprint(t *testing.T) {
	a := settings{Images: images.Images{Tag: "1"}, Node: "sha256:1", Regions: []string{DefaultRegion}, Istio: "1.31.0", Install: []string{"install"}}
	for name, change := range map[string]func(*settings){
		"image": func(s *settings) { s.Images.Tag = "2" }, "node": func(s *settings) { s.Node = "sha256:2" },
		"region": func(s *settings) { s.Regions = []string{"eu"} }, "Istio": func(s *settings) { s.Istio = "1.32.0" },
		"installation": func(s *settings) { s.Install = nil },
	} {
		b := a
		change(&b)
		if a.fingerprint() == b.fingerprint() {
			t.Errorf("another %s is the same cluster", name)
		}
	}
}

// An unmodified Envoy would refuse what Istio's own filters want; Istio's proxy keeps them.
func TestInstall(t *testing.T) {
	const filters = "values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE=false"
	if !slices.Contains(install(images.Images{Vanilla: true}), filters) || slices.Contains(install(images.Images{}), filters) {
		t.Error("the filters are off for an unmodified Envoy, and only for it")
	}
}

// What goes into an image that has nothing else has to be static.
func TestStatic(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := mockImage.static(script); !errors.Is(err, errStatic) {
		t.Errorf("a script: got %v", err)
	}
	static := filepath.Join(dir, "mockupstream")
	cmd := exec.Command("go", "build", "-o", static, "../../mockupstreams/cmd/mockupstream")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := mockImage.static(static); err != nil {
		t.Error(err)
	}
	t.Setenv("FAILDRILL_MOCKUPSTREAM", static)
	if p, err := mockImage.find(); err != nil || p != static {
		t.Errorf("got %s, %v", p, err)
	}
}
