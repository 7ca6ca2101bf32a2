package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// real is a run of a real Envoy, as its logs tell it.
type real struct {
	name string
	s    *schedule.Schedule
	t    *trace.Trace
}

// realRuns are the stored runs of package observe, and those of a folder that
// FAILDRILL_TEST_RUNS names.
func realRuns(t *testing.T) []real { return realRunsWith(t, true) }

// realRunsWith leaves the upstream log out, as with istiod, if it should.
func realRunsWith(t *testing.T, upstreamLog bool) []real {
	t.Helper()
	files, _ := filepath.Glob("../observe/testdata/*.txtar")
	if more := os.Getenv("FAILDRILL_TEST_RUNS"); more != "" {
		files, _ = filepath.Glob(filepath.Join(more, "*.txtar"))
	}
	if len(files) == 0 {
		t.Fatal("no stored runs")
	}
	var out []real
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		folder := fstest.MapFS{}
		for _, f := range ar.Files {
			folder[f.Name] = &fstest.MapFile{Data: f.Data}
		}
		in, tr, err := observe.Load(folder)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i := range in.Clients {
			if !upstreamLog {
				in.Clients[i].UpstreamLog, in.Clients[i].Upstream = false, nil
			}
		}
		got := observe.Merge(in)
		tr.Hosts, tr.Requests = nil, nil
		for _, e := range got.Events() {
			tr.Add(e)
		}
		backend.InOrder(tr)
		out = append(out, real{strings.TrimSuffix(filepath.Base(file), ".txtar"), in.Schedule, tr})
	}
	return out
}

// The model permits what real proxies did.
func TestAcceptRealRuns(t *testing.T) {
	for _, r := range realRuns(t) {
		if d, why := check.Accept(r.s, r.t); d != nil || why != "" {
			t.Errorf("%s: %+v %s", r.name, d, why)
		}
	}
}

// Without an upstream log nothing is rejected, and what is undecided is so because
// of an attempt that nobody saw.
func TestAcceptRealRunsWithoutUpstreamLog(t *testing.T) {
	accepted, undecided := 0, 0
	for _, r := range realRunsWith(t, false) {
		switch d, why := check.Accept(r.s, r.t); {
		case d != nil:
			t.Errorf("%s: %+v", r.name, d)
		case why == "":
			accepted++
		case strings.HasPrefix(why, "nobody saw attempt "):
			undecided++
		default:
			t.Errorf("%s: %s", r.name, why)
		}
	}
	t.Logf("%d accepted, %d undecided", accepted, undecided)
	if undecided > accepted {
		t.Errorf("%d undecided, %d accepted", undecided, accepted)
	}
}

// After a DNS fault a divergence of a real run is undecided, before it is one.
func TestAcceptRealRunAfterDNSFault(t *testing.T) {
	r := realRuns(t)[0]
	tr := copyOf(r.t)
	if !drop(tr, 0, trace.Ejected) {
		t.Fatalf("%s has no ejection", r.name)
	}
	for _, c := range []struct {
		at     trace.Sec
		reject bool
	}{{0, false}, {r.s.Duration, true}} {
		s := *r.s
		s.Steps = append(slices.Clone(s.Steps), schedule.Step{
			At: c.at, Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "dns", Behaviour: schedule.Answer, DNS: "elsewhere.example", Answer: "SERVFAIL"},
		})
		d, why := check.Accept(&s, tr)
		if (d != nil) != c.reject || (why != "") == c.reject {
			t.Errorf("a DNS fault at %v: %+v %s", c.at.D(), d, why)
		}
	}
}

// mutation makes changes of a trace, each of which no proxy can have made. It
// returns false when there is no n-th one.
type mutation struct {
	name  string
	floor int // percent that Accept has to reject
	do    func(r *real, t *trace.Trace, n int) bool
}

var mutations = []mutation{
	{"another host of an attempt", 85, func(r *real, t *trace.Trace, n int) bool {
		a := nth(t.Attempts, n, func(a *trace.Attempt) bool { return a.Host >= 0 && other(t, a.Host) >= 0 })
		if a == nil {
			return false
		}
		a.Host = other(t, a.Host)
		return true
	}},
	{"an ejection dropped", 100, func(r *real, t *trace.Trace, n int) bool {
		return drop(t, n, trace.Ejected)
	}},
	{"a return dropped", 90, func(r *real, t *trace.Trace, n int) bool {
		return drop(t, n, trace.Returned)
	}},
	{"an ejection at the report before", 90, func(r *real, t *trace.Trace, n int) bool {
		c := nth(t.Changes, n, func(c *trace.Change) bool { return c.Event == trace.Ejected && before(t, c) != nil })
		if c == nil {
			return false
		}
		c.At = before(t, c).Done + 1
		return true
	}},
	{"a return one tick early", 90, func(r *real, t *trace.Trace, n int) bool { return shift(r, t, n, -1) }},
	{"a return one tick late", 90, func(r *real, t *trace.Trace, n int) bool { return shift(r, t, n, 1) }},
	{"a wrong status", 100, func(r *real, t *trace.Trace, n int) bool {
		q := nth(t.Requests, n, func(q *trace.Request) bool { return q.Status == 200 || q.Status == 503 })
		if q == nil {
			return false
		}
		q.Status = 703 - q.Status
		return true
	}},
	{"a failure that was an answer", 90, func(r *real, t *trace.Trace, n int) bool {
		a := nth(t.Attempts, n, func(a *trace.Attempt) bool { return a.Charged })
		if a == nil {
			return false
		}
		a.Result, a.Status, a.Charged = trace.Answered, 200, false
		return true
	}},
}

// nth is the n-th event that fits.
func nth[E any](es []E, n int, fits func(*E) bool) *E {
	for i := range es {
		if fits(&es[i]) {
			if n == 0 {
				return &es[i]
			}
			n--
		}
	}
	return nil
}

// other is another host of the same cluster.
func other(t *trace.Trace, host int32) int32 {
	for _, h := range t.Hosts {
		if h.Index != host && h.Client == t.Hosts[host].Client && h.Cluster == t.Hosts[host].Cluster {
			return h.Index
		}
	}
	return -1
}

func drop(t *trace.Trace, n int, event string) bool {
	c := nth(t.Changes, n, func(c *trace.Change) bool { return c.Event == event })
	if c == nil {
		return false
	}
	t.Changes = slices.DeleteFunc(t.Changes, func(o trace.Change) bool { return o == *c })
	return true
}

// before is the last report of a cluster that came well before the one that
// caused the change.
func before(t *trace.Trace, c *trace.Change) *trace.Attempt {
	var best *trace.Attempt
	for i := range t.Attempts {
		a := &t.Attempts[i]
		if a.Client == c.Client && a.Host >= 0 && t.Hosts[a.Host].Cluster == t.Hosts[c.Host].Cluster && a.Done < c.At-sec(0.4) {
			best = a
		}
	}
	return best
}

func shift(r *real, t *trace.Trace, n int, ticks trace.Sec) bool {
	c := nth(t.Changes, n, func(c *trace.Change) bool { return c.Event == trace.Returned })
	if c == nil {
		return false
	}
	cfg := r.s.Configs[len(r.s.Configs)-1][c.Client].Cluster(t.Hosts[c.Host].Cluster)
	if c.At += ticks * trace.Sec(cfg.OutlierDetection.Interval); c.At > r.s.Duration-sec(1) {
		c.At = r.s.Duration - 1 // there is no such tick any more
	}
	return true
}

// perRun bounds how many changes of a kind are tried of each run.
const perRun = 12

// What a real proxy did is accepted because it fits, and not because anything
// would: a run with one thing changed is rejected, but for a share that is chance.
func TestAcceptRejectsChangedRuns(t *testing.T) {
	runs := realRuns(t)
	for _, m := range mutations {
		tried, rejected, undecided := 0, 0, 0
		var passed []string
		for i := range runs {
			for n := range perRun {
				tr := copyOf(runs[i].t)
				if !m.do(&runs[i], tr, n) {
					break
				}
				backend.InOrder(tr)
				tried++
				switch d, why := check.Accept(runs[i].s, tr); {
				case d != nil:
					rejected++
				case why != "":
					undecided++
				default:
					passed = append(passed, fmt.Sprintf("%s %d", runs[i].name, n))
				}
			}
		}
		t.Logf("%s: %d tried, %d rejected, %d undecided; accepted: %q", m.name, tried, rejected, undecided, passed)
		if tried == 0 || rejected*100 < tried*m.floor {
			t.Errorf("%s: %d of %d rejected; want %d %%", m.name, rejected, tried, m.floor)
		}
	}
}

func copyOf(t *trace.Trace) *trace.Trace {
	o := *t
	o.Attempts, o.Requests, o.Changes = slices.Clone(t.Attempts), slices.Clone(t.Requests), slices.Clone(t.Changes)
	return &o
}
