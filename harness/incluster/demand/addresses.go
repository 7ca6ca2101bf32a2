package demand

import (
	"net/netip"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Fixed are the addresses of a schedule that reach a proxy as they are: those that
// the configuration gives instead of a name, and those that nobody has, or nobody who
// listens. The value says whether somebody does. What a name resolves to is not fixed: the DNS
// gives the address that the upstream has in this cluster.
func Fixed(s *schedule.Schedule) map[netip.Addr]bool {
	m := map[netip.Addr]bool{}
	nobody := func(ip netip.Addr) {
		if u := s.UpstreamAt(ip); u < 0 || len(s.Upstreams[u].Ports) == 0 {
			m[ip] = false
		}
	}
	for i := range s.Upstreams {
		if ip, err := netip.ParseAddr(s.Upstreams[i].Address); err == nil {
			m[ip] = true
		}
		for _, ip := range s.Upstreams[i].IPs {
			nobody(ip)
		}
	}
	for _, cs := range s.Configs {
		for i := range cs {
			for j := range cs[i].Clusters {
				for _, h := range engine.HostsOf(&cs[i].Clusters[j], s) {
					if a, err := netip.ParseAddrPort(h.Address); err == nil {
						nobody(a.Addr())
					}
				}
			}
		}
	}
	for i := range s.Steps {
		if f := s.Steps[i].Fault; f != nil {
			for _, ip := range f.Addresses {
				nobody(ip)
			}
		}
	}
	return m
}
