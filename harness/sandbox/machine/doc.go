// Package machine makes the machine of a drill out of new namespaces: file systems
// and names of its own, the upstreams' real addresses, a network for each client.
//
//	m, err := machine.Enter(machine.Options{...})   // in the first process
//	err = m.AddAddress(ip)                          // real addresses of upstreams
//	client, err := m.AddClient()                    // a network namespace of its own
//	nc, err := client.Dial(ctx, "tcp", "198.18.0.1:80")
//
// The layout: the first process is in the outer network namespace, where
// the upstreams' addresses are on lo. Each client has a network namespace with a
// veth pair to the outer one and a default route through it. The host's network is
// not connected. A file system in memory is at Machine.Dir.
//
// It leaves out what runs inside.
package machine

import (
	"errors"
	"net/netip"
)

// Network is the plan of the addresses that a machine uses for itself.
type Network struct {
	Prefix netip.Prefix // a /16: x.y.0.1 is the outer namespace, x.y.(n+1).0/24 the link to client n
}

// Outer is the address of the outer namespace, at which its servers are reached from everywhere.
func (n Network) Outer() netip.Addr { return n.at(0, 1) }

// gateway is the outer end of the link to a client, and inner the client's.
func (n Network) gateway(client int) netip.Addr { return n.at(client+1, 1) }
func (n Network) inner(client int) netip.Addr   { return n.at(client+1, 2) }

func (n Network) at(c, d int) netip.Addr {
	b := n.Prefix.Addr().As4()
	b[2], b[3] = byte(c), byte(d)
	return netip.AddrFrom4(b)
}

// mostClients is how many links fit in the plan.
const mostClients = 250

// candidates are networks that nobody's endpoints should be in: benchmarking,
// shared address space, documentation made larger.
var candidates = []netip.Prefix{
	netip.MustParsePrefix("100.127.0.0/16"), netip.MustParsePrefix("198.19.0.0/16"), netip.MustParsePrefix("100.126.0.0/16"), netip.MustParsePrefix("10.255.0.0/16"),
}

// Plan is the first network that holds none of the addresses.
func Plan(used []netip.Addr) (Network, error) {
next:
	for _, p := range candidates {
		for _, a := range used {
			if p.Contains(a.Unmap()) {
				continue next
			}
		}
		return Network{p}, nil
	}
	return Network{}, errors.New("every network that a machine could use for itself holds an endpoint's address")
}
