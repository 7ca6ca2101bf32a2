package backendtest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// The two upstreams of every schedule, and the cluster that they are in.
const (
	east = int32(0)
	west = int32(1)

	clusterName = "outbound|80||mydb.com"
)

// options are what a case changes in the recipe.
type options struct {
	duration  time.Duration
	every     time.Duration // between two requests
	profile   string        // "" is 1.31
	mep       uint32        // maxEjectionPercent; 0: the default of 10
	base      time.Duration // baseEjectionTime
	interval  time.Duration
	fiveXX    uint32 // consecutive5xx; 0 is 1
	retryOn   []string
	retries   uint32
	timeout   time.Duration // of the route
	connect   time.Duration // connect timeout; 0 is 1 s
	clients   int           // 0 is 1
	keepAlive bool
	latency   time.Duration // 0 is 1 ms
	steps     []schedule.Step
	observe   []time.Duration
	configs   []uint32 // port of east after each configuration step; the first is at 0 s
}

// with is the case as the backend plays it.
func (o options) with(b Options) options {
	if o.profile == "" {
		o.profile = b.Profile
	}
	return o
}

// recipe is the external-failover recipe, smaller and faster: a client in
// us-east1, an endpoint there and one in us-west.
func recipe(t testing.TB, o options) *schedule.Schedule {
	t.Helper()
	profile := o.profile
	if profile == "" {
		profile = "1.31"
	}
	p, err := istio.ParseProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	s := &schedule.Schedule{
		Schema: schedule.Schema, Name: t.Name(), Profile: p, Seed: 1, Scale: 1, Duration: trace.Sec(o.duration), Steps: o.steps,
		Upstreams: []schedule.Upstream{upstream("east", "198.18.0.1", o), upstream("west", "198.18.1.1", o)},
	}
	for i := range max(1, o.clients) {
		s.Clients = append(s.Clients, client(i, o))
	}
	if len(o.configs) == 0 {
		o.configs = []uint32{80}
	}
	for _, port := range o.configs {
		var cs []xds.Config
		for range s.Clients {
			cs = append(cs, config(o, port))
		}
		s.Configs = append(s.Configs, cs)
		s.Documents = append(s.Documents, nil)
	}
	for _, at := range o.observe {
		s.Observe = append(s.Observe, trace.Sec(at))
	}
	return s
}

func upstream(name, ip string, o options) schedule.Upstream {
	u := schedule.Upstream{
		Name: name, Address: name + ".example", IPs: []netip.Addr{netip.MustParseAddr(ip)}, Ports: []uint32{80}, Latency: trace.Sec(time.Millisecond),
	}
	if o.latency > 0 {
		u.Latency = trace.Sec(o.latency)
	}
	return u
}

// quiet is how long before the end the last request is due, so that all have
// an answer by then.
const quiet = 200 * time.Millisecond

func client(i int, o options) schedule.Client {
	return schedule.Client{
		Name: "sleep-" + string(rune('a'+i)), Namespace: "default", Locality: xds.Locality{Region: "us-east1"},
		Load: schedule.Load{
			URL: "http://mydb.com/", Host: "mydb.com", Port: 80, Path: "/", Method: "GET",
			Every: trace.Sec(o.every), Count: int((o.duration - quiet + o.every - 1) / o.every), KeepAlive: o.keepAlive,
		},
	}
}

func config(o options, eastPort uint32) xds.Config {
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.Interval, od.BaseEjectionTime, od.EnforcingSuccessRate = max(1, o.fiveXX), o.interval, o.base, 0
	if o.mep > 0 {
		od.MaxEjectionPercent = o.mep
	}
	c := xds.Cluster{
		Name: clusterName, Type: xds.StrictDNS, LBPolicy: xds.LeastRequest, ConnectTimeout: time.Second,
		Localities: []xds.LocalityEndpoints{
			group("us-east1", 0, "east.example", eastPort),
			group("us-west", 1, "west.example", 80),
		},
		OverprovisioningFactor: 140, UpdateMergeWindow: 10 * time.Millisecond, OutlierDetection: &od,
		CircuitBreakers: xds.CircuitBreakers{
			MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited,
		},
	}
	if o.connect > 0 {
		c.ConnectTimeout = o.connect
	}
	r := xds.Route{Cluster: clusterName, Timeout: o.timeout}
	if o.retries > 0 {
		r.Retry = &xds.RetryPolicy{
			RetryOn: o.retryOn, NumRetries: o.retries, BackOffBase: 4 * time.Millisecond, BackOffMax: 40 * time.Millisecond,
			PreviousHosts: true, HostSelectionMaxAttempts: 5,
		}
	}
	return xds.Config{
		Clusters:     []xds.Cluster{c},
		VirtualHosts: []xds.VirtualHost{{Name: "mydb.com:80", Domains: []string{"mydb.com"}, Port: 80, Routes: []xds.Route{r}}},
	}
}

func group(region string, priority uint32, name string, port uint32) xds.LocalityEndpoints {
	return xds.LocalityEndpoints{
		Locality: xds.Locality{Region: region}, Priority: priority, Weight: 1,
		Endpoints: []xds.Endpoint{{Address: name, Port: port, Weight: 1}},
	}
}

// istioRetries is what Istio's default policy retries on.
var istioRetries = []string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"}

func at(d time.Duration) trace.Sec { return trace.Sec(d) }
