package check_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
	"pgregory.net/rapid"
)

const clusterName = "outbound|80||mydb.com"

// shape is a small drill: what a random one varies.
type shape struct {
	profile       string
	priorities    []uint32 // of each upstream
	policy        xds.LBPolicy
	threshold     uint32
	percent       uint32
	interval      time.Duration
	base          time.Duration
	merge         time.Duration
	retries       uint32
	every         time.Duration
	duration      time.Duration
	seed          uint64
	steps         []schedule.Step
	limits        xds.CircuitBreakers
	keepAlive     bool
	weights       []uint32 // of the upstreams in turn; none: 1
	localities    []uint32 // weights of the localities of a priority, whose upstreams are in them in turn; none: one locality, not weighted
	slowStart     time.Duration
	priorityRetry uint32                      // update frequency of the retry priority
	outlier       func(*xds.OutlierDetection) // what else it says; nil: nothing
}

func unlimited() xds.CircuitBreakers {
	return xds.CircuitBreakers{MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited}
}

// recipe is a shape with two priorities, the fixed recipe in short.
func recipe() shape {
	return shape{
		profile: "1.31", priorities: []uint32{0, 1}, policy: xds.LeastRequest, threshold: 1, percent: 100, interval: 5 * time.Second,
		base: 10 * time.Second, merge: time.Second, retries: 2, every: 500 * time.Millisecond, duration: 40 * time.Second, seed: 1,
		steps: []schedule.Step{fault(5250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Refuse})}, limits: unlimited(), keepAlive: true,
	}
}

func fault(at time.Duration, upstream int32, f schedule.Fault) schedule.Step {
	f.Upstream, f.Name = upstream, fmt.Sprintf("fault-%d-%v", upstream, at)
	if f.Percentage == 0 {
		f.Percentage = 100
	}
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindFault, Name: f.Name, Fault: &f}
}

func (o shape) schedule() *schedule.Schedule {
	p, err := istio.ParseProfile(o.profile)
	if err != nil {
		panic(err)
	}
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.Interval, od.BaseEjectionTime, od.MaxEjectionPercent, od.EnforcingSuccessRate = o.threshold, o.interval, o.base, o.percent, 0
	if o.outlier != nil {
		o.outlier(&od)
	}
	c := xds.Cluster{
		Name: clusterName, Type: xds.StrictDNS, LBPolicy: o.policy, ConnectTimeout: time.Second, OverprovisioningFactor: 140,
		UpdateMergeWindow: o.merge, OutlierDetection: &od, CircuitBreakers: o.limits,
	}
	s := &schedule.Schedule{
		Schema: schedule.Schema, Name: "random", Profile: p, Seed: o.seed, Scale: 1, Duration: trace.Sec(o.duration), Steps: o.steps,
		Clients: []schedule.Client{{Name: "sleep", Namespace: "default", Load: schedule.Load{
			URL: "http://mydb.com/", Host: "mydb.com", Port: 80, Path: "/", Method: "GET", Every: trace.Sec(o.every),
			Count: int((o.duration - 100*time.Millisecond) / o.every), KeepAlive: o.keepAlive, Concurrency: 64, Timeout: trace.Sec(10 * time.Second),
		}}},
		Documents: [][]schedule.Document{{}}, Observe: []trace.Sec{trace.Sec(o.duration)},
	}
	for i, prio := range o.priorities {
		name := fmt.Sprintf("up%d", i)
		s.Upstreams = append(s.Upstreams, schedule.Upstream{
			Name: name, Address: name + ".example", IPs: []netip.Addr{netip.AddrFrom4([4]byte{198, 18, byte(i), 1})}, Ports: []uint32{80},
			Latency: trace.Sec(time.Millisecond),
		})
		l := xds.LocalityEndpoints{
			Locality: xds.Locality{Region: fmt.Sprintf("region-%d", prio)}, Priority: prio, Weight: 1,
			Endpoints: []xds.Endpoint{{Address: name + ".example", Port: 80, Weight: 1}},
		}
		if n := len(o.weights); n > 0 {
			l.Endpoints[0].Weight = o.weights[i%n]
		}
		if n := len(o.localities); n > 0 {
			c.LocalityWeighted = true
			l.Locality.Zone, l.Weight = fmt.Sprintf("zone-%d", i%n), o.localities[i%n]
		}
		c.Localities = append(c.Localities, l)
	}
	if o.slowStart > 0 {
		slow := xds.DefaultSlowStart(o.slowStart)
		c.SlowStart = &slow
	}
	r := xds.Route{Cluster: clusterName, Timeout: 3 * time.Second}
	if o.retries > 0 {
		r.Retry = &xds.RetryPolicy{
			RetryOn: []string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"}, RetriableStatusCodes: []uint32{503},
			NumRetries: o.retries, BackOffBase: 25 * time.Millisecond, BackOffMax: 250 * time.Millisecond, PreviousHosts: true, HostSelectionMaxAttempts: 5,
			PreviousPriorities: o.priorityRetry,
		}
	}
	s.Configs = [][]xds.Config{{{
		Clusters:     []xds.Cluster{c},
		VirtualHosts: []xds.VirtualHost{{Name: "mydb.com:80", Domains: []string{"mydb.com"}, Port: 80, Routes: []xds.Route{r}}},
	}}}
	return s
}

// shapes draws small drills: two to four upstreams on one or two priorities, and
// one or two of them broken in a way that sockets know.
func shapes() *rapid.Generator[shape] {
	return rapid.Custom(func(t *rapid.T) shape {
		ms := func(what string, from, to int) time.Duration {
			return time.Duration(rapid.IntRange(from, to).Draw(t, what)) * time.Millisecond
		}
		o := shape{
			profile:   rapid.SampledFrom([]string{"1.31", "1.24", "1.19"}).Draw(t, "profile"),
			policy:    rapid.SampledFrom([]xds.LBPolicy{xds.RoundRobin, xds.LeastRequest, xds.Random}).Draw(t, "policy"),
			threshold: rapid.Uint32Range(1, 3).Draw(t, "threshold"),
			percent:   rapid.SampledFrom([]uint32{10, 34, 50, 67, 100}).Draw(t, "percent"),
			interval:  ms("interval", 500, 5000),
			// No ejection is over on the instant of a tick: which comes first then hangs on the
			// nanosecond by which the explanation is off.
			base:      ms("base", 500, 8000) + 137*time.Microsecond,
			merge:     rapid.SampledFrom([]time.Duration{0, 100 * time.Millisecond, time.Second}).Draw(t, "merge"),
			retries:   rapid.Uint32Range(0, 2).Draw(t, "retries"),
			every:     ms("every", 20, 700),
			duration:  20 * time.Second,
			seed:      rapid.Uint64().Draw(t, "seed"),
			limits:    unlimited(),
			keepAlive: rapid.Bool().Draw(t, "keep alive"),
		}
		if rapid.IntRange(0, 3).Draw(t, "weighted") == 0 {
			o.weights = []uint32{1, 3, 2}
		}
		if rapid.IntRange(0, 3).Draw(t, "locality weighted") == 0 {
			o.localities = []uint32{2, 1}
		}
		if rapid.IntRange(0, 3).Draw(t, "slow start") == 0 {
			o.slowStart = ms("warming up", 500, 10_000)
		}
		if rapid.IntRange(0, 3).Draw(t, "retry priority") == 0 {
			o.priorityRetry = rapid.Uint32Range(1, 2).Draw(t, "every")
		}
		n := rapid.IntRange(2, 4).Draw(t, "upstreams")
		levels := rapid.IntRange(1, 2).Draw(t, "levels")
		for i := range n {
			o.priorities = append(o.priorities, uint32(i*levels/n))
		}
		at := time.Duration(0)
		for range rapid.IntRange(1, 3).Draw(t, "faults") {
			at += ms("at", 500, 6000)
			f := rapid.SampledFrom([]schedule.Fault{
				{Behaviour: schedule.Refuse},
				{Behaviour: schedule.Status, Status: 503},
				{Behaviour: schedule.Status, Status: 500, Percentage: 50},
				{Behaviour: schedule.Reset},
				{Behaviour: schedule.Reset, EveryNth: 3},
				{Behaviour: schedule.Blackhole, For: trace.Sec(3 * time.Second)},
				{Behaviour: schedule.Hang, Hang: "headers", First: 2},
				{Behaviour: schedule.Delay, Delay: trace.Sec(40 * time.Millisecond), Jitter: trace.Sec(20 * time.Millisecond)},
			}).Draw(t, "fault")
			o.steps = append(o.steps, fault(at, int32(rapid.IntRange(0, n-1).Draw(t, "broken")), f))
		}
		return o
	})
}
