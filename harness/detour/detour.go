// Package detour leads connections to where somebody listens: a configuration names
// an endpoint by its address, and in a cluster the fake upstream has another one.
//
//	r := detour.Rules{To: map[netip.Addr]netip.Addr{endpoint: container}}
//	err := r.Set()        // in the network namespace of the client's pod, with CAP_NET_ADMIN
//
// The rules are nftables' and come after those that redirect an application to its
// proxy: what the proxy sends takes the detour, and what the application sends is the
// proxy's. The proxy knows nothing of it: its tables and logs have the address that
// the configuration has. Nothing outside of the namespace changes.
package detour

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Rules are the detours of a network namespace.
type Rules struct {
	// To says where an address is. Both are of one family.
	To map[netip.Addr]netip.Addr `json:"to,omitempty"`
	// Nobody are addresses that nobody has: every connect is refused.
	Nobody []netip.Addr `json:"nobody,omitempty"`
}

// Empty reports whether there is no detour.
func (r Rules) Empty() bool { return len(r.To) == 0 && len(r.Nobody) == 0 }

// of are the rules of one family, in order.
func (r Rules) of(v6 bool) (to [][2]netip.Addr, nobody []netip.Addr, err error) {
	for _, from := range slices.SortedFunc(maps.Keys(r.To), netip.Addr.Compare) {
		at := r.To[from]
		if from.Is6() != at.Is6() {
			return nil, nil, fmt.Errorf("a detour from %v to %v: expected two addresses of one family", from, at)
		}
		if from.Is6() == v6 {
			to = append(to, [2]netip.Addr{from, at})
		}
	}
	for _, ip := range r.Nobody {
		if ip.Is6() == v6 {
			nobody = append(nobody, ip)
		}
	}
	return to, nobody, nil
}
