package scenario

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of an upstream.
const (
	maxPorts     = 64
	maxAddresses = 64
)

func (v *validator) checkUpstreams() {
	seen := map[string]string{}
	serves := map[string]string{} // address and port -> path of the upstream
	for i, u := range v.s.Upstreams {
		path := index("spec.upstreams", i)
		if v.bad[path] {
			continue
		}
		v.name(path+".name", u.Name)
		v.uniqueName(path+".name", u.Name, seen)
		if len(u.Ports) > maxPorts {
			v.fail(path+".ports", "expected at most %d ports, found %d", maxPorts, len(u.Ports))
		}
		for j, port := range u.Ports {
			v.port(index(path+".ports", j), port)
		}
		for _, port := range v.upstreams[i].Ports {
			key := canonical(u.Address) + " " + strconv.Itoa(port)
			if other, ok := serves[key]; ok {
				v.fail(path+".address", "%s port %d is already served by the upstream at %s", u.Address, port, v.in.Where(other))
				break
			}
			serves[key] = path
		}
		v.address(path+".address", u)
		v.upstreamTLS(path+".tls", u.TLS, v.upstreams[i].Ports)
		v.ttl(path+".ttl", u.TTL)
		if u.TTL != nil && isIP(u.Address) {
			v.fail(path+".ttl", "%s is an address; only a name has a ttl", u.Address)
		}
		v.atLeastOne(path+".addresses", u.Addresses)
		switch {
		case u.Addresses > maxAddresses:
			v.fail(path+".addresses", "expected at most %d, found %d", maxAddresses, u.Addresses)
		case u.Addresses > 1 && isIP(u.Address):
			v.fail(path+".addresses", "%s is one address; only a name resolves to %d", u.Address, u.Addresses)
		}
	}
	v.served()
}

func (v *validator) port(path string, port int) {
	if port < 1 || port > 65535 {
		v.fail(path, "expected a port from 1 to 65535, found %d", port)
	}
}

// address checks that the upstream's address is one that the configuration uses.
func (v *validator) address(path string, u Upstream) {
	if _, err := netip.ParseAddr(u.Address); err != nil && !isSubdomain(canonical(u.Address)) {
		v.fail(path, "expected a DNS name or an IP, found %s", quote(u.Address))
		return
	}
	if !v.read(partConfig, "timeline") {
		return
	}
	var names []string
	for _, a := range v.addresses {
		names = append(names, a.Name)
	}
	if !contains(names, canonical(u.Address)) && !v.standsIn(u.Name) {
		v.fail(path, "no endpoint of the configuration has the address %s%s", quote(u.Address), didYouMean(u.Address, names))
	}
}

// standsIn reports whether a DNS name resolves to the upstream for a while.
func (v *validator) standsIn(upstream string) bool {
	return slices.ContainsFunc(v.s.Timeline, func(s Step) bool { return s.Fault != nil && slices.Contains(s.Fault.Addresses, upstream) })
}

// ttl checks that a TTL is one that a DNS can tell.
func (v *validator) ttl(path string, ttl *Duration) {
	if ttl != nil && ttl.D()%time.Second != 0 {
		v.fail(path, "expected whole seconds, found %s", ttl)
	}
}

// served checks that each address of the configuration has an upstream.
func (v *validator) served() {
	if len(v.s.Upstreams) == 0 || !v.read("upstreams", partConfig, "timeline") {
		return
	}
	var have, list []string
	for _, u := range v.s.Upstreams {
		have = append(have, canonical(u.Address))
		list = append(list, u.Name+" ("+u.Address+")")
	}
	for _, a := range v.addresses {
		if !contains(have, a.Name) {
			v.fail("spec.upstreams", "the endpoint address %s (%s) is served by no upstream; there are %s", quote(a.Name), a.Pos, strings.Join(list, ", "))
		}
	}
}
