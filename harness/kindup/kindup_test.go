package kindup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
	if err := static(script); !errors.Is(err, errStatic) {
		t.Errorf("a script: got %v", err)
	}
	built := filepath.Join(dir, "mockupstream")
	cmd := exec.Command("go", "build", "-o", built, "../../mockupstreams/cmd/mockupstream")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := static(built); err != nil {
		t.Error(err)
	}
	t.Setenv("FAILDRILL_MOCKUPSTREAM", built)
	if p, err := mockProgram.find(); err != nil || p != built {
		t.Errorf("got %s, %v", p, err)
	}
}

// What people leave open stays as it was chosen for the cluster that is there, which says so itself.
func TestOptions(t *testing.T) {
	there := Options{Regions: []string{"eu-west1"}, Mirror: images.Mirror{Hub: "mirror.example/istio", Node: "node:1"}}
	got := Options{Mirror: images.Mirror{Node: "node:2"}}.or(there)
	if !slices.Equal(got.Regions, there.Regions) || got.Mirror != (images.Mirror{Hub: "mirror.example/istio", Node: "node:2"}) {
		t.Errorf("got %+v", got)
	}
	if got := (Options{Regions: []string{"us-east1/b", "us-west1"}}).or(there); len(got.Regions) != 2 {
		t.Errorf("got %+v", got)
	}
	text, err := json.Marshal(there)
	if err != nil {
		t.Fatal(err)
	}
	m, err := markOf(map[string]string{markKey: "1", chosenKey: string(text)})
	if err != nil || m.fingerprint != "1" || !slices.Equal(m.chosen.Regions, there.Regions) || m.chosen.Mirror != there.Mirror {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err := markOf(map[string]string{markKey: "1"}); err != nil || len(m.chosen.Regions) != 0 {
		t.Errorf("a cluster for which nothing was chosen: got %+v, %v", m, err)
	}
	// Which agents its nodes have is known of a cluster that says so.
	if m.lacks("agent:1") || !m.with("agent:1").lacks("agent:2") || m.with("agent:1").with("agent:2").lacks("agent:1") {
		t.Error("the nodes lack what was loaded, or have what was not")
	}
	for n := range 2 * mostAgents {
		m = m.with(fmt.Sprint("agent:", n)).with("agent:own")
	}
	if len(m.agents) != mostAgents || m.lacks("agent:own") || !m.lacks("agent:1") {
		t.Errorf("got %q", m.agents)
	}
	for _, text := range []string{"{", `{"regions": ["a b"]}`} {
		if _, err := markOf(map[string]string{markKey: "1", chosenKey: text}); err == nil {
			t.Errorf("%s: taken for a choice", text)
		}
	}
	for name, o := range map[string]Options{
		"zones of zones": {Regions: []string{"a/b/c"}}, "nothing": {Regions: []string{""}}, "no zone": {Regions: []string{"a/"}}, "too many": {Regions: make([]string, 9)},
		"an address": {Mirror: images.Mirror{Hub: "https://mirror.example"}}, "a flag": {Mirror: images.Mirror{Node: "--all"}}, "a folder": {Mirror: images.Mirror{Hub: "mirror.example/"}},
	} {
		var wrong UsageError
		if err := o.check(); !errors.As(err, &wrong) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Images of earlier builds go, but not those that another checkout may use, nor this one's.
func TestOld(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	all := []listed{
		{"faildrill/mockupstream", "yesterday", "2026-11-22 11:59:00 +0000 UTC"},
		{"faildrill/mockupstream", "today", "2026-11-22 12:01:00 +0000 UTC"},
		{"faildrill/mockupstream", "own", "2026-11-01 12:00:00 +0000 UTC"},
		{"faildrill/mockupstream", "elsewhere", "2026-11-22 14:30:00 +0530 IST"},
		{"faildrill/mockupstream", "<none>", "2026-11-01 12:00:00 +0000 UTC"},
		{"faildrill/mockupstream", "unknown", "N/A"},
	}
	if got := old(all, now, "faildrill/mockupstream:own"); !slices.Equal(got, []string{"faildrill/mockupstream:yesterday", "faildrill/mockupstream:elsewhere"}) {
		t.Errorf("got %q", got)
	}
}

func TestImageNames(t *testing.T) {
	for image, want := range map[string][2]string{ // without its digest, in a node
		"kindest/node:v1@sha256:00":         {"kindest/node:v1", "docker.io/kindest/node:v1"},
		"mirror:5000/node@sha256:00":        {"mirror:5000/node@sha256:00", "mirror:5000/node@sha256:00"},
		"docker.io/istio/pilot:1":           {"docker.io/istio/pilot:1", "docker.io/istio/pilot:1"},
		"localhost/istio/pilot:1":           {"localhost/istio/pilot:1", "localhost/istio/pilot:1"},
		"curl:8":                            {"curl:8", "docker.io/library/curl:8"},
		"mirror.example/a/b:1.0@sha256:00f": {"mirror.example/a/b:1.0", "mirror.example/a/b:1.0"},
	} {
		if name := withoutDigest(image); name != want[0] || inNode(name) != want[1] {
			t.Errorf("%s: got %s, %s; want %s", image, name, inNode(name), want)
		}
	}
}

// A file that others read is replaced whole, and one that cannot be leaves nothing.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "kind", "kubeconfig")
	for _, text := range []string{"one", "two"} {
		if err := replaceFile(name, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(taken, "three"); err == nil {
		t.Error("a folder is replaced")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left %v, %v", left, err)
	}
}
