package differential

import (
	"slices"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// Smaller are drills that are simpler than this one in one respect each: a fault
// less, the end of the load cut off, a feature at its default, a host less.
func Smaller(s *schedule.Schedule) []*schedule.Schedule {
	var out []*schedule.Schedule
	for i := range s.Steps {
		if s.Steps[i].Kind == schedule.KindFault {
			out = append(out, withoutFault(s, i))
		}
	}
	if l := s.Clients[0].Load; l.Count > 8 {
		c := copied(s)
		c.Clients[0].Load.Count = l.Count * 2 / 3
		out = append(out, c)
	}
	for _, simplify := range simplifications {
		c := copied(s)
		cfg := &c.Configs[0][0]
		if simplify(&cfg.Clusters[0], &cfg.VirtualHosts[0].Routes[0]) {
			out = append(out, c)
		}
	}
	for i := range s.Configs[0][0].Clusters[0].Localities {
		for k := range s.Configs[0][0].Clusters[0].Localities[i].Endpoints {
			if c := withoutHost(s, i, k); c != nil {
				out = append(out, c)
			}
		}
	}
	return out
}

// copied is a copy of a drill whose configuration, client and steps can be changed.
func copied(s *schedule.Schedule) *schedule.Schedule {
	c := *s
	c.Clients, c.Steps = slices.Clone(s.Clients), slices.Clone(s.Steps)
	old := &s.Configs[0][0]
	cfg := xds.Config{Clusters: slices.Clone(old.Clusters), VirtualHosts: slices.Clone(old.VirtualHosts)}
	k := &cfg.Clusters[0]
	k.Localities = slices.Clone(k.Localities)
	for i := range k.Localities {
		k.Localities[i].Endpoints = slices.Clone(k.Localities[i].Endpoints)
	}
	if k.OutlierDetection != nil {
		od := *k.OutlierDetection
		k.OutlierDetection = &od
	}
	v := &cfg.VirtualHosts[0]
	v.Routes = slices.Clone(v.Routes)
	if r := v.Routes[0].Retry; r != nil {
		p := *r
		v.Routes[0].Retry = &p
	}
	c.Configs = [][]xds.Config{{cfg}}
	return &c
}

// withoutFault leaves out a fault and what heals it.
func withoutFault(s *schedule.Schedule, step int) *schedule.Schedule {
	c := copied(s)
	name := s.Steps[step].Fault.Name
	c.Steps = slices.DeleteFunc(c.Steps, func(st schedule.Step) bool {
		return st.Heal == name || st.Fault != nil && st.Fault.Name == name
	})
	inOrder(c.Steps)
	return c
}

// withoutHost leaves out an endpoint, unless it is the last of a priority: those
// that follow would move.
func withoutHost(s *schedule.Schedule, locality, endpoint int) *schedule.Schedule {
	c := copied(s)
	k := &c.Configs[0][0].Clusters[0]
	priority := k.Localities[locality].Priority
	k.Localities[locality].Endpoints = slices.Delete(k.Localities[locality].Endpoints, endpoint, endpoint+1)
	k.Localities = slices.DeleteFunc(k.Localities, func(l xds.LocalityEndpoints) bool { return len(l.Endpoints) == 0 })
	if !slices.ContainsFunc(k.Localities, func(l xds.LocalityEndpoints) bool { return l.Priority == priority }) {
		return nil
	}
	return c
}

// set changes a value, and reports whether it was another.
func set[T comparable](p *T, v T) bool {
	old := *p
	*p = v
	return old != v
}

var simplifications = []func(*xds.Cluster, *xds.Route) bool{
	func(_ *xds.Cluster, r *xds.Route) bool { return set(&r.Retry, nil) },
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.OutlierDetection, nil) },
	func(c *xds.Cluster, _ *xds.Route) bool {
		u := xds.Unlimited
		return set(&c.CircuitBreakers, xds.CircuitBreakers{MaxConnections: u, MaxPendingRequests: u, MaxRequests: u, MaxRetries: u})
	},
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.LocalityWeighted, false) },
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.WeightedPriorityHealth, false) },
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.HealthyPanicThreshold, 0) },
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.OverprovisioningFactor, 140) },
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.UpdateMergeWindow, 0) },
	func(c *xds.Cluster, _ *xds.Route) bool { return set(&c.LeastRequest, nil) },
	onRetry(func(p *xds.RetryPolicy) bool { return set(&p.PreviousPriorities, 0) }),
	onRetry(func(p *xds.RetryPolicy) bool { return set(&p.PreviousHosts, false) }),
	onRetry(func(p *xds.RetryPolicy) bool { return set(&p.PerTryTimeout, 0) }),
	onDetection(func(od *xds.OutlierDetection) bool { return set(&od.MaxEjectionTimeJitter, 0) }),
	onDetection(func(od *xds.OutlierDetection) bool { return set(&od.AlwaysEjectOneHost, false) }),
	onDetection(func(od *xds.OutlierDetection) bool { return set(&od.SplitExternalLocalOriginErrors, false) }),
	onDetection(func(od *xds.OutlierDetection) bool { return set(&od.EnforcingConsecutiveGatewayFailure, 0) }),
	onDetection(func(od *xds.OutlierDetection) bool {
		was := *od
		d := xds.DefaultOutlierDetection()
		od.SuccessRateMinimumHosts, od.SuccessRateRequestVolume, od.EnforcingSuccessRate = d.SuccessRateMinimumHosts, d.SuccessRateRequestVolume, 0
		od.EnforcingLocalOriginSuccessRate = 0
		return was != *od
	}),
	onDetection(func(od *xds.OutlierDetection) bool {
		was := *od
		d := xds.DefaultOutlierDetection()
		od.FailurePercentageMinimumHosts, od.FailurePercentageRequestVolume = d.FailurePercentageMinimumHosts, d.FailurePercentageRequestVolume
		od.EnforcingFailurePercentage, od.EnforcingFailurePercentageLocalOrigin = 0, 0
		return was != *od
	}),
}

func onRetry(f func(*xds.RetryPolicy) bool) func(*xds.Cluster, *xds.Route) bool {
	return func(_ *xds.Cluster, r *xds.Route) bool { return r.Retry != nil && f(r.Retry) }
}

func onDetection(f func(*xds.OutlierDetection) bool) func(*xds.Cluster, *xds.Route) bool {
	return func(c *xds.Cluster, _ *xds.Route) bool { return c.OutlierDetection != nil && f(c.OutlierDetection) }
}
