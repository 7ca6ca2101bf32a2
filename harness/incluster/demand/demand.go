// Package demand says what a schedule wants of a cluster that plays it in one namespace,
// and what of it no cluster has, or one does not.
//
//	ms := demand.Missing(s, demand.Cluster{Istio: "1.31", Envoy: "1.40"})
//	demand.Fixed(s)          // addresses that have to be led elsewhere
//	demand.MeshTLS(s)        // upstreams have to be of istiod's CA
//
// It links nothing of Kubernetes.
package demand

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// Cluster is what plays a drill; "" is what nobody knows before it plays.
type Cluster struct {
	Istio, Envoy string // releases
}

// Missing lists what the schedule needs and a drill in a namespace of the cluster lacks.
func Missing(s *schedule.Schedule, c Cluster) []backend.Missing {
	var ms []backend.Missing
	add := func(feature, why string, args ...any) {
		ms = append(ms, backend.Missing{Feature: feature, Why: fmt.Sprintf(why, args...)})
	}
	if c.Envoy != "" && !istio.SameLine(s.Profile.Envoy, c.Envoy) {
		add("Envoy "+s.Profile.Envoy, "the drill follows its rules, and the sidecars here are %s", c.Envoy)
	}
	if c.Istio != "" && !istio.SameLine(s.Profile.Istio, c.Istio) {
		add("Istio "+s.Profile.Istio, "the drill follows its rules, and the cluster has %s", c.Istio)
	}
	if s.Scale != 1 {
		add("scaled configuration", "istiod reads the durations of the YAML as they are; play it at scale 1")
	}
	if len(s.MeshConfig) > 0 {
		add("mesh configuration", "it is the whole cluster's, and other drills play there")
	}
	namespaces := map[string]bool{}
	for _, ds := range s.Documents {
		for _, d := range ds {
			if d.Namespace == "istio-system" {
				add("configuration of the root namespace", "%s %s would be the whole cluster's", d.Kind, d.Name)
			}
			namespaces[d.Namespace] = true
		}
	}
	for i := range s.Clients {
		namespaces[s.Clients[i].Namespace] = true
		if strings.HasPrefix(s.Clients[i].Load.URL, "https:") {
			add("https clients", "%s would speak TLS through its proxy", s.Clients[i].Name)
		}
	}
	delete(namespaces, "")
	if len(namespaces) > 1 {
		add("several namespaces", "a drill has one of its own")
	}
	for i := range s.Upstreams {
		u := &s.Upstreams[i]
		if slices.ContainsFunc(u.IPs, netip.Addr.Is6) {
			add("IPv6", "%s has an IPv6 address, and the fake upstreams have IPv4 addresses", u.Name)
		}
	}
	for i := range s.Steps {
		switch f := s.Steps[i].Fault; {
		case f == nil:
		case slices.ContainsFunc(f.Addresses, netip.Addr.Is6):
			add("IPv6", "fault %s gives %s an IPv6 address, and pods have IPv4 addresses", f.Name, f.DNS)
		}
	}
	for _, cs := range s.Configs {
		for i := range cs {
			l := &s.Clients[i].Load
			r := engine.Route(&cs[i], l.Host, l.Port, l.Path)
			if r == nil {
				continue
			}
			if c := cs[i].Cluster(r.Cluster); c != nil {
				if c.Type == xds.OriginalDst {
					add("resolution NONE", "%s sends requests where the client meant to", c.Name)
				}
				missingTLS(c, add)
				if c.MaxConcurrentStreams > 0 {
					add("HTTP/2 to upstreams", "%s speaks it, and the fake upstreams speak HTTP/1.1", c.Name)
				}
			}
		}
	}
	return Unique(ms)
}

// missingTLS is what a cluster wants of certificates and cannot have.
func missingTLS(c *xds.Cluster, add func(feature, why string, args ...any)) {
	t := c.TLS
	if t == nil || !slices.ContainsFunc(c.Localities, func(l xds.LocalityEndpoints) bool {
		return slices.ContainsFunc(l.Endpoints, func(e xds.Endpoint) bool { return t.For(e.TLSMode) != nil })
	}) {
		return
	}
	isFile := func(secret, kind, mesh string) bool {
		return secret == "" || secret == mesh || strings.HasPrefix(secret, kind)
	}
	if !isFile(t.CA, xds.FileRoot, xds.MeshRoot) || !isFile(t.Certificate, xds.FileCert, xds.MeshCertificate) {
		add("credentialName", "%s has certificates from a secret of the cluster, which is not made here", c.Name)
	}
	if slices.ContainsFunc(t.SANs, func(n string) bool { return strings.HasPrefix(n, "spiffe://") }) {
		add("identities", "%s expects identities of a namespace, and the drill's has another name", c.Name)
	}
}

// Unique is each that is missing once, in their order.
func Unique(ms []backend.Missing) []backend.Missing {
	seen := map[backend.Missing]bool{}
	var out []backend.Missing
	for _, m := range ms {
		if !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	return out
}
