package inproc_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/inproc"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// drill is a schedule of one cluster with two hosts in each of two regions.
func drill(t *testing.T, duration time.Duration, change ...func(*schedule.Schedule)) *schedule.Schedule {
	t.Helper()
	p, err := istio.ParseProfile("1.31")
	if err != nil {
		t.Fatal(err)
	}
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.Interval, od.BaseEjectionTime, od.MaxEjectionPercent, od.EnforcingSuccessRate = 3, 100*time.Millisecond, 150*time.Millisecond, 100, 0
	c := xds.Cluster{
		Name: "outbound|80||mydb.com", Type: xds.StrictDNS, LBPolicy: xds.LeastRequest, ConnectTimeout: 300 * time.Millisecond,
		OverprovisioningFactor: 140, UpdateMergeWindow: 5 * time.Millisecond, OutlierDetection: &od,
		CircuitBreakers: xds.CircuitBreakers{
			MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited,
		},
	}
	s := &schedule.Schedule{
		Schema: schedule.Schema, Name: t.Name(), Profile: p, Seed: 7, Scale: 1, Duration: trace.Sec(duration),
		Clients: []schedule.Client{{Name: "sleep", Load: schedule.Load{
			URL: "http://mydb.com/", Host: "mydb.com", Port: 80, Path: "/", Method: "GET", KeepAlive: true, Every: trace.Sec(20 * time.Millisecond),
		}}},
	}
	for i, region := range []string{"east", "west"} {
		u := schedule.Upstream{Name: region, Address: region + ".example", Ports: []uint32{80, 8080}, Latency: trace.Sec(time.Millisecond)}
		for k := range 2 {
			u.IPs = append(u.IPs, netip.MustParseAddr(fmt.Sprintf("198.18.%d.%d", i, k+1)))
		}
		s.Upstreams = append(s.Upstreams, u)
		c.Localities = append(c.Localities, xds.LocalityEndpoints{
			Locality: xds.Locality{Region: region}, Priority: uint32(i), Weight: 1,
			Endpoints: []xds.Endpoint{{Address: u.Address, Port: 80, Weight: 1}},
		})
	}
	cfg := xds.Config{
		Clusters: []xds.Cluster{c},
		VirtualHosts: []xds.VirtualHost{{Name: "mydb.com:80", Domains: []string{"mydb.com"}, Port: 80, Routes: []xds.Route{{
			Cluster: c.Name,
			Retry: &xds.RetryPolicy{
				RetryOn: []string{"connect-failure", "refused-stream"}, NumRetries: 2, BackOffBase: 2 * time.Millisecond, BackOffMax: 20 * time.Millisecond,
				PreviousHosts: true, HostSelectionMaxAttempts: 5,
			},
		}}}},
	}
	s.Configs, s.Documents = [][]xds.Config{{cfg}}, [][]schedule.Document{nil}
	for _, f := range change {
		f(s)
	}
	l := &s.Clients[0].Load
	if l.Count == 0 {
		l.Count = int((s.Duration - trace.Sec(100*time.Millisecond)) / l.Every)
	}
	return s
}

// cluster is the only cluster of the first configuration.
func cluster(s *schedule.Schedule) *xds.Cluster { return &s.Configs[0][0].Clusters[0] }

func fault(at time.Duration, f schedule.Fault) schedule.Step {
	if f.Percentage == 0 {
		f.Percentage = 100
	}
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindFault, Name: f.Name, Fault: &f}
}

func heal(at time.Duration, name string) schedule.Step {
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindHeal, Name: "heal " + name, Heal: name}
}

func play(t *testing.T, s *schedule.Schedule) *trace.Trace {
	t.Helper()
	if m := (inproc.Backend{}).Missing(s); len(m) > 0 {
		t.Fatalf("missing: %v", m)
	}
	var c backend.Collector
	if err := inproc.New().Play(t.Context(), s, &c); err != nil {
		t.Fatal(err)
	}
	backend.InOrder(&c.Trace)
	return &c.Trace
}

// Six clients with 200 requests a second each, while faults come and go and the
// configuration changes: every request ends once, every attempt is recorded,
// and the counts of the proxies' and the clients' side fit.
func TestConcurrency(t *testing.T) {
	const ms = time.Millisecond
	s := drill(t, 2500*ms, func(s *schedule.Schedule) {
		s.Clients[0].Load.Every = trace.Sec(5 * ms)
		s.Clients[0].Load.Count = 200
		for i := range 5 {
			c := s.Clients[0]
			c.Name = fmt.Sprintf("sleep-%d", i)
			c.Load.KeepAlive = i%2 == 0
			s.Clients = append(s.Clients, c)
		}
		other := s.Configs[0][0]
		other.Clusters = []xds.Cluster{other.Clusters[0]}
		other.Clusters[0].ConnectTimeout /= 2
		var before, after []xds.Config
		for range s.Clients {
			before, after = append(before, s.Configs[0][0]), append(after, other)
		}
		s.Configs = [][]xds.Config{before, after}
		s.Documents = [][]schedule.Document{nil, nil}
		s.Observe = []trace.Sec{trace.Sec(550 * ms), trace.Sec(2500 * ms)}
		s.Steps = []schedule.Step{
			fault(100*ms, schedule.Fault{Name: "flaky", Behaviour: schedule.Status, Status: 503, Percentage: 50}),
			fault(200*ms, schedule.Fault{Name: "down", Behaviour: schedule.Refuse}),
			fault(300*ms, schedule.Fault{Name: "crashing", Upstream: 1, Behaviour: schedule.Reset, EveryNth: 3}),
			heal(400*ms, "down"),
			{At: trace.Sec(500 * ms), Kind: schedule.KindConfig, Name: "apply", Config: 1},
			fault(600*ms, schedule.Fault{Name: "lost", Upstream: 1, Behaviour: schedule.Blackhole}),
			heal(700*ms, "flaky"),
			heal(800*ms, "lost"),
			heal(900*ms, "crashing"),
		}
	})
	tr := play(t, s)
	if got, want := len(tr.Requests), 6*200; got != want {
		t.Errorf("got %d requests, want %d", got, want)
	}
	type key struct{ client, n int32 }
	attempts := map[key]int32{}
	for _, a := range tr.Attempts {
		attempts[key{a.Client, a.Request}]++
	}
	for _, r := range tr.Requests {
		if r.Done < s.Duration && attempts[key{r.Client, r.N}] != r.Attempts {
			t.Errorf("request %d of client %d: says %d attempts, and %d are recorded", r.N, r.Client, r.Attempts, attempts[key{r.Client, r.N}])
		}
	}
	ejected := map[int32]bool{}
	loads := map[int32]int{}
	for _, c := range tr.Changes {
		ejected[c.Client] = ejected[c.Client] || c.Event == trace.Ejected
	}
	for _, l := range tr.Loads {
		loads[l.Client]++
	}
	for c := range s.Clients {
		if !ejected[int32(c)] || loads[int32(c)] < 3 {
			t.Errorf("client %d: ejected %v, %d loads, want an ejection and at least 3", c, ejected[int32(c)], loads[int32(c)])
		}
	}
	// Whether each step was seen in time is for backendtest to ask, which plays
	// again when the machine is late; this load makes it late by itself.
	if got, want := len(tr.Steps), len(s.Steps); got != want {
		t.Errorf("got %d steps, want %d", got, want)
	}
	if n := len(tr.Endpoints[0].Rows); n != 6*4 {
		t.Errorf("got %d endpoint rows, want 24", n)
	}
}
