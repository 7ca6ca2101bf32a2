package incluster

import (
	"net/netip"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// where is the place of an address of the schedule, and home the address at a place.
func (p *player) where(ip netip.Addr) netip.Addr {
	if at, ok := p.o.Upstreams.Addresses()[ip]; ok {
		return at
	}
	return ip
}

func (p *player) home(address string) string {
	a, err := netip.ParseAddrPort(address)
	if _, ok := p.fixed[a.Addr()]; ok || err != nil {
		return address
	}
	for home, at := range p.o.Upstreams.Addresses() {
		if at == a.Addr() {
			return netip.AddrPortFrom(home, a.Port()).String()
		}
	}
	return address
}

// anyAddress is what a service's own host resolves to: the proxy takes the connection
// wherever it goes (RFC 5737).
var anyAddress = netip.MustParseAddr("192.0.2.1")

// answer is the scenario's DNS. What it does not know is the cluster's.
func (p *player) answer(name string) dnsserver.Answer {
	a, step := p.names.Answer(name, trace.Sec(p.since()))
	if step < 0 && len(a.Addresses) == 0 {
		for i := range p.s.Clients {
			if schedule.SameAddress(p.s.Clients[i].Load.Host, name) {
				return dnsserver.Answer{Addresses: []netip.Addr{anyAddress}, TTL: 5 * time.Second}
			}
		}
		if !p.known(name) {
			return dnsserver.Answer{Code: dnsserver.Elsewhere}
		}
	}
	out := dnsserver.Answer{Code: dnsserver.CodeOf(a.Code), TTL: a.TTL}
	for _, ip := range a.Addresses {
		if _, ok := p.fixed[ip]; !ok {
			ip = p.where(ip)
		}
		out.Addresses = append(out.Addresses, ip)
	}
	return out
}

// known reports whether a name is the scenario's.
func (p *player) known(name string) bool {
	for i := range p.s.Upstreams {
		if schedule.SameAddress(p.s.Upstreams[i].Address, name) {
			return true
		}
	}
	return false
}

// dnsPort is where the nameservers of a resolv.conf are asked.
const dnsPort = 53

// forwardOf is the first nameserver of a resolv.conf (resolv.conf(5)), host:port; "": there is none.
func forwardOf(conf []byte) string {
	for line := range strings.Lines(string(conf)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(f[1]); err == nil {
			return netip.AddrPortFrom(ip, dnsPort).String()
		}
	}
	return ""
}
