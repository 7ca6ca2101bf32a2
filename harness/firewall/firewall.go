// Package firewall is what an administrator's rules do to the packets of a server:
//
//	r := firewall.Rules{Drop: []netip.AddrPort{east}}
//	err := r.Set()        // in the server's network namespace, with CAP_NET_ADMIN
//
// The rules are nftables', in a table of their own, and meet TCP alone. Each Set replaces
// the ones before it; the zero Rules let everything pass. Nothing outside of the network
// namespace changes.
package firewall

import "net/netip"

// Rules are those of a network namespace. An unspecified address stands for any of its family.
type Rules struct {
	// Lose drops every SYN to an address: connections that are there go on.
	Lose []netip.AddrPort `json:"lose,omitempty"`
	// Drop drops every packet to an address and from it.
	Drop []netip.AddrPort `json:"drop,omitempty"`
	// Reject answers every packet to an address with a TCP reset, like
	// `iptables -A INPUT -p tcp -j REJECT --reject-with tcp-reset`.
	Reject []netip.AddrPort `json:"reject,omitempty"`
}
