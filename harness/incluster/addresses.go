package incluster

import (
	"net/netip"
	"slices"

	"github.com/faildrill/faildrill/harness/detour"
)

// detours lead a pod's connections from fixed addresses to where the upstreams are.
func detours(fixed map[netip.Addr]bool, at map[netip.Addr]netip.Addr) detour.Rules {
	r := detour.Rules{To: map[netip.Addr]netip.Addr{}}
	for ip, served := range fixed {
		if where, ok := at[ip]; served && ok {
			r.To[ip] = where
		} else {
			r.Nobody = append(r.Nobody, ip)
		}
	}
	slices.SortFunc(r.Nobody, netip.Addr.Compare)
	return r
}
