package schedule

import (
	"slices"

	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/xds"
)

func newTLS(t *scenario.UpstreamTLS) *TLS {
	out := &TLS{Names: slices.Clone(t.Names), ClientCertificate: t.ClientCertificate == "required"}
	for _, p := range t.Ports {
		out.Ports = append(out.Ports, uint32(p))
	}
	return out
}

// expectedTLS is the TLS of an upstream of which the scenario says nothing: what
// a server has that works behind the configuration. It is on the ports to which
// the first configuration that has its address begins TLS. The certificate is for
// the address, and one behind a sidecar for the identities that the mesh expects.
// Names that only the clients have are not in it: a server does not know them.
func (s *Schedule) expectedTLS(u *Upstream) *TLS {
	for i := range s.Configs {
		out, found := &TLS{Names: []string{canonical(u.Address)}}, false
		for j := range s.Configs[i] {
			for k := range s.Configs[i][j].Clusters {
				found = out.expect(&s.Configs[i][j].Clusters[k], u) || found
			}
		}
		if found && len(out.Ports) == 0 {
			return nil
		}
		if found {
			slices.Sort(out.Ports)
			return out
		}
	}
	return nil
}

// expect adds what the cluster expects of the upstream. It reports whether the
// upstream is one of its endpoints.
func (t *TLS) expect(c *xds.Cluster, u *Upstream) bool {
	found := false
	for i := range c.Localities {
		for _, e := range c.Localities[i].Endpoints {
			if !SameAddress(e.Address, u.Address) || !u.Listens(e.Port) {
				continue
			}
			found = true
			context := c.TLS.For(e.TLSMode)
			if context == nil {
				continue
			}
			t.Ports = add(t.Ports, e.Port)
			if context.Certificate == xds.MeshCertificate {
				t.ClientCertificate = true
				for _, name := range context.SANs {
					t.Names = add(t.Names, name)
				}
			}
		}
	}
	return found
}

func add[T comparable](list []T, item T) []T {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}
