package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/engine/tls"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// tlsNames: the proxy begins TLS and expects a name that the certificates of
// endpoints do not have, so that no handshake with them succeeds. In a drill the
// certificates are known; without one an endpoint that is a DNS name is taken to
// have a certificate for it, and only the Host is held against it: names that a
// rule writes down are somebody's intent.
func tlsNames(s *site, d *drill) []Finding {
	use, ok := s.t.Use(s.cluster.Name, istio.PartTLS)
	if !ok || s.route == nil || s.cluster.TLS == nil || s.cluster.TLS.CA == "" {
		return nil
	}
	host := hostName(s.cluster.Name)
	if d != nil {
		host = d.Schedule.Clients[s.index].Load.Host
	}
	if s.route.HostRewrite != "" {
		host = s.route.HostRewrite
	}
	if d == nil && (!s.cluster.TLS.AutoSANValidation || strings.HasPrefix(host, "*")) {
		return nil
	}
	expected := slices.Clone(s.cluster.TLS.SANs)
	var strange []string
	for _, l := range s.cluster.Localities {
		for _, e := range l.Endpoints {
			names := certificate(d, e)
			if len(names) == 0 {
				continue
			}
			o := tls.Handshake(s.cluster.TLS.For(e.TLSMode), host, &tls.Server{Names: names})
			failed := o == tls.HostNotInNames || o == tls.NoExpectedName
			if failed {
				strange = append(strange, names[0])
			}
			// Once the rule has names, each endpoint needs one of them.
			if !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(expected, n) }) {
				expected = append(expected, names[0])
			}
		}
	}
	if len(strange) == 0 {
		return nil
	}
	path := use.Path + ".subjectAltNames"
	f := finding(CodeTLSNames, SeverityWarning, use.Resource, path)
	if d != nil {
		f.Severity = SeverityError
	}
	wanted := "one of " + strings.Join(s.cluster.TLS.SANs, ", ")
	if s.cluster.TLS.AutoSANValidation {
		wanted = "the request's Host (" + host + ")"
		f.Default = host
	} else {
		f.Since = ""
	}
	f.Message = fmt.Sprintf("TLS expects %s in certificates, and %s it: %s", wanted, lack(strange, d != nil), why(CodeTLSNames))
	value := make([]any, len(expected))
	for i, n := range expected {
		value[i] = n
	}
	f.edits = []edit{set(use.Resource, path, value)}
	return []Finding{f}
}

// lack says that certificates do not have a name, or, without a drill, that it is unlikely.
func lack(strange []string, known bool) string {
	of, lacks, has := "that of ", " lacks", " hardly has"
	if len(strange) > 1 {
		of, lacks, has = "those of ", " lack", " hardly have"
	}
	if !known {
		lacks = has
	}
	return of + strings.Join(strange, ", ") + lacks
}

// certificate is the names in the certificate of an endpoint while nothing is
// broken; none: it has none, or they are not known.
func certificate(d *drill, e xds.Endpoint) []string {
	if d == nil {
		if _, err := netip.ParseAddr(e.Address); err == nil {
			return nil
		}
		return []string{e.Address}
	}
	for i := range d.Schedule.Upstreams {
		u := &d.Schedule.Upstreams[i]
		if schedule.SameAddress(u.Address, e.Address) && u.TLS.Speaks(e.Port) {
			return u.TLS.Names
		}
	}
	return nil
}
