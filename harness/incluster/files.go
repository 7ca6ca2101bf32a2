package incluster

import (
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// systemRoots is where a proxy's agent finds the CAs of the operating system first
// (istio.io/istio/security/pkg/util: GetOSRootFilePath).
const systemRoots = "/etc/ssl/certs/ca-certificates.crt"

// Files are what the proxies of a drill read, by path: every CA is the play's trusted
// one, and every certificate of a client is one for the identity.
func Files(s *schedule.Schedule, c *certificates.Set, identity string) (map[string][]byte, error) {
	own, err := c.Client(identity)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, t := range contexts(s) {
		if path, ok := strings.CutPrefix(t.CA, xds.FileRoot); ok {
			if t.CA == xds.SystemRoot {
				path = systemRoots
			}
			files[path] = c.PEM()
		}
		if paths, ok := strings.CutPrefix(t.Certificate, xds.FileCert); ok {
			chain, key, _ := strings.Cut(paths, "~")
			files[chain], files[key] = own.Chain, own.Key
		}
	}
	return files, nil
}

// contexts are what the proxies begin TLS with, to any endpoint.
func contexts(s *schedule.Schedule) []*xds.TLS {
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
	return slices.ContainsFunc(contexts(s), func(t *xds.TLS) bool { return t.CA == xds.MeshRoot || t.Certificate == xds.MeshCertificate })
}
