package backend

import (
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// TLSUses says who speaks TLS between the cluster and its upstreams, for
// backends that lack it; none: nobody does.
func TLSUses(s *schedule.Schedule, c *xds.Cluster) []string {
	if c.TLS != nil && !c.TLS.Match {
		return []string{c.Name + " begins it"}
	}
	var out []string
	add := func(why string) {
		if !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	for i := range c.Localities {
		for _, e := range c.Localities[i].Endpoints {
			for j := range s.Upstreams {
				u := &s.Upstreams[j]
				if schedule.SameAddress(u.Address, e.Address) && u.TLS.Speaks(e.Port) {
					add(fmt.Sprintf("upstream %s speaks it on port %d", u.Name, e.Port))
				}
			}
			if c.TLS.For(e.TLSMode) != nil {
				add(c.Name + " begins it to endpoints with a sidecar")
			}
		}
	}
	return out
}
