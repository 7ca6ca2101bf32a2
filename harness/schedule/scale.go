package schedule

import (
	"math"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Scaled returns the schedule n times as fast: the durations of the timeline,
// of the load and of the configuration are divided by n. What the machine
// itself takes - a connection, an answer - stays as it is.
func (s *Schedule) Scaled(n float64) *Schedule {
	if n == 1 {
		return s
	}
	out := *s
	out.Scale = s.Scale * n
	div := func(d trace.Sec) trace.Sec { return trace.Sec(float64(d) / n) }
	up := func(d trace.Sec) trace.Sec { return trace.Sec(math.Ceil(float64(d) / n)) }
	out.Duration = div(s.Duration)
	out.Clients = append([]Client(nil), s.Clients...)
	for i := range out.Clients {
		// Rounded up, a request that is due with a step or at the edge of a window
		// stays behind it, however many there are.
		l := &out.Clients[i].Load
		l.Start, l.Every, l.Timeout = up(l.Start), up(l.Every), div(l.Timeout)
	}
	out.Upstreams = append([]Upstream(nil), s.Upstreams...)
	for i := range out.Upstreams {
		out.Upstreams[i].TTL = div(s.Upstreams[i].TTL)
	}
	out.Steps = append([]Step(nil), s.Steps...)
	for i := range out.Steps {
		st := &out.Steps[i]
		st.At = div(st.At)
		if st.Fault != nil {
			f := *st.Fault
			f.Delay, f.Jitter, f.SlowBody, f.For, f.TTL = div(f.Delay), div(f.Jitter), div(f.SlowBody), div(f.For), div(f.TTL)
			st.Fault = &f
		}
	}
	out.Observe = make([]trace.Sec, len(s.Observe))
	for i, at := range s.Observe {
		out.Observe[i] = div(at)
	}
	out.Configs = make([][]xds.Config, len(s.Configs))
	for i, cs := range s.Configs {
		for j := range cs {
			out.Configs[i] = append(out.Configs[i], scaleConfig(&cs[j], n))
		}
	}
	return &out
}

// shortestBackOff keeps the retries' jitter at whole milliseconds.
const shortestBackOff = 2 * time.Millisecond

func scaleConfig(c *xds.Config, n float64) xds.Config {
	div := func(d time.Duration) time.Duration { return time.Duration(float64(d) / n) }
	out := xds.Config{Clusters: append([]xds.Cluster(nil), c.Clusters...), VirtualHosts: append([]xds.VirtualHost(nil), c.VirtualHosts...)}
	for i := range out.Clusters {
		k := &out.Clusters[i]
		k.ConnectTimeout, k.UpdateMergeWindow = div(k.ConnectTimeout), div(k.UpdateMergeWindow)
		if k.OutlierDetection != nil {
			od := *k.OutlierDetection
			od.Interval, od.BaseEjectionTime, od.MaxEjectionTime = div(od.Interval), div(od.BaseEjectionTime), div(od.MaxEjectionTime)
			od.MaxEjectionTimeJitter = div(od.MaxEjectionTimeJitter)
			k.OutlierDetection = &od
		}
		if k.DNS != nil {
			d := *k.DNS
			d.RefreshRate, d.Jitter = div(d.RefreshRate), div(d.Jitter)
			d.FailureBase, d.FailureMax = div(d.FailureBase), div(d.FailureMax)
			k.DNS = &d
		}
	}
	for i := range out.VirtualHosts {
		v := &out.VirtualHosts[i]
		v.Routes = append([]xds.Route(nil), v.Routes...)
		for j := range v.Routes {
			r := &v.Routes[j]
			r.Timeout = div(r.Timeout)
			if r.Retry != nil {
				p := *r.Retry
				p.PerTryTimeout = div(p.PerTryTimeout)
				p.BackOffBase = max(shortestBackOff, div(p.BackOffBase))
				p.BackOffMax = max(p.BackOffBase, div(p.BackOffMax))
				r.Retry = &p
			}
		}
	}
	return out
}
