package backendtest

import (
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// testCase is a rule, a schedule that shows it, and what to look at.
type testCase struct {
	name     string
	rule     string
	optional bool // a backend may lack it, and says so in Missing
	options  options
	check    func(*played)
}

// ms makes the tables readable.
func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// fault begins a fault of east.
func fault(at time.Duration, f schedule.Fault) schedule.Step {
	f.Upstream, f.Percentage = east, 100
	f.Name = f.Behaviour
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindFault, Name: "east: " + f.Behaviour, Fault: &f}
}

func heal(at time.Duration, behaviour string) schedule.Step {
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindHeal, Name: "heal east: " + behaviour, Heal: behaviour}
}

func apply(at time.Duration, config int) schedule.Step {
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindConfig, Name: "apply", Config: config}
}

var cases = []testCase{
	{
		name: "healthy traffic stays local",
		rule: "a priority that is wholly healthy takes all of the load; the next one gets nothing",
		options: options{
			duration: ms(800), every: ms(50), interval: ms(500), base: ms(500), keepAlive: true, observe: []time.Duration{ms(400), ms(800)},
		},
		check: func(p *played) {
			for _, r := range p.tr.Requests {
				if r.Status != 200 || r.Upstream != east || r.Attempts != 1 {
					p.Errorf("request %d: got %d from upstream %d after %d attempts, want 200 from east after one", r.N, r.Status, r.Upstream, r.Attempts)
				}
			}
			if r := p.row(1, east); r.Status != "HEALTHY" || r.OutlierCheck != "OK" || r.Address != "198.18.0.1:80" || r.Locality != "us-east1" {
				p.Errorf("east's line is %+v", r)
			}
		},
	},
	{
		name: "a refusing host is ejected, returns at a tick, and is ejected for longer",
		rule: "the first failure ejects (consecutive5xx 1); the interval tick after base_ejection_time lets the host back; the next ejection lasts twice as long; connect failures are retried elsewhere, so that no client sees one",
		options: options{
			// No request is due within the merge window after a tick, even a late one.
			duration: ms(1900), every: ms(100), interval: ms(465), base: ms(600), mep: 100, retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(300), schedule.Fault{Behaviour: schedule.Refuse})}, observe: []time.Duration{ms(700)},
		},
		check: func(p *played) {
			for _, r := range p.errors() {
				if p.outside && p.atOnce(r) {
					continue // its retries met no back-off, and the worker had not heard of the ejection yet
				}
				p.Errorf("request %d failed: %d %s", r.N, r.Status, r.Flags)
			}
			ejected, returned := p.changesOf(0, east, trace.Ejected), p.changesOf(0, east, trace.Returned)
			if len(ejected) != 2 || len(returned) != 1 {
				return // said already
			}
			tick := trace.Sec(ms(930))
			if at := returned[0].At; !p.outside && at != ejected[0].Until || at < tick-p.early() || at > tick+p.slack {
				p.Errorf("returned at %v, said to be at %v, want at the tick at %v", at.D(), ejected[0].Until.D(), tick.D())
			}
			if e := ejected[1]; e.Ejections != 2 || !p.outside && e.Until-e.At < trace.Sec(2*p.s.Configs[0][0].Clusters[0].OutlierDetection.BaseEjectionTime) {
				p.Errorf("ejection %d lasts from %v to %v, want the second, for at least 1.2s", e.Ejections, e.At.D(), e.Until.D())
			}
			if r := p.row(0, east); r.Status != "HEALTHY" || r.OutlierCheck != "FAILED" {
				p.Errorf("east's line is %+v, want HEALTHY and FAILED", r)
			}
		},
	},
	{
		name: "the recipe as published never ejects",
		rule: "max_ejection_percent is 10 by default, of two hosts none: every detection overflows, and every request fails after its retries",
		options: options{
			duration: ms(1200), every: ms(100), interval: ms(400), base: ms(400), retryOn: istioRetries, retries: 2, keepAlive: true,
			configs: []uint32{80, 81}, steps: []schedule.Step{apply(ms(350), 1)}, observe: []time.Duration{ms(1200)},
		},
		check: func(p *played) {
			if n := len(p.changesOf(0, east, trace.OverflowEvent)); n == 0 {
				p.Error("nothing overflowed")
			}
			if n := len(p.changesOf(0, east, trace.Ejected)); n > 0 {
				p.Errorf("ejected %d times", n)
			}
			for _, r := range p.tr.Requests {
				if r.At > trace.Sec(ms(350)) && (r.Status != 503 || r.Flags.String() != "URX,UF" || r.Attempts != 3) {
					p.Errorf("request %d: got %d %s after %d attempts, want 503 URX,UF after 3", r.N, r.Status, r.Flags, r.Attempts)
				}
			}
			if r := p.row(0, east); r.OutlierCheck != "OK" || r.Address != "198.18.0.1:81" {
				p.Errorf("east's line is %+v, want OK on port 81", r)
			}
		},
	},
	{
		name:     "before Envoy 1.28 it failed over",
		optional: true,
		rule:     "max_ejection_percent did not count the first host",
		options: options{
			duration: ms(1000), every: ms(100), interval: ms(400), base: ms(600), retryOn: istioRetries, retries: 2, profile: "1.19",
			configs: []uint32{80, 81}, steps: []schedule.Step{apply(ms(350), 1)},
		},
		check: func(p *played) {
			if e := p.errors(); len(e) > 0 {
				p.Errorf("%d requests failed", len(e))
			}
			if n := len(p.changesOf(0, east, trace.Ejected)); n != 1 {
				p.Errorf("ejected %d times, want once", n)
			}
		},
	},
	{
		name: "a healed host gets its traffic back",
		rule: "after the heal nothing happens until the tick lets the host back; then it has all of the load at once",
		options: options{
			duration: ms(1700), every: ms(50), interval: ms(500), base: ms(400), mep: 100, retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(250), schedule.Fault{Behaviour: schedule.Refuse}), heal(ms(600), schedule.Refuse)},
		},
		check: func(p *played) {
			last := p.tr.Requests[len(p.tr.Requests)-1]
			if last.Upstream != east || last.Status != 200 {
				p.Errorf("the last request got %d from upstream %d, want 200 from east", last.Status, last.Upstream)
			}
		},
	},
	{
		name: "a status is an answer",
		rule: "503 from an upstream is charged, and not retried unless the policy says so; the client gets it as it is; healing ends it",
		options: options{
			duration: ms(1200), every: ms(50), interval: ms(500), base: ms(500), retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(300), schedule.Fault{Behaviour: schedule.Status, Status: 503}), heal(ms(650), schedule.Status)},
		},
		check: func(p *played) {
			if len(p.errors()) == 0 {
				p.Error("no request failed")
			}
			for _, r := range p.errors() {
				if r.Status != 503 || r.Upstream != east || r.Attempts != 1 || r.Flags != 0 {
					p.Errorf("request %d: got %d from upstream %d after %d attempts, flags %s, want east's 503 after one", r.N, r.Status, r.Upstream, r.Attempts, r.Flags)
				}
			}
		},
	},
	{
		name: "a reset is not a connect failure",
		rule: "a connection that breaks before the headers is charged like a 503, flag UC, and Istio's default policy does not retry it",
		options: options{
			duration: ms(1100), every: ms(50), interval: ms(500), base: ms(10000), mep: 100, fiveXX: 3, retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(300), schedule.Fault{Behaviour: schedule.Reset})},
		},
		check: func(p *played) {
			for _, r := range p.errors() {
				if r.Status != 503 || r.Flags != trace.FlagUC {
					p.Errorf("request %d: got %d %s, want 503 UC", r.N, r.Status, r.Flags)
				}
			}
			if n := len(p.errors()); n != 3 {
				p.Errorf("%d requests failed, want the three that eject the host", n)
			}
		},
	},
	{
		name: "a hanging host is blamed when the route timeout fires",
		rule: "504 UT for the client, a timeout charged to the host, the connection closed",
		options: options{
			duration: ms(1300), every: ms(300), interval: ms(5000), base: ms(5000), mep: 100, timeout: ms(150), keepAlive: true,
			steps: []schedule.Step{fault(ms(450), schedule.Fault{Behaviour: schedule.Hang, Hang: "headers"})},
		},
		check: func(p *played) {
			e := p.errors()
			if len(e) != 1 || e[0].Status != 504 || e[0].Flags != trace.FlagUT {
				p.Errorf("got %d errors, want one, 504 UT", len(e))
			}
		},
	},
	{
		name:     "a blackhole costs the connect timeout",
		optional: true,
		rule:     "a SYN without an answer fails after the connect timeout: charged, flag UF, retried elsewhere; what waits for the host meanwhile fails with it",
		options: options{
			duration: ms(1300), every: ms(300), interval: ms(5000), base: ms(5000), mep: 100, connect: ms(200), retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(450), schedule.Fault{Behaviour: schedule.Blackhole}), heal(ms(1100), schedule.Blackhole)},
		},
		check: func(p *played) {
			if e := p.errors(); len(e) > 0 {
				p.Errorf("%d requests failed, want none", len(e))
			}
			i := slices.IndexFunc(p.tr.Attempts, func(a trace.Attempt) bool { return a.Result == trace.ConnectTimeout })
			if i < 0 {
				p.Fatal("no connect timed out")
			}
			if a := p.tr.Attempts[i]; a.Done-a.At < trace.Sec(ms(190)) {
				p.Errorf("the connect timed out after %v, want 200ms", (a.Done - a.At).D())
			}
		},
	},
	{
		name: "a paused host is never blamed",
		rule: "a process that stands still keeps its connections and the kernel accepts new ones: without a timeout nothing fails and nothing is charged, and what waited is answered when it goes on",
		options: options{
			duration: ms(1600), every: ms(200), interval: ms(5000), base: ms(5000), mep: 100, connect: ms(200), retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(450), schedule.Fault{Behaviour: schedule.Pause}), heal(ms(1050), schedule.Pause)},
		},
		check: func(p *played) {
			if e, n := p.errors(), len(p.changesOf(0, east, trace.Ejected)); len(e) > 0 || n > 0 {
				p.Errorf("%d requests failed and east was ejected %d times, want neither", len(e), n)
			}
			for _, r := range p.tr.Requests {
				if r.At > trace.Sec(ms(450)) && r.At < trace.Sec(ms(1050)) && (r.Done < trace.Sec(ms(1050)) || r.Upstream != east) {
					p.Errorf("request %d, due at %v, was answered at %v by upstream %d, want east after 1.05s", r.N, r.At.D(), r.Done.D(), r.Upstream)
				}
			}
		},
	},
	{
		name:     "a stopped host breaks its connections, then costs the connect timeout",
		optional: true,
		rule:     "the kernel closes the connections of a killed process: a request on one fails, flag UC, not retried by Istio's default policy; later SYNs have no answer",
		options: options{
			duration: ms(1700), every: ms(300), interval: ms(5000), base: ms(5000), mep: 100, fiveXX: 2, connect: ms(200), latency: ms(120), retryOn: istioRetries, retries: 2, keepAlive: true,
			steps: []schedule.Step{fault(ms(350), schedule.Fault{Behaviour: schedule.Stop}), heal(ms(1100), schedule.Stop)},
		},
		check: func(p *played) {
			if e := p.errors(); len(e) != 1 || e[0].N != 1 || e[0].Status != 503 || e[0].Flags != trace.FlagUC {
				p.Errorf("got %d errors, want one: the request on its way, 503 UC", len(e))
			}
			if !slices.ContainsFunc(p.tr.Attempts, func(a trace.Attempt) bool { return a.Result == trace.ConnectTimeout }) {
				p.Error("no connect timed out")
			}
		},
	},
	{
		name: "a control plane restarts and nothing happens",
		rule: "proxies go on with what they have",
		options: options{
			duration: ms(1000), every: ms(100), interval: ms(500), base: ms(500), keepAlive: true,
			steps: []schedule.Step{{At: at(ms(350)), Kind: schedule.KindRestart, Name: "restart istiod", Restart: schedule.Istiod}},
		},
		check: func(p *played) {
			for _, r := range p.tr.Requests {
				if r.Status != 200 || r.Upstream != east {
					p.Errorf("request %d: got %d from upstream %d, want 200 from east", r.N, r.Status, r.Upstream)
				}
			}
		},
	},
	{
		name: "a changed cluster is built anew",
		rule: "any changed byte of a cluster forgets ejections, their number and the phase of the ticks (cluster_manager_impl.cc, addOrUpdateCluster)",
		options: options{
			duration: ms(1300), every: ms(50), interval: ms(400), base: ms(10000), mep: 100, retryOn: istioRetries, retries: 2, keepAlive: true,
			configs: []uint32{80, 81}, steps: []schedule.Step{fault(ms(250), schedule.Fault{Behaviour: schedule.Refuse}), apply(ms(650), 1)},
		},
		check: func(p *played) {
			ejected := p.changesOf(0, east, trace.Ejected)
			if len(ejected) != 2 {
				p.Fatalf("ejected %d times, want twice", len(ejected))
			}
			if n := ejected[1].Ejections; n != 1 {
				p.Errorf("after the apply it is ejection %d, want 1", n)
			}
			since := ejected[1].Until - p.tr.Steps[1].At
			if off := since % trace.Sec(ms(400)); off > p.slack {
				p.Errorf("it returns %v after the apply, want a multiple of 400ms", since.D())
			}
		},
	},
	{
		name: "an unchanged cluster goes on",
		rule: "an identical message is no change: the ejection stays",
		options: options{
			duration: ms(1100), every: ms(50), interval: ms(400), base: ms(10000), mep: 100, retryOn: istioRetries, retries: 2,
			configs: []uint32{80, 80}, steps: []schedule.Step{fault(ms(250), schedule.Fault{Behaviour: schedule.Refuse}), apply(ms(600), 1)},
			observe: []time.Duration{ms(1050)},
		},
		check: func(p *played) {
			if r := p.row(0, east); r.OutlierCheck != "FAILED" || r.Ejections != 1 {
				p.Errorf("east's line is %+v, want still FAILED", r)
			}
		},
	},
	{
		name: "each client has a proxy of its own",
		rule: "what one client's proxy learns, another's has to learn by itself",
		options: options{
			duration: ms(1100), every: ms(60), interval: ms(5000), base: ms(5000), mep: 100, retryOn: istioRetries, retries: 2, clients: 3,
			steps: []schedule.Step{fault(ms(270), schedule.Fault{Behaviour: schedule.Refuse})},
		},
		check: func(p *played) {
			for c := range int32(3) {
				if n := len(p.changesOf(c, east, trace.Ejected)); n != 1 {
					p.Errorf("client %d ejected east %d times, want once", c, n)
				}
			}
		},
	},
	{
		name: "steps come before requests of the same instant",
		rule: "a request that is due when a step is due meets what the step did",
		options: options{
			duration: ms(1000), every: ms(200), interval: ms(5000), base: ms(5000), keepAlive: true,
			steps: []schedule.Step{fault(ms(400), schedule.Fault{Behaviour: schedule.Status, Status: 500}), heal(ms(600), schedule.Status)},
		},
		check: func(p *played) {
			for n, want := range []int32{200, 200, 500, 200} {
				if r := p.tr.Requests[n]; r.Status != want {
					p.Errorf("request %d, due at %v: got %d, want %d", n, r.At.D(), r.Status, want)
				}
			}
		},
	},
}
