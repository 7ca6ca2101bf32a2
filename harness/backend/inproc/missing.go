package inproc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// Missing lists what the schedule needs and inproc lacks, as far as a request
// of the schedule can meet it.
func (Backend) Missing(s *schedule.Schedule) []backend.Missing {
	var ms []backend.Missing
	add := func(feature, why string, args ...any) {
		m := backend.Missing{Feature: feature, Why: fmt.Sprintf(why, args...)}
		if !slices.Contains(ms, m) {
			ms = append(ms, m)
		}
	}
	for i := range s.Clients {
		l := &s.Clients[i].Load
		if strings.HasPrefix(l.URL, "https:") {
			add("https clients", "%s would have to end TLS at its proxy, and its proxy has no certificate", s.Clients[i].Name)
		}
		for _, cs := range s.Configs {
			if r := engine.Route(&cs[i], l.Host, l.Port, l.Path); r != nil {
				missingInCluster(s, cs[i].Cluster(r.Cluster), add)
			}
		}
	}
	for i := range s.Steps {
		if f := s.Steps[i].Fault; f != nil {
			if f.Behaviour == schedule.TLSFault {
				add("TLS", "fault %s changes it; the fake upstreams speak plain HTTP", f.Name)
			}
			if f.Behaviour == schedule.Partition {
				add("partition", "fault %s is a firewall's, and the loopback interface of this machine has none of its own", f.Name)
			}
			missingInFault(f, &s.Upstreams[f.Upstream], add)
		}
	}
	return ms
}

func missingInCluster(s *schedule.Schedule, c *xds.Cluster, add func(string, string, ...any)) {
	if c == nil {
		return
	}
	for _, why := range backend.TLSUses(s, c) {
		add("TLS", "%s; the proxy and the fake upstreams speak plain HTTP", why)
	}
	switch c.LBPolicy {
	case xds.RingHash, xds.Maglev, xds.ClusterProvided:
		add(string(c.LBPolicy), "%s picks its hosts with it, and the engine has no such balancer", c.Name)
	}
	if c.Type == xds.OriginalDst {
		add("resolution NONE", "%s sends requests where the client meant to, and a client on loopback means its proxy", c.Name)
	}
}

func missingInFault(f *schedule.Fault, u *schedule.Upstream, add func(string, string, ...any)) {
	if len(fanOut(f, u)) > 1 && (f.First > 0 || f.EveryNth > 0) {
		add("counting on one port of several addresses", "fault %s counts the requests on port %d, which the %d addresses of %s count apart",
			f.Name, f.Port, len(u.IPs), u.Name)
	}
}
