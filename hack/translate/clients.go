package main

import (
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/istiod"
	"github.com/faildrill/faildrill/harness/xds"
)

// clients are the proxies that every push is read by: with and without
// locality, by node and by label, in several namespaces, with labels that rules
// select by.
func clients() []istio.Client {
	return []istio.Client{
		{Name: "a", Namespace: "default", Locality: xds.Locality{Region: "r1", Zone: "z1", SubZone: "s1"}, Labels: map[string]string{"app": "a", "ver": "v1"}},
		{Name: "b", Namespace: "other", Locality: xds.Locality{Region: "r2", Zone: "z1"}, Labels: map[string]string{"app": "b", "topology.istio.io/network": "n1"}},
		{Name: "c", Namespace: "default"},
		{Name: "d", Namespace: "istio-system", Locality: xds.Locality{Region: "r3"}, Labels: map[string]string{"ver": "v2", "kubernetes.io/hostname": "node1"}},
		{Name: "e", Namespace: "default", Locality: xds.Locality{Region: "r3"}, Labels: map[string]string{"topology.kubernetes.io/region": "r1", "app": "a"}},
		{Name: "f", Namespace: "other", Labels: map[string]string{"istio-locality": "r1/z2", "app": "a", "ver": "v1"}},
	}
}

func nodeOf(c istio.Client) istiod.Node {
	return istiod.Node{Name: c.Name, Namespace: c.Namespace, Locality: c.Locality, Labels: c.Labels}
}

// mesh is a mesh configuration in both forms.
type mesh struct {
	name   string
	istio  istio.Mesh
	istiod map[string]any
}

// meshes take turns, a batch each.
func meshes() []mesh {
	off, none, five := false, 0, 5
	return []mesh{
		{name: "default"},
		{
			name:   "failover and connect timeout",
			istio:  istio.Mesh{ConnectTimeout: 3 * time.Second, Failover: []istio.Failover{{From: "r1", To: "r3"}}},
			istiod: map[string]any{"connectTimeout": "3s", "localityLbSetting": map[string]any{"enabled": true, "failover": []any{map[string]any{"from": "r1", "to": "r3"}}}},
		},
		{
			name: "locality off, no retries", istio: istio.Mesh{LocalityEnabled: &off, DefaultRetryAttempts: &none},
			istiod: map[string]any{"localityLbSetting": map[string]any{"enabled": false}, "defaultHttpRetryPolicy": map[string]any{"attempts": 0}},
		},
		{
			name: "distribute, five retries",
			istio: istio.Mesh{
				DefaultRetryAttempts: &five, DNSRefreshRate: 7 * time.Second,
				Distribute: []istio.Distribute{{From: "r1/*", To: map[string]uint32{"r1/*": 70, "r2/*": 30}}},
			},
			istiod: map[string]any{
				"defaultHttpRetryPolicy": map[string]any{"attempts": 5}, "dnsRefreshRate": "7s",
				"localityLbSetting": map[string]any{"distribute": []any{map[string]any{"from": "r1/*", "to": map[string]any{"r1/*": 70, "r2/*": 30}}}},
			},
		},
	}
}
