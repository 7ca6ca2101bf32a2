package check_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
	"pgregory.net/rapid"
)

// named is the drill with a DNS that is asked every one or two seconds.
func named(s *schedule.Schedule) *schedule.Schedule {
	s.Configs[0][0].Clusters[0].DNS = &xds.DNS{RefreshRate: 2 * time.Second, RespectTTL: true, Jitter: 100 * time.Millisecond}
	for i := range s.Upstreams {
		s.Upstreams[i].TTL = trace.Sec(time.Second)
	}
	return s
}

// dnsFault is a fault of the name of an upstream.
func dnsFault(s *schedule.Schedule, at time.Duration, upstream int, answer string, addresses ...int) schedule.Step {
	f := schedule.Fault{Behaviour: schedule.Answer, Answer: answer, DNS: s.Upstreams[upstream].Address}
	if answer == "" {
		f.Behaviour, f.TTL = schedule.Addresses, trace.Sec(time.Second)
		for _, u := range addresses {
			f.Addresses = append(f.Addresses, s.Upstreams[u].IPs...)
		}
	}
	return fault(at, int32(upstream), f)
}

// assigned is the configuration with some of its endpoints.
func assigned(cfg xds.Config, which func(i int) bool) xds.Config {
	c := cfg.Clusters[0]
	c.Localities = nil
	for i, l := range cfg.Clusters[0].Localities {
		if which(i) {
			c.Localities = append(c.Localities, l)
		}
	}
	cfg.Clusters = []xds.Cluster{c}
	return cfg
}

// reassign makes the cluster an EDS one, whose endpoints change in a step.
func reassign(s *schedule.Schedule, at time.Duration, which func(i int) bool) {
	for i := range s.Configs {
		s.Configs[i][0].Clusters[0].Type = xds.EDS
	}
	s.Steps = append(s.Steps, schedule.Step{At: trace.Sec(at), Kind: schedule.KindConfig, Name: "other endpoints", Config: len(s.Configs)})
	s.Configs = append(s.Configs, []xds.Config{assigned(s.Configs[0][0], which)})
	s.Documents = append(s.Documents, nil)
}

func inOrder(s *schedule.Schedule) {
	slices.SortStableFunc(s.Steps, func(a, b schedule.Step) int { return int(a.At - b.At) })
}

// The model permits what it does with names that resolve to something else, and
// with endpoints that come and go.
func TestAcceptPermitsOtherHosts(t *testing.T) {
	moved := 0
	rapid.Check(t, func(t *rapid.T) {
		o := shapes().Draw(t, "shape")
		s, n := o.schedule(), len(o.priorities)
		at := func() time.Duration { return time.Duration(rapid.IntRange(0, 15000).Draw(t, "at")) * time.Millisecond }
		any := func() int { return rapid.IntRange(0, n-1).Draw(t, "upstream") }
		if rapid.Bool().Draw(t, "DNS") {
			named(s)
			for range rapid.IntRange(1, 4).Draw(t, "DNS faults") {
				answer := rapid.SampledFrom([]string{"", "", "NXDOMAIN", "NODATA", "SERVFAIL"}).Draw(t, "answer")
				st := dnsFault(s, at(), any(), answer, any(), any())
				if rapid.Bool().Draw(t, "for a while") {
					st.Fault.For = trace.Sec(3 * time.Second)
				}
				s.Steps = append(s.Steps, st)
			}
		} else {
			for range rapid.IntRange(1, 3).Draw(t, "assignments") {
				mask := rapid.IntRange(1, 1<<n-1).Draw(t, "endpoints")
				reassign(s, at(), func(i int) bool { return mask>>i&1 == 1 })
			}
		}
		inOrder(s)
		steps, _ := json.Marshal(s.Steps)
		t.Logf("steps %s", steps)
		for _, delays := range []engine.Delays{{}, engine.DefaultDelays} {
			tr := engine.PlayWith(s, delays)
			if d, _ := check.Accept(s, tr); d != nil {
				t.Fatalf("delays %v: at %v: %s: permitted %s, observed %s\n%s", delays, d.At, d.Decision, d.Permitted, d.Observed, history(tr, d.At))
			}
			for _, c := range tr.Changes {
				if c.Event == trace.Added || c.Event == trace.Removed {
					moved++
				}
			}
		}
	})
	if moved < 100 {
		t.Errorf("hosts came and left %d times; the test wants more", moved)
	}
}

// A host that comes or leaves needs a reason.
func TestAcceptNamesHostsWithoutAReason(t *testing.T) {
	gone := func() *schedule.Schedule {
		o := recipe()
		o.steps = nil
		s := named(o.schedule())
		s.Steps = []schedule.Step{dnsFault(s, 5250*time.Millisecond, 0, "NXDOMAIN")}
		return s
	}
	fewer := func() *schedule.Schedule {
		o := recipe()
		o.steps = nil
		s := o.schedule()
		reassign(s, 5250*time.Millisecond, func(i int) bool { return i == 1 })
		return s
	}
	only := func(event string) func(c trace.Change) bool {
		return func(c trace.Change) bool { return c.Event == event }
	}
	for _, c := range []struct {
		name   string
		s      *schedule.Schedule
		change func(*trace.Trace)
		want   string
	}{
		{"left before its name did", gone(), func(tr *trace.Trace) {
			tr.Changes[0].At = trace.Sec(3 * time.Second)
		}, "endpoint up0 198.18.0.1:80: no change: removed"},
		{"another one left", gone(), func(tr *trace.Trace) {
			tr.Changes[0].Host = 1
		}, "endpoint up1 198.18.1.1:80: no change: removed"},
		{"came although its name is gone", gone(), func(tr *trace.Trace) {
			tr.Changes = append(tr.Changes, trace.Change{At: trace.Sec(12 * time.Second), Event: trace.Added})
		}, "endpoint up0 198.18.0.1:80: no change: added"},
		{"picked after it left", gone(), func(tr *trace.Trace) {
			i := slices.IndexFunc(tr.Attempts, func(a trace.Attempt) bool { return a.At > trace.Sec(9*time.Second) })
			tr.Attempts[i].Host = 0
		}, "up1 198.18.1.1:80 (priority 0: 0 %, priority 1: 100 %): up0 198.18.0.1:80"},
		{"stayed in the proxy", fewer(), func(tr *trace.Trace) {
			tr.Changes = slices.DeleteFunc(tr.Changes, only(trace.Removed))
		}, "endpoint up0 198.18.0.1:80: removed: nothing of the kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := engine.PlayWith(c.s, engine.Delays{})
			if d, why := check.Accept(c.s, tr); d != nil || why != "" || len(tr.Changes) != 1 {
				t.Fatalf("the trace as it is: %+v %s, %d changes", d, why, len(tr.Changes))
			}
			c.change(tr)
			d, why := check.Accept(c.s, tr)
			if d == nil {
				t.Fatalf("accepted (%s)", why)
			}
			if got := words(d); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Without a host left in the end, the loss is total; when the others serve without
// an error, the mesh failed over; a host that nobody used is no loss.
func TestOutcomeOfNames(t *testing.T) {
	for _, c := range []struct {
		gone []int
		want string
	}{{[]int{0}, "fails-over"}, {[]int{0, 1}, "total-loss"}, {[]int{1}, "no-impact"}} {
		o := recipe()
		o.steps = nil
		s := named(o.schedule())
		for _, u := range c.gone {
			s.Steps = append(s.Steps, dnsFault(s, 5250*time.Millisecond, u, "NODATA"))
		}
		if got := check.Outcome(engine.Play(s)).Outcome; string(got) != c.want {
			t.Errorf("names %v gone: %s, want %s", c.gone, got, c.want)
		}
	}
}
