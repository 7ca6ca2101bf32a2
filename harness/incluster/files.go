package incluster

import (
	"strings"

	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/incluster/demand"
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
	for _, t := range demand.TLS(s) {
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
