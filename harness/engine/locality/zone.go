package locality

// Zone counts both sides of one locality: the healthy hosts of the cluster that
// are in it, and the healthy proxies that call from it.
type Zone struct {
	Hosts   int
	Callers int
}

// Limits are what zone-aware routing needs to know beside the zones.
type Limits struct {
	Own            bool   // zones[0] is the proxy's own; else no host is in its zone
	CallerZones    int    // localities of the local cluster
	CallersHere    int    // proxies of the local cluster in the own zone, healthy or not
	Callers        int    // healthy proxies of the local cluster, those in zones without a host included
	MinClusterSize uint64 // healthy hosts below which nothing is routed by zone
	ForceDirect    bool   // force_locality_direct_routing
}

// Routing is how picks at priority 0 spread over the zones.
//
//	r := locality.NewRouting([]locality.Zone{{Hosts: 1, Callers: 2}, {Hosts: 3, Callers: 2}},
//	        locality.Limits{Own: true, CallerZones: 2, CallersHere: 2, Callers: 4})
//	z := r.Pick(sample, spread)      // half of the picks stay: 25 % of the hosts, 50 % of the callers
//
// It is Envoy's zone-aware routing (load_balancer_impl.cc,
// regenerateLocalityRoutingStructures), in its integers.
type Routing struct {
	On       bool
	direct   bool
	local    uint64   // of 10 000 picks, how many stay in the own zone
	residual []uint64 // what the zones can take beside, added up
}

// NewRouting computes the routing; zones are in Envoy's order, the own one first.
//
// Rule: RuleZonePreconditions.
func NewRouting(zones []Zone, l Limits) Routing {
	healthy := uint64(0)
	for _, z := range zones {
		healthy += uint64(z.Hosts)
	}
	switch {
	case len(zones) < 2,
		l.CallerZones < 2 && !l.ForceDirect,
		l.CallersHere == 0,
		healthy < l.MinClusterSize:
		return Routing{}
	}
	return route(zones, l, healthy)
}

// route keeps everything in the own zone if it has at least the share of the
// hosts that it has of the callers, and else as much as it can take; the rest
// goes to the zones that have more hosts than callers.
//
// Rule: RuleZoneDirect, RuleZoneResidual.
func route(zones []Zone, l Limits, healthy uint64) Routing {
	share := func(of int, all uint64) uint64 {
		if all == 0 {
			return 0
		}
		return 10_000 * uint64(of) / all
	}
	r := Routing{On: true}
	if l.Own {
		hosts, callers := share(zones[0].Hosts, healthy), share(zones[0].callers(), uint64(l.Callers))
		if hosts > 0 && hosts >= callers || l.ForceDirect {
			r.direct = true
			return r
		}
		if callers > 0 {
			r.local = hosts * 10_000 / callers
		}
	}
	r.residual = make([]uint64, len(zones))
	sum := uint64(0)
	for i, z := range zones {
		hosts, callers := share(z.Hosts, healthy), share(z.callers(), uint64(l.Callers))
		if (i > 0 || !l.Own) && hosts > callers {
			sum += hosts - callers
		}
		r.residual[i] = sum
	}
	return r
}

// callers of a zone without a host cannot be told apart, and do not matter.
func (z Zone) callers() int {
	if z.Hosts == 0 {
		return 0
	}
	return z.Callers
}

// Pick returns a zone. The draws are any numbers: the first decides whether a
// pick stays, the second where it goes if it does not.
func (r *Routing) Pick(sample, spread uint64) int {
	if r.direct || sample%10_000 < r.local {
		return 0
	}
	n := len(r.residual)
	if r.residual[n-1] == 0 {
		return int(spread % uint64(n))
	}
	spread %= r.residual[n-1]
	z := 0
	for spread >= r.residual[z] {
		z++
	}
	return z
}

// May reports whether some draws lead to the zone.
func (r *Routing) May(zone int) bool {
	switch {
	case r.direct:
		return zone == 0
	case zone == 0 && r.local > 0, r.residual[len(r.residual)-1] == 0:
		return true
	case zone == 0:
		return r.residual[0] > 0
	}
	return r.residual[zone] > r.residual[zone-1]
}
