package main

import (
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

const (
	stack = "grpc-go priority>outlier>weighted_target>rr, pick + done"
	// One value is the median over this many chunks of requests: a chunk is
	// shorter than a time slice, so that a neighbour's slice spoils few of them.
	chunks    = 100
	chunkSize = 20_000
)

// atOnce is a simulated request whose outcome lands at once, beside a pick of
// grpc-go with its outcome.
func atOnce() figure {
	return figure{name: "engine", title: "A request whose outcome lands at once: arrival, priority, locality, host, outcome, outlier counters, record", trials: []trial{
		grpcTrial(10),
		{rows: []row{{what: "engine, 10 hosts, round robin", unit: "ns", most: 60, peer: stack, ratio: 1}}, run: requestTrial(xds.RoundRobin, 10, false)},
	}}
}

func grpcTrial(n int) trial {
	var picker balancer.Picker
	return trial{rows: []row{{what: stack, unit: "ns"}}, run: func() ([]float64, error) {
		if picker == nil {
			var err error
			if picker, err = grpcStack(n); err != nil {
				return nil, err
			}
		}
		return inChunks(func() error {
			for range chunkSize {
				r, err := picker.Pick(balancer.PickInfo{})
				if err != nil {
					return err
				}
				r.Done(balancer.DoneInfo{})
			}
			return nil
		})
	}}
}

// inChunks is the median time of a request, in nanoseconds; chunk makes chunkSize of them.
func inChunks(chunk func() error) ([]float64, error) {
	runtime.GC()
	var took []float64
	for range chunks {
		began := time.Now()
		if err := chunk(); err != nil {
			return nil, err
		}
		took = append(took, nanos(began, chunkSize))
	}
	return []float64{median(took)}, nil
}

func nanos(began time.Time, n int) float64 {
	return float64(time.Since(began).Nanoseconds()) / float64(n)
}

// requestTrial makes requests of a cluster by hand and records each.
func requestTrial(policy xds.LBPolicy, hosts int, weighted bool) func() ([]float64, error) {
	return func() ([]float64, error) {
		od := xds.DefaultOutlierDetection()
		cfg := &xds.Cluster{
			Name: "bench", Type: xds.EDS, LBPolicy: policy, OverprovisioningFactor: 140, UpdateMergeWindow: time.Second, OutlierDetection: &od,
		}
		hs := make([]engine.Host, hosts)
		for i := range hs {
			hs[i] = engine.Host{Address: "10.0.0.1:" + strconv.Itoa(i), Weight: 1}
			if weighted {
				hs[i].Weight = uint32(1 + i%128)
			}
		}
		ch := engine.NewChooser(1)
		c := engine.NewCluster(cfg, xds.Rules{}, hs, engine.Delays{}, 0, &ch)
		records := make([]trace.Attempt, 0, 1<<16)
		tell := func(engine.Change) {}
		now := int64(0)
		return inChunks(func() error {
			for range chunkSize {
				now += 1_000_000
				c.Advance(now, &ch, tell)
				h := c.Pick(nil, nil, &ch)
				c.Begin(h)
				c.Report(now, h, outlier.RequestSuccess, 200, &ch, tell)
				c.End(h)
				if len(records) == cap(records) {
					records = records[:0]
				}
				records = append(records, trace.Attempt{At: trace.Sec(now), Done: trace.Sec(now), Host: h, Status: 200})
			}
			return nil
		})
	}
}

// withServiceTimes is a simulated request whose answer is an event of its own,
// played from a schedule into a trace.
func withServiceTimes() figure {
	return figure{name: "engine", title: "A request of a drill, 10 hosts, answers after 10 ms, all of it in the trace", trials: []trial{
		grpcTrial(10),
		{rows: []row{{what: "engine, round robin", unit: "ns", most: 150, peer: stack}}, run: playTrial(xds.RoundRobin)},
		{rows: []row{{what: "engine, least request", unit: "ns", most: 150, peer: stack}}, run: playTrial(xds.LeastRequest)},
	}}
}

func playTrial(policy xds.LBPolicy) func() ([]float64, error) {
	return func() ([]float64, error) {
		s := drill(policy, 10, 10*time.Millisecond, 500_000)
		runtime.GC()
		began := time.Now()
		tr := engine.Predict(s)
		took := nanos(began, s.Clients[0].Load.Count)
		return []float64{took}, allAnswered(tr, s)
	}
}

// allAnswered is an error when a drill was not what it is taken for.
func allAnswered(tr *trace.Trace, s *schedule.Schedule) error {
	n := 0
	for r := range tr.AllRequests() {
		if n++; r.Status != 200 {
			return fmt.Errorf("request %d: status %d", r.N, r.Status)
		}
	}
	if want := s.Clients[0].Load.Count; n != want {
		return fmt.Errorf("%d requests; expected %d", n, want)
	}
	return nil
}

// drill is a thousand requests a second over n hosts of one locality.
func drill(policy xds.LBPolicy, n int, latency time.Duration, count int) *schedule.Schedule {
	const host, port = "bench.example.com", 80
	od := xds.DefaultOutlierDetection()
	cluster := xds.Cluster{
		Name: "outbound|80||" + host, Type: xds.EDS, LBPolicy: policy, ConnectTimeout: 10 * time.Second, OverprovisioningFactor: 140,
		HealthyPanicThreshold: 50, UpdateMergeWindow: time.Second, OutlierDetection: &od,
		CircuitBreakers: xds.CircuitBreakers{MaxConnections: 1 << 30, MaxPendingRequests: 1 << 30, MaxRequests: 1 << 30, MaxRetries: 1 << 30},
		Localities:      []xds.LocalityEndpoints{{Weight: uint32(n)}},
	}
	s := &schedule.Schedule{
		Name: "bench", Seed: 1, Scale: 1, Duration: trace.Sec(count+1000) * trace.Sec(time.Millisecond),
		Clients: []schedule.Client{{Name: "sleep", Load: schedule.Load{
			URL: "http://" + host + "/", Host: host, Port: port, Path: "/", Method: "GET",
			Every: trace.Sec(time.Millisecond), Count: count, KeepAlive: true,
		}}},
	}
	for i := range n {
		ip := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		s.Upstreams = append(s.Upstreams, schedule.Upstream{
			Name: fmt.Sprint("h", i), Address: ip.String(), IPs: []netip.Addr{ip}, Ports: []uint32{port}, Latency: trace.Sec(latency),
		})
		l := &cluster.Localities[0]
		l.Endpoints = append(l.Endpoints, xds.Endpoint{Address: ip.String(), Port: port, Weight: 1})
	}
	s.Configs = [][]xds.Config{{{
		Clusters:     []xds.Cluster{cluster},
		VirtualHosts: []xds.VirtualHost{{Domains: []string{host}, Port: port, Routes: []xds.Route{{Prefix: "/", Cluster: cluster.Name}}}},
	}}}
	return s
}

// scaling compares ten thousand hosts with two.
func scaling() figure {
	f := figure{name: "scale", title: "A request whose outcome lands at once, 10000 hosts beside 2"}
	for _, p := range []struct {
		name     string
		policy   xds.LBPolicy
		weighted bool
		ratio    float64
	}{
		{"round robin", xds.RoundRobin, false, 1.3}, {"least request", xds.LeastRequest, false, 1.3},
		{"random", xds.Random, false, 1.3}, {"weighted round robin", xds.RoundRobin, true, 3},
	} {
		two := p.name + ", 2 hosts"
		f.trials = append(f.trials,
			trial{rows: []row{{what: two, unit: "ns"}}, run: requestTrial(p.policy, 2, p.weighted)},
			trial{rows: []row{{what: p.name + ", 10000 hosts", unit: "ns", peer: two, ratio: p.ratio}}, run: requestTrial(p.policy, 10000, p.weighted)})
	}
	return f
}

// hour is an hour of traffic with its trace kept.
func hour() figure {
	const count = 3_600_000
	return figure{name: "hour", title: "One hour of 1000 requests a second over 2 endpoints that answer after 10 ms, trace kept", trials: []trial{{
		rows: []row{
			{what: "wall time", unit: "s", most: 0.6},
			{what: "times real time", unit: "x", least: 6000},
			{what: "memory of the trace", unit: "bytes/request", most: 41},
		},
		run: func() ([]float64, error) {
			s := drill(xds.RoundRobin, 2, 10*time.Millisecond, count)
			before := heap()
			began := time.Now()
			tr := engine.Predict(s)
			took := time.Since(began).Seconds()
			kept := float64(heap()-before) / count
			return []float64{took, 3600 / took, kept}, allAnswered(tr, s)
		},
	}}}
}

// heap is how many bytes are in use, after collecting.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
