package scenario

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxCertificateNames = 64

// upstreamTLS checks the TLS of an upstream that listens on the ports.
func (v *validator) upstreamTLS(path string, t *UpstreamTLS, ports []int) {
	if t == nil {
		return
	}
	if v.in.Has(path+".ports") && len(t.Ports) == 0 {
		v.fail(path+".ports", "expected a port; a fault `tls: plaintext` is for an upstream without TLS")
	}
	for i, port := range t.Ports {
		if len(ports) > 0 && !slices.Contains(ports, port) {
			v.fail(index(path+".ports", i), "the upstream has no port %d; expected %s", port, portList(ports))
		}
	}
	if v.in.Has(path+".names") && len(t.Names) == 0 {
		v.fail(path+".names", "expected a name, found none")
	}
	if len(t.Names) > maxCertificateNames {
		v.fail(path+".names", "expected at most %d names, found %d", maxCertificateNames, len(t.Names))
	}
	for i, name := range t.Names {
		if !isCertificateName(name) {
			v.fail(index(path+".names", i), "expected a DNS name, an IP or a URI, found %s", quote(name))
		}
	}
}

// isCertificateName reports whether a certificate can carry the name.
func isCertificateName(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		return err == nil && u.Host != ""
	}
	return isSubdomain(strings.TrimPrefix(strings.ToLower(name), "*."))
}

// tlsFault checks that the fault's port is one with TLS, as far as the scenario says which are.
func (v *validator) tlsFault(path string, f *Fault) {
	if f.TLS == "" || f.Port == 0 {
		return
	}
	for i := range v.upstreams {
		u := &v.upstreams[i]
		if u.Name == f.Upstream && u.TLS != nil && !slices.Contains(u.TLS.Ports, f.Port) && slices.Contains(u.Ports, f.Port) {
			v.fail(path, "port %d of upstream %s speaks no TLS; expected %s", f.Port, u.Name, portList(u.TLS.Ports))
		}
	}
}

func portList(ports []int) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = strconv.Itoa(p)
	}
	return strings.Join(texts, " or ")
}
