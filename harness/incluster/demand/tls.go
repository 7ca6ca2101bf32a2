package demand

import (
	"slices"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// TLS is what the proxies begin TLS with, to any endpoint.
func TLS(s *schedule.Schedule) []*xds.TLS {
	var ts []*xds.TLS
	for _, cs := range s.Configs {
		for i := range cs {
			for j := range cs[i].Clusters {
				if t := cs[i].Clusters[j].TLS; t != nil && begins(&cs[i].Clusters[j]) {
					ts = append(ts, t)
				}
			}
		}
	}
	return ts
}

func begins(c *xds.Cluster) bool {
	return slices.ContainsFunc(c.Localities, func(l xds.LocalityEndpoints) bool {
		return slices.ContainsFunc(l.Endpoints, func(e xds.Endpoint) bool { return c.TLS.For(e.TLSMode) != nil })
	})
}

// MeshTLS reports whether a proxy shows upstreams the certificate that it has from istiod:
// then theirs have to be of the same CA.
func MeshTLS(s *schedule.Schedule) bool {
	return slices.ContainsFunc(TLS(s), func(t *xds.TLS) bool { return t.CA == xds.MeshRoot || t.Certificate == xds.MeshCertificate })
}
