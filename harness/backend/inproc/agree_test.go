package inproc_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/inproc"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// What each request comes to, as the engine says, for the corners that the test
// of all backends leaves out. Requests are 100 ms apart and each has one host to
// go to, so that nothing is left to chance.
func TestAgreesWithTheEngine(t *testing.T) {
	const ms = time.Millisecond
	cases := []struct {
		name   string
		change func(*schedule.Schedule)
		want   string // an outcome that has to be among them
	}{
		{"the answer comes late", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Delay, Delay: trace.Sec(60 * ms), Jitter: trace.Sec(10 * ms)})}
		}, "200 from 0, 1 attempts, -"},
		{"the route timeout fires before the answer", func(s *schedule.Schedule) {
			route(s).Timeout = 50 * ms
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Delay, Delay: trace.Sec(80 * ms)})}
		}, "504 from -1, 1 attempts, UT"},
		{"the per-try timeout fires, and there is another try", func(s *schedule.Schedule) {
			r := route(s).Retry
			r.PerTryTimeout, r.RetryOn, r.NumRetries = 25*ms, []string{"5xx"}, 1
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Hang, Hang: "headers", First: 3})}
		}, "504 from -1, 2 attempts, URX,UT"},
		{"the route timeout fires in the body", func(s *schedule.Schedule) {
			route(s).Timeout = 50 * ms
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Hang, Hang: "body", First: 2})}
		}, "0 from -1, 1 attempts, UT the answer broke off"},
		{"the client gives up before the headers", func(s *schedule.Schedule) {
			s.Clients[0].Load.Timeout = trace.Sec(50 * ms)
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Hang, Hang: "headers", EveryNth: 2})}
		}, "0 from -1, 1 attempts, DC timeout"},
		{"the client gives up in the body", func(s *schedule.Schedule) {
			s.Clients[0].Load.Timeout = trace.Sec(50 * ms)
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Hang, Hang: "body", EveryNth: 2})}
		}, "0 from -1, 1 attempts, DC timeout"},
		{"the client gives up while the proxy connects", func(s *schedule.Schedule) {
			s.Clients[0].Load.Timeout = trace.Sec(50 * ms)
			cluster(s).ConnectTimeout = 10 * time.Second
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Blackhole})}
		}, "0 from -1, 1 attempts, DC timeout"},
		{"the body drips", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.SlowBody, SlowBody: trace.Sec(60 * ms)})}
		}, "200 from 0, 1 attempts, -"},
		{"a fault ends by itself", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Refuse, For: trace.Sec(200 * ms)})}
		}, "503 from -1, 3 attempts, URX,UF"},
		{"a blackhole ends by itself", func(s *schedule.Schedule) {
			cluster(s).ConnectTimeout = 20 * ms
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Blackhole, For: trace.Sec(200 * ms)})}
		}, "503 from -1, 3 attempts, URX,UF"},
		// Black-hole rule, sparse: the route timeout ends each request before the
		// connect timeout, and nobody is charged.
		{"the route timeout fires while the proxy connects", func(s *schedule.Schedule) {
			route(s).Timeout = 30 * ms
			cluster(s).ConnectTimeout = 60 * ms
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Blackhole})}
		}, "504 from -1, 1 attempts, UT"},
		// Black-hole rule, steady: what is pending when the connect timer fires
		// fails with it, however young it is.
		{"a young request fails with the connection that an older one began", func(s *schedule.Schedule) {
			route(s).Timeout, route(s).Retry = 70*ms, nil
			cluster(s).ConnectTimeout = 140 * ms
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Blackhole})}
		}, "503 from -1, 1 attempts, UF"},
		// The connections beside the failed one go on: the next requests wait for
		// those, not for connections of their own, which would be too late.
		{"a young request waits for a connection that outlived its own request", func(s *schedule.Schedule) {
			route(s).Timeout, route(s).Retry = 180*ms, nil
			cluster(s).ConnectTimeout, cluster(s).OutlierDetection = 250*ms, nil
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Blackhole})}
		}, "503 from -1, 1 attempts, UF"},
		{"the path decides", func(s *schedule.Schedule) {
			s.Clients[0].Load.URL, s.Clients[0].Load.Path = "http://mydb.com/orders?n=1", "/orders?n=1"
			s.Steps = []schedule.Step{
				fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Status, Status: 500, Path: "/orders"}),
				fault(150*ms, schedule.Fault{Name: "g", Behaviour: schedule.Status, Status: 501, Path: "/carts"}),
			}
		}, "500 from 0, 1 attempts, -"},
		{"a header decides", func(s *schedule.Schedule) {
			s.Clients[0].Load.Headers = map[string]string{"x-canary": "yes"}
			s.Steps = []schedule.Step{
				fault(150*ms, schedule.Fault{Name: "g", Behaviour: schedule.Status, Status: 501, Headers: map[string]string{"x-canary": "no"}}),
				fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Status, Status: 500, Headers: map[string]string{"x-canary": "yes"}}),
			}
		}, "500 from 0, 1 attempts, -"},
		{"the port decides", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{
				fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Refuse, Port: 8080}),
				fault(350*ms, schedule.Fault{Name: "g", Behaviour: schedule.Refuse, Port: 80}),
			}
		}, "503 from -1, 3 attempts, URX,UF"},
		{"every third and the first five", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{
				fault(50*ms, schedule.Fault{Name: "f", Behaviour: schedule.Status, Status: 500, EveryNth: 3}),
				fault(50*ms, schedule.Fault{Name: "g", Behaviour: schedule.Status, Status: 501, First: 2}),
			}
		}, "501 from 0, 1 attempts, -"},
		{"no request is allowed", func(s *schedule.Schedule) {
			cluster(s).CircuitBreakers.MaxPendingRequests = 0
		}, "503 from -1, 1 attempts, UO"},
		{"no retry is allowed", func(s *schedule.Schedule) {
			cluster(s).CircuitBreakers.MaxRetries = 0
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Refuse})}
		}, "503 from -1, 1 attempts, UO,UF"},
		{"one connection is allowed", func(s *schedule.Schedule) {
			cluster(s).CircuitBreakers.MaxConnections = 1
			s.Clients[0].Load.Count = 5
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Delay, Delay: trace.Sec(140 * ms)})}
		}, "200 from 0, 1 attempts, -"},
		{"one request at a time", func(s *schedule.Schedule) {
			s.Clients[0].Load.Concurrency = 1
			s.Clients[0].Load.Count = 5
			s.Steps = []schedule.Step{fault(150*ms, schedule.Fault{Name: "f", Behaviour: schedule.Delay, Delay: trace.Sec(130 * ms)})}
		}, "200 from 0, 1 attempts, -"},
		{"an answer that never comes", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{fault(550*ms, schedule.Fault{Name: "f", Behaviour: schedule.Hang, Hang: "headers"})}
		}, "0 from -1, 1 attempts, - unanswered at the end of the drill"},
		{"an answer after the end of the drill", func(s *schedule.Schedule) {
			s.Steps = []schedule.Step{fault(550*ms, schedule.Fault{Name: "f", Behaviour: schedule.Delay, Delay: trace.Sec(700 * ms)})}
		}, "200 from 0, 1 attempts, -"},
		{"no connection is kept", func(s *schedule.Schedule) {
			s.Clients[0].Load.KeepAlive = false
		}, "200 from 0, 1 attempts, -"},
		{"no route", func(s *schedule.Schedule) {
			s.Configs[0][0].VirtualHosts[0].Domains = []string{"other.com"}
		}, "404 from -1, 0 attempts, NR"},
		{"no cluster", func(s *schedule.Schedule) {
			route(s).Cluster = "outbound|80||other.com"
		}, "503 from -1, 0 attempts, NC"},
		{"no host", func(s *schedule.Schedule) {
			cluster(s).Localities = nil
		}, "503 from -1, 0 attempts, UH"},
		{"an address that nobody serves", func(s *schedule.Schedule) {
			cluster(s).Localities[0].Endpoints[0].Address = "203.0.113.9"
		}, "503 from -1, 3 attempts, URX,UF"},
		{"the upstream is slow by itself", func(s *schedule.Schedule) {
			s.Upstreams[0].Latency = trace.Sec(40 * ms)
		}, "200 from 0, 1 attempts, -"},
	}
	traces := make([]*trace.Trace, len(cases))
	predictions := make([]*trace.Trace, len(cases))
	errs := make([]error, len(cases))
	var playing sync.WaitGroup
	turns := make(chan struct{}, 12)
	for i, c := range cases {
		s := drill(t, 900*ms, single, c.change)
		predictions[i] = engine.Play(s)
		playing.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			for range 6 { // the machine may be late without noticing it
				sink := backend.Collector{}
				if errs[i] = inproc.New().Play(t.Context(), s, &sink); errs[i] != nil {
					return
				}
				backend.InOrder(&sink.Trace)
				traces[i] = &sink.Trace
				if tooLate(traces[i]) == 0 && cmp.Equal(outcomes(predictions[i]), outcomes(traces[i])) {
					return
				}
			}
		})
	}
	playing.Wait()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			want, got := outcomes(predictions[i]), outcomes(traces[i])
			d := cmp.Diff(want, got)
			if late := tooLate(traces[i]); d != "" && late > 0 {
				t.Skipf("the machine was late by %v in every play", late)
			}
			if d != "" {
				t.Errorf("requests (-engine +inproc):\n%s", d)
			}
			found := false
			for _, o := range got {
				found = found || o == c.want
			}
			if !found {
				t.Errorf("none of %q is %q", got, c.want)
			}
		})
	}
}

// single leaves one host to go to, and detects nothing.
func single(s *schedule.Schedule) {
	for i := range s.Upstreams {
		s.Upstreams[i].IPs = s.Upstreams[i].IPs[:1]
	}
	c := cluster(s)
	c.OutlierDetection = nil
	c.Localities = c.Localities[:1]
	l := &s.Clients[0].Load
	l.Start, l.Every = trace.Sec(10*time.Millisecond), trace.Sec(100*time.Millisecond)
	l.Count = 7
}

func route(s *schedule.Schedule) *xds.Route { return &s.Configs[0][0].VirtualHosts[0].Routes[0] }

// tooLate is by how much the machine was too late for schedules that count in
// tens of milliseconds: it stood still, or sent requests late that had nobody to
// wait for. 0: it was not.
func tooLate(tr *trace.Trace) time.Duration {
	late := tr.LongestStall()
	for i, r := range tr.Requests {
		if i == 0 || tr.Requests[i-1].Done <= r.At {
			late = max(late, (r.Sent - r.At).D())
		}
	}
	if late < 15*time.Millisecond {
		return 0
	}
	return late
}

// outcomes is what each request came to.
func outcomes(tr *trace.Trace) []string {
	var out []string
	for _, r := range tr.Requests {
		s := fmt.Sprintf("%d from %d, %d attempts, %s", r.Status, r.Upstream, r.Attempts, r.Flags)
		if r.Error != "" {
			s += " " + r.Error
		}
		out = append(out, s)
	}
	return out
}
