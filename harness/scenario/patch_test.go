package scenario

import (
	"os"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/istio"
	networking "istio.io/api/networking/v1alpha3"
)

// A patch changes what it names and nothing else, a second one what the first made; what
// it does not touch stands where it stood.
func TestPatch(t *testing.T) {
	const text = `apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: patched}
spec:
  duration: 1m
  upstreams: [{name: east, address: 10.10.0.1, ports: [8080]}, {name: west, address: 10.10.0.2, ports: [8080]}]
  timeline:
  - {at: 1s, patch: {kind: ServiceEntry, name: mydb, merge: {spec: {resolution: DNS, location: null, endpoints: [{address: 10.10.0.2}]}}}}
  - {at: 2s, patch: {kind: ServiceEntry, name: mydb, merge: {metadata: {labels: {a: b}}, spec: {resolution: null}}}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  location: MESH_INTERNAL
  ports: [{number: 8080, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints:
  - {address: 10.10.0.1}
`
	inputs, err := Load(Files{Stdin: strings.NewReader(text)}, []string{"-"})
	if err != nil {
		t.Fatal(err)
	}
	in := inputs[0]
	entry := func(step int) (*istio.Resource, *networking.ServiceEntry) {
		r := in.After(step)[0]
		return r, r.Spec.(*networking.ServiceEntry)
	}
	if _, se := entry(-1); se.Resolution != networking.ServiceEntry_STATIC || se.Location != networking.ServiceEntry_MESH_INTERNAL {
		t.Errorf("at 0s: got %v", se)
	}
	r, se := entry(0)
	if se.Resolution != networking.ServiceEntry_DNS || se.Location != networking.ServiceEntry_MESH_EXTERNAL || len(se.Endpoints) != 1 || se.Endpoints[0].Address != "10.10.0.2" || se.Hosts[0] != "mydb.com" {
		t.Errorf("after the first: got %v", se)
	}
	for field, line := range map[string]int{"spec.hosts": 15, "spec.resolution": 8, "spec.ports": 17} {
		if got := r.Fields[field].Line; got != line {
			t.Errorf("%s stands in line %d, want %d", field, got, line)
		}
	}
	r, se = entry(1)
	if se.Resolution != networking.ServiceEntry_NONE || r.Labels["a"] != "b" || se.Endpoints[0].Address != "10.10.0.2" {
		t.Errorf("after the second: got %v, labels %v", se, r.Labels)
	}

	// A bundle has the patches as they were.
	files, err := Bundle(in)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(dir+"/"+name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Load(Disk(), []string{dir + "/scenario.yaml"})
	if err != nil {
		t.Fatalf("%v\n%s", err, files["scenario.yaml"])
	}
	if got := again[0].After(1)[0].Spec.(*networking.ServiceEntry); got.Resolution != networking.ServiceEntry_NONE || got.Endpoints[0].Address != "10.10.0.2" {
		t.Errorf("again: got %v", got)
	}
}
