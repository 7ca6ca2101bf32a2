package differential

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

const (
	// Lasts is how long each drill is: those of one pack end together.
	Lasts = 7 * time.Second
	// earliest is when requests begin: a proxy that gets many clusters at 0 s has
	// them by then.
	earliest = 700 * time.Millisecond
	// lastAnswers is the time that the last requests have left.
	lastAnswers = 800 * time.Millisecond

	clusterName = "outbound|80||mydb.com"
	clientHost  = "mydb.com"
)

// Draw is the n-th small drill of a seed: the same for the same numbers, and
// independent of the others.
func Draw(seed, n uint64, p istio.Profile) *schedule.Schedule {
	d := drawer{rand.New(rand.NewPCG(seed, n))}
	s := &schedule.Schedule{
		Schema: schedule.Schema, Name: fmt.Sprintf("differential-%d-%d", seed, n), Profile: p, Seed: seed ^ n<<20, Scale: 1,
		Duration: trace.Sec(Lasts), Documents: [][]schedule.Document{{}},
	}
	hosts := d.between(1, 8)
	for i := range hosts {
		s.Upstreams = append(s.Upstreams, schedule.Upstream{
			Name: fmt.Sprintf("up%d", i), Address: address(i).String(), IPs: []netip.Addr{address(i)}, Ports: []uint32{80},
			Latency: trace.Sec(time.Millisecond),
		})
	}
	c, r := d.cluster(hosts), d.route()
	s.Configs = [][]xds.Config{{{
		Clusters:     []xds.Cluster{c},
		VirtualHosts: []xds.VirtualHost{{Name: clientHost + ":80", Domains: []string{clientHost}, Port: 80, Routes: []xds.Route{r}}},
	}}}
	s.Clients = []schedule.Client{d.client()}
	d.timeline(s, r.Timeout)
	d.discovery(&s.Configs[0][0].Clusters[0])
	return s
}

// address is that of the i-th upstream, 198.18.0.0/15 being for tests (RFC 2544).
func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 0, byte(i + 1)}) }

// drawer draws parts of a drill.
type drawer struct{ *rand.Rand }

// between is a number from lo to hi, both included.
func (d drawer) between(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

func (d drawer) number(lo, hi int) uint32 { return uint32(d.between(lo, hi)) }

// chance is true in so many percent of cases.
func (d drawer) chance(percent int) bool { return d.IntN(100) < percent }

// ms is a time in whole milliseconds.
func (d drawer) ms(lo, hi int) time.Duration {
	return time.Duration(d.between(lo, hi)) * time.Millisecond
}

// of is one of several, those that are named twice twice as likely.
func of[T any](d drawer, options ...T) T { return options[d.IntN(len(options))] }

// enforcing is a percentage of detections that are enforced.
func (d drawer) enforcing() uint32 { return of[uint32](d, 100, 100, 100, 100, 50, 0) }

func (d drawer) cluster(hosts int) xds.Cluster {
	c := xds.Cluster{
		Name: clusterName, Type: xds.EDS, LBPolicy: of(d, xds.RoundRobin, xds.LeastRequest, xds.Random),
		ConnectTimeout: d.ms(100, 1000), OverprovisioningFactor: of[uint32](d, 140, 140, 140, 100, 200),
		HealthyPanicThreshold: of[float64](d, 0, 0, 50, 50, 20, 34, 70, 100),
		UpdateMergeWindow:     of(d, time.Second, 0, 100*time.Millisecond, 300*time.Millisecond),
		CircuitBreakers:       d.circuitBreakers(),
	}
	c.WeightedPriorityHealth, c.LocalityWeighted = d.chance(10), d.chance(25)
	if c.LBPolicy == xds.LeastRequest && d.chance(20) {
		c.LeastRequest = &xds.LeastRequestConfig{ChoiceCount: d.number(2, 5), ActiveRequestBias: 1}
	}
	if d.chance(90) {
		od := d.outlierDetection()
		c.OutlierDetection = &od
	}
	d.localities(&c, hosts)
	return c
}

// discovery makes some of the clusters look up their endpoints, which are addresses:
// they are answered at once and in order, the first one before the cluster serves.
func (d drawer) discovery(c *xds.Cluster) {
	if d.chance(25) {
		c.Type, c.UpdateMergeWindow = xds.StrictDNS, of(d, c.UpdateMergeWindow, time.Second, 2500*time.Millisecond)
	}
}

// localities spreads the hosts over priorities, and those of one over zones.
func (d drawer) localities(c *xds.Cluster, hosts int) {
	levels, zones := min(hosts, d.between(1, 3)), of(d, 1, 1, 2, 3)
	weighted := d.chance(30)
	for level := range levels {
		var groups []xds.LocalityEndpoints
		for zone := range zones {
			groups = append(groups, xds.LocalityEndpoints{
				Locality: xds.Locality{Region: fmt.Sprintf("region-%d", level), Zone: fmt.Sprintf("zone-%d", zone)},
				Priority: uint32(level), Weight: d.number(1, 5),
			})
		}
		for i := level; i < hosts; i += levels {
			e := xds.Endpoint{Address: address(i).String(), Port: 80, Weight: 1}
			if weighted {
				e.Weight = d.number(1, 4)
			}
			g := &groups[d.IntN(zones)]
			g.Endpoints = append(g.Endpoints, e)
		}
		groups = slices.DeleteFunc(groups, func(g xds.LocalityEndpoints) bool { return len(g.Endpoints) == 0 })
		c.Localities = append(c.Localities, groups...)
	}
}

func (d drawer) circuitBreakers() xds.CircuitBreakers {
	cb := xds.CircuitBreakers{MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited}
	if d.chance(85) {
		return cb
	}
	for _, limit := range []*uint32{&cb.MaxConnections, &cb.MaxPendingRequests, &cb.MaxRequests, &cb.MaxRetries} {
		if d.chance(40) {
			*limit = d.number(1, 3)
		}
	}
	return cb
}

func (d drawer) outlierDetection() xds.OutlierDetection {
	od := xds.DefaultOutlierDetection()
	od.Interval, od.BaseEjectionTime = d.ms(300, 2000), d.ms(100, 3000)
	if d.chance(20) {
		od.MaxEjectionTime = od.BaseEjectionTime + d.ms(0, 2000)
	}
	if d.chance(10) {
		od.MaxEjectionTimeJitter = d.ms(1, 500)
	}
	od.MaxEjectionPercent = of[uint32](d, 0, 10, 25, 34, 50, 67, 80, 100, 100, 100, 100)
	od.AlwaysEjectOneHost = d.chance(20)
	od.Consecutive5xx, od.EnforcingConsecutive5xx = d.number(1, 5), d.enforcing()
	od.ConsecutiveGatewayFailure, od.EnforcingConsecutiveGatewayFailure = d.number(1, 5), of[uint32](d, 0, 0, 100, 50)
	if d.chance(30) {
		od.SplitExternalLocalOriginErrors = true
		od.ConsecutiveLocalOriginFailure, od.EnforcingConsecutiveLocalOriginFailure = d.number(1, 4), d.enforcing()
	}
	od.EnforcingSuccessRate, od.EnforcingLocalOriginSuccessRate = 0, 0
	if d.chance(25) {
		od.SuccessRateMinimumHosts, od.SuccessRateRequestVolume, od.SuccessRateStdevFactor = d.number(1, 4), d.number(1, 10), d.number(200, 1900)
		od.EnforcingSuccessRate = d.enforcing()
		if od.SplitExternalLocalOriginErrors {
			od.EnforcingLocalOriginSuccessRate = d.enforcing()
		}
	}
	if d.chance(25) {
		od.FailurePercentageThreshold, od.FailurePercentageMinimumHosts, od.FailurePercentageRequestVolume = d.number(1, 100), d.number(1, 4), d.number(1, 10)
		od.EnforcingFailurePercentage = d.enforcing()
		if od.SplitExternalLocalOriginErrors {
			od.EnforcingFailurePercentageLocalOrigin = d.enforcing()
		}
	}
	return od
}

func (d drawer) route() xds.Route {
	r := xds.Route{Cluster: clusterName, Timeout: of(d, 3*time.Second, 3*time.Second, d.ms(100, 600))}
	if d.chance(25) {
		return r
	}
	p := &xds.RetryPolicy{
		RetryOn: of(d,
			[]string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"},
			[]string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"},
			[]string{"5xx"}, []string{"gateway-error", "connect-failure"}, []string{"reset", "retriable-status-codes"}, []string{"connect-failure", "reset-before-request"}),
		NumRetries: d.number(1, 4), BackOffBase: of(d, 25*time.Millisecond, 25*time.Millisecond, 5*time.Millisecond, 60*time.Millisecond),
	}
	p.BackOffMax = p.BackOffBase * of[time.Duration](d, 10, 10, 2, 1)
	if slices.Contains(p.RetryOn, "retriable-status-codes") {
		p.RetriableStatusCodes = of(d, []uint32{503}, []uint32{503}, []uint32{500, 504}, nil)
	}
	if d.chance(60) {
		p.PreviousHosts, p.HostSelectionMaxAttempts = true, of[uint32](d, 5, 5, 3, 1)
	}
	if d.chance(20) {
		p.PreviousPriorities = d.number(1, 2)
	}
	if d.chance(20) {
		p.PerTryTimeout = d.ms(40, 200)
	}
	r.Retry = p
	return r
}

// client sends requests evenly; when it begins keeps packed clients apart.
func (d drawer) client() schedule.Client {
	every := time.Second / time.Duration(of(d, d.between(5, 20), d.between(5, 20), d.between(10, 50)))
	start := earliest + time.Duration(d.IntN(int(every)))
	during := min(Lasts-start-lastAnswers, d.ms(3000, 6000))
	return schedule.Client{Name: "sleep", Namespace: "default", Load: schedule.Load{
		URL: "http://" + clientHost + "/", Host: clientHost, Port: 80, Path: "/", Method: "GET", Start: trace.Sec(start), Every: trace.Sec(every),
		Count: int(during / every), KeepAlive: d.chance(70), Concurrency: 64, Timeout: trace.Sec(10 * time.Second),
	}}
}

// timeline breaks some of the upstreams for a while each, one way at a time.
func (d drawer) timeline(s *schedule.Schedule, timeout time.Duration) {
	broken := d.Perm(len(s.Upstreams))
	for _, u := range broken[:min(len(broken), d.between(1, 4))] {
		from := earliest - 300*time.Millisecond + d.ms(0, 3500)
		for k := range d.between(1, 2) {
			f := d.fault(timeout)
			f.Name, f.Upstream = fmt.Sprintf("up%d-%d", u, k), int32(u)
			until := from + d.ms(200, 3000)
			s.Steps = append(s.Steps, schedule.Step{At: trace.Sec(from), Kind: schedule.KindFault, Name: f.Name, Fault: &f})
			if until > Lasts-lastAnswers || d.chance(15) {
				break // to the end
			}
			s.Steps = append(s.Steps, schedule.Step{At: trace.Sec(until), Kind: schedule.KindHeal, Name: f.Name + " heals", Heal: f.Name})
			from = until + d.ms(100, 1500)
			if from > Lasts-2*lastAnswers {
				break
			}
		}
	}
	inOrder(s.Steps)
}

// inOrder sorts and numbers steps.
func inOrder(steps []schedule.Step) {
	slices.SortStableFunc(steps, func(a, b schedule.Step) int { return int(a.At - b.At) })
	for i := range steps {
		steps[i].Entry = i
	}
}

// fault draws what goes wrong. A server that hangs needs a timeout to end the drill in time.
func (d drawer) fault(timeout time.Duration) schedule.Fault {
	f := schedule.Fault{Behaviour: of(d, schedule.Status, schedule.Status, schedule.Status, schedule.Refuse, schedule.Refuse, schedule.Reset, schedule.Delay, schedule.CloseAfter, schedule.Hang), Percentage: 100}
	if f.Behaviour == schedule.Hang && timeout > time.Second {
		f.Behaviour = schedule.Status
	}
	switch f.Behaviour {
	case schedule.Status:
		f.Status = of(d, 500, 502, 503, 503, 503, 504)
	case schedule.Delay:
		f.Delay = trace.Sec(d.ms(20, 250))
	case schedule.CloseAfter:
		f.CloseAfter = d.between(1, 3)
		return f
	case schedule.Hang:
		f.Hang = "headers"
	case schedule.Refuse:
		return f
	}
	switch d.IntN(6) {
	case 0:
		f.Percentage = float64(d.between(20, 90))
	case 1:
		f.First = d.between(1, 10)
	case 2:
		f.EveryNth = d.between(2, 4)
	}
	return f
}
