package scenario

import (
	"net/netip"
	"slices"
)

// faultTarget checks whom a fault is about. It reports whether the rest of it is
// an upstream's and is to be checked as such.
func (v *validator) faultTarget(path string, f *Fault) bool {
	hasUpstream, hasDNS := v.in.Has(path+".upstream"), v.in.Has(path+".dns")
	isDNS := f.Answer != "" || v.in.Has(path+".addresses")
	switch {
	case hasUpstream && hasDNS:
		v.fail(path+".dns", "upstream and dns exclude each other; give one")
	case hasUpstream && isDNS:
		v.fail(path+".upstream", "%s is what the DNS says; give dns instead of upstream", f.dnsField())
	case hasUpstream:
		v.upstream(path+".upstream", f.Upstream)
		if f.TTL != nil {
			v.fail(path+".ttl", "a ttl is that of addresses, and this fault has none")
		}
		return true
	case !hasDNS && isDNS:
		v.fail(path, "dns is required")
	case !hasDNS:
		v.fail(path, "upstream is required")
	default:
		v.dnsFault(path, f)
	}
	return false
}

func (f *Fault) dnsField() string {
	if f.Answer != "" {
		return "answer"
	}
	return "addresses"
}

// dnsFault checks a fault of the DNS.
func (v *validator) dnsFault(path string, f *Fault) {
	v.dnsName(path+".dns", f)
	if b := f.Behaviour(); b != "" && f.Answer == "" && len(f.Addresses) == 0 {
		v.fail(join(path, b), "%s is what an upstream does; a fault of the DNS has answer or addresses", b)
	}
	v.positive(path+".for", f.For)
	v.ttl(path+".ttl", f.TTL)
	if f.TTL != nil && f.Answer != "" {
		v.fail(path+".ttl", "a ttl is that of addresses, and %s has none", f.Answer)
	}
	if v.in.Has(path+".addresses") && len(f.Addresses) == 0 {
		v.fail(path+".addresses", "expected an upstream or an IP; for no address give answer: NODATA")
	}
	if v.knowsUpstreams() {
		for i, a := range f.Addresses {
			if _, err := netip.ParseAddr(a); err == nil || slices.ContainsFunc(v.upstreams, func(u Upstream) bool { return u.Name == a }) {
				continue
			}
			v.fail(index(path+".addresses", i), "no upstream %s, and no IP%s", quote(a), didYouMean(a, v.upstreamNames()))
		}
	}
	for _, field := range []string{"percentage", "first", "everyNth", "path", "headers", "port", "jitter"} {
		if v.in.Has(join(path, field)) {
			v.fail(join(path, field), "a fault of the DNS meets every look-up, so %s means nothing", field)
		}
	}
}

// dnsName checks that the fault's name is one that a proxy asks for.
func (v *validator) dnsName(path string, f *Fault) {
	if !v.knowsUpstreams() {
		return
	}
	i := f.Target(v.upstreams)
	if i < 0 {
		names := v.upstreamNames()
		for _, u := range v.upstreams {
			if !isIP(u.Address) {
				names = append(names, u.Address)
			}
		}
		v.fail(path, "no upstream and no DNS name %s%s", quote(f.DNS), didYouMean(f.DNS, names))
		return
	}
	if a := v.upstreams[i].Address; isIP(a) {
		v.fail(path, "upstream %s is at the address %s, which nobody asks a DNS for", v.upstreams[i].Name, a)
	}
}
