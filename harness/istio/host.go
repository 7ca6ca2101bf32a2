package istio

import (
	"net/netip"
	"strings"
)

// isWildcard reports whether the host stands for several, as *.example.com does.
func isWildcard(host string) bool { return strings.HasPrefix(host, "*") }

// fullName resolves a short name in the namespace of the resource that has it.
// pilot/pkg/model/config.go: ResolveShortnameToFQDN.
func (t *translator) fullName(host, namespace string) string {
	if host == "" || host == "*" || strings.Contains(host, ".") || isIP(host) {
		return host
	}
	return host + "." + namespace + ".svc." + t.mesh.Domain
}

// hostCovers reports whether the pattern covers the host, which may itself be a pattern.
func hostCovers(pattern, host string) bool {
	switch {
	case !isWildcard(pattern):
		return pattern == host
	case isWildcard(host):
		return len(pattern) <= len(host) && strings.HasSuffix(host[1:], pattern[1:])
	}
	return strings.HasSuffix(host, pattern[1:])
}

// mostSpecific returns the pattern that fits the host best: the host itself, else the longest wildcard.
// Rule: RuleMostSpecificHost, pilot/pkg/model/config.go: MostSpecificHostMatch.
func mostSpecific[V any](host string, patterns map[string]V) (V, bool) {
	if v, ok := patterns[host]; ok {
		return v, true
	}
	best := ""
	for p := range patterns {
		if isWildcard(p) && hostCovers(p, host) && (best == "" || len(p) > len(best)) {
			best = p
		}
	}
	v, ok := patterns[best]
	return v, ok && best != ""
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
