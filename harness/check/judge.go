package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
)

// Judge gives the verdict on each expectation. The prediction tells what is
// chance and what is not; it may be the trace itself. Times in expectations are
// divided by the run's scale.
func Judge(exps []scenario.Expectation, t, prediction *trace.Trace) []result.Expectation {
	out := make([]result.Expectation, 0, len(exps))
	for i := range exps {
		j := judge{e: &exps[i], t: t, p: prediction, client: -1}
		out = append(out, j.verdict())
	}
	return out
}

// JudgeRefused gives the verdict on the expectations of a drill whose
// configuration istiod refuses: nothing was played.
func JudgeRefused(exps []scenario.Expectation) []result.Expectation {
	out := make([]result.Expectation, 0, len(exps))
	for i := range exps {
		r := result.Expectation{Name: exps[i].Name, Expected: Describe(&exps[i]), Observed: "outcome " + string(result.Rejected), Verdict: result.Fail}
		if exps[i].Outcome == string(result.Rejected) {
			r.Verdict = result.Pass
		}
		out = append(out, r)
	}
	return out
}

// judge reads one expectation on a trace.
type judge struct {
	e      *scenario.Expectation
	t, p   *trace.Trace
	client int32
	// certain says of the window that is read whether luck had no part in the
	// prediction.
	certain func() bool
}

// finding is the verdict on one window or instant.
type finding struct {
	verdict  result.Verdict
	observed []string
	why      []string
}

// worse keeps the worse of two verdicts: fail before inconclusive before pass.
func (f *finding) add(v result.Verdict, observed, why string) {
	order := []result.Verdict{result.Pass, result.Inconclusive, result.Fail}
	if f.verdict == "" || slices.Index(order, v) > slices.Index(order, f.verdict) {
		f.verdict = v
	}
	f.observed = append(f.observed, observed)
	if why != "" {
		f.why = append(f.why, why)
	}
}

func (j *judge) verdict() result.Expectation {
	r := result.Expectation{Name: j.e.Name, Expected: Describe(j.e)}
	if j.e.Client != "" {
		j.client = int32(slices.Index(j.t.Run.Clients, j.e.Client))
		if j.client < 0 {
			r.Verdict, r.Observed = result.Inconclusive, "the run has no client "+j.e.Client
			return r
		}
	}
	if s := j.unseen(); s != nil {
		r.Verdict, r.Observed = result.Inconclusive, fmt.Sprintf("nobody saw that %s at %s took effect", s.Name, seconds(s.At))
		if s.Error != "" {
			r.Evidence = s.Error
		}
		return r
	}
	f := j.find()
	r.Verdict, r.Observed, r.Evidence = f.verdict, strings.Join(f.observed, ", "), strings.Join(f.why, "; ")
	return r
}

// unseen is a step at or before the end of the expectation that has no witness.
func (j *judge) unseen() *trace.Step {
	end := j.t.Run.Duration
	switch {
	case j.e.At != nil:
		end = j.sec(*j.e.At)
	case len(j.e.During) == 2:
		end = j.sec(j.e.During[1])
	}
	for i := range j.t.Steps {
		if s := &j.t.Steps[i]; s.Witness == "" && s.At < end {
			return s
		}
	}
	return nil
}

func (j *judge) sec(d scenario.Duration) trace.Sec {
	return trace.Sec(float64(d) / scaleOf(j.t))
}

// find reads the expectation on its window, or looks for a moment from which it holds.
func (j *judge) find() finding {
	switch {
	case j.e.At != nil:
		return j.instant(j.sec(*j.e.At))
	case len(j.e.During) == 2:
		return j.window(j.sec(j.e.During[0]), j.sec(j.e.During[1]))
	case j.e.After != nil:
		return j.within()
	}
	return j.window(0, j.t.Run.Duration)
}

// within tries every moment at which the answer can change: the beginning, and
// each request that is due up to the latest permitted moment.
func (j *judge) within() finding {
	after := j.sec(*j.e.After)
	latest := after + j.sec(j.e.Within)
	length := j.sec(j.e.For)
	if length == 0 {
		length = j.t.Run.Duration
	}
	starts := []trace.Sec{after}
	for r := range j.t.AllRequests() {
		if r.At > after && r.At <= latest {
			starts = append(starts, r.At)
		}
	}
	if latest > after {
		starts = append(starts, latest)
	}
	var last finding
	for _, s := range starts {
		last = j.window(s, min(s+length, j.t.Run.Duration))
		if last.verdict == result.Pass {
			last.why = append(last.why, fmt.Sprintf("from %s on", seconds(s)))
			return last
		}
	}
	last.why = append(last.why, fmt.Sprintf("read from %s, the latest permitted moment", seconds(latest)))
	return last
}

// instant reads an endpoint expectation in the table that was recorded then.
func (j *judge) instant(at trace.Sec) finding {
	var f finding
	want := j.e.Endpoint
	if want == nil {
		f.add(result.Inconclusive, "nothing to read at an instant", "")
		return f
	}
	table := j.tableAt(at)
	if table == nil {
		f.add(result.Inconclusive, "no endpoint table was recorded at "+seconds(at), "")
		return f
	}
	found := false
	for _, r := range table.Rows {
		if j.t.UpstreamName(r.Upstream) != want.Upstream || j.client >= 0 && r.Client != j.client {
			continue
		}
		found = true
		f.add(verdictOf(rowFits(want, &r)), fmt.Sprintf("%s %s / %s, priority %d, ejected %d times", r.Address, r.Status, r.OutlierCheck, r.Priority, r.Ejections), "")
	}
	if !found {
		f.add(result.Fail, "no endpoint of "+want.Upstream+" in the table", "")
	}
	return f
}

// tableAt is the recorded table nearest to the instant, at most half a second
// of the drill off.
func (j *judge) tableAt(at trace.Sec) *trace.Endpoints {
	var best *trace.Endpoints
	off := func(e *trace.Endpoints) trace.Sec { return max(e.At-at, at-e.At) }
	farthest := j.sec(scenario.Duration(500 * time.Millisecond))
	for i := range j.t.Endpoints {
		if e := &j.t.Endpoints[i]; off(e) <= farthest && (best == nil || off(e) < off(best)) {
			best = e
		}
	}
	return best
}

func rowFits(want *scenario.EndpointState, r *trace.Row) bool {
	return (want.Status == "" || want.Status == r.Status) &&
		(want.OutlierCheck == "" || want.OutlierCheck == r.OutlierCheck) &&
		(want.Priority == nil || uint32(*want.Priority) == r.Priority) &&
		(want.Ejections == nil || want.Ejections.Holds(float64(r.Ejections)))
}

func verdictOf(ok bool) result.Verdict {
	if ok {
		return result.Pass
	}
	return result.Fail
}

// window reads everything that the expectation says on one window.
func (j *judge) window(from, to trace.Sec) finding {
	w, p := In(j.t, j.client, from, to), In(j.p, j.client, from, to)
	j.certain = sync.OnceValue(func() bool { return certain(j.p, j.client, from, to) })
	var f finding
	e := j.e
	if e.Requests != nil {
		f.add(verdictOf(e.Requests.Holds(float64(w.Requests))), fmt.Sprintf("%d requests", w.Requests), "")
	}
	for _, k := range sorted(e.Share) {
		j.rate(&f, k, e.Share[k], w.Share(k), w.Total(), p.Share(k), p.Total())
	}
	if e.Errors != nil {
		j.rate(&f, "errors", *e.Errors, w.Errors, w.Requests, p.Errors, p.Requests)
	}
	for _, k := range sorted(e.Statuses) {
		j.rate(&f, "status "+k, e.Statuses[k], w.Statuses[k], w.Requests, p.Statuses[k], p.Requests)
	}
	for _, k := range sorted(e.Flags) {
		j.rate(&f, "flag "+k, e.Flags[k], w.Flags[k], w.Requests, p.Flags[k], p.Requests)
	}
	for _, k := range sorted(e.Attempts) {
		total, ptotal := sum(w.Attempts), sum(p.Attempts)
		j.rate(&f, "attempts on "+k, e.Attempts[k], w.Attempts[k], total, p.Attempts[k], ptotal)
	}
	for _, k := range sorted(e.Events) {
		j.events(&f, k, e.Events[k], from, to)
	}
	if e.Endpoint != nil && e.At == nil {
		f.add(result.Inconclusive, "the state of an endpoint is read at an instant", "")
	}
	j.times(&f)
	if e.Outcome != "" {
		o := Outcome(j.t).Outcome
		f.add(verdictOf(string(o) == e.Outcome), "outcome "+string(o), "")
	}
	if e.CEL != "" {
		v, observed, why := evaluate(e.CEL, j.t)
		f.add(v, observed, why)
	}
	if f.verdict == "" {
		f.add(result.Inconclusive, "nothing was expected", "")
	}
	if w.Requests == 0 && len(e.Events) == 0 && e.CEL == "" && f.verdict == result.Pass && (e.Requests == nil || e.Requests.Max > 0) && e.Failover == nil && e.Return == nil {
		f.verdict = result.Inconclusive
		f.why = append(f.why, fmt.Sprintf("no request was due in [%s, %s)", seconds(from), seconds(to)))
	}
	return f
}

// rate reads one number or share: k of n requests, where the prediction had pk of pn.
func (j *judge) rate(f *finding, what string, b scenario.Bound, k, n, pk, pn int) {
	if !b.Percent {
		f.add(verdictOf(b.Holds(float64(k))), fmt.Sprintf("%s: %d of %d", what, k, n), "")
		return
	}
	if n == 0 {
		f.add(result.Inconclusive, what+": no request to count", "")
		return
	}
	share := 100 * float64(k) / float64(n)
	observed := fmt.Sprintf("%s: %s%% (%d of %d)", what, strconv.FormatFloat(share, 'f', -1, 64), k, n)
	if len(strconv.FormatFloat(share, 'f', -1, 64)) > 6 {
		observed = fmt.Sprintf("%s: %.1f%% (%d of %d)", what, share, k, n)
	}
	// What the model gives as none or all is not chance, unless luck had a part.
	if b.Min == b.Max && (b.Min == 0 || b.Min == 100) || pn > 0 && (pk == 0 || pk == pn) && j.certain() {
		f.add(verdictOf(b.Holds(share)), observed, "")
		return
	}
	low, high := interval(k, n)
	low, high = 100*low, 100*high
	bound := fmt.Sprintf("%s: %d requests put it between %.1f%% and %.1f%%", what, n, low, high)
	switch {
	case high < b.Min || low > b.Max:
		f.add(result.Fail, observed, bound)
	case high-low > WidestBound && !(b.Min <= low && high <= b.Max):
		f.add(result.Inconclusive, observed, bound+": too few to tell")
	case b.Holds(share) || b.Min == b.Max:
		f.add(result.Pass, observed, "")
	default:
		f.add(result.Inconclusive, observed, bound+": too few to tell")
	}
}

func (j *judge) events(f *finding, upstream string, want scenario.EventCounts, from, to trace.Sec) {
	got := map[string]int{}
	for _, c := range j.t.Changes {
		if c.At >= from && c.At < to && (j.client < 0 || c.Client == j.client) && j.t.UpstreamName(j.t.UpstreamOf(c.Host)) == upstream {
			got[c.Event]++
		}
	}
	for _, w := range []struct {
		name  string
		bound *scenario.Bound
	}{{trace.Ejected, want.Ejected}, {trace.Returned, want.Returned}, {trace.OverflowEvent, want.Overflow}} {
		if w.bound != nil {
			f.add(verdictOf(w.bound.Holds(float64(got[w.name]))), fmt.Sprintf("%s %s: %d", upstream, w.name, got[w.name]), "")
		}
	}
}

// times reads the bounds on failover and return.
func (j *judge) times(f *finding) {
	if j.e.Failover == nil && j.e.Return == nil {
		return
	}
	im := Outcome(j.t)
	for _, w := range []struct {
		name  string
		bound *scenario.DurationBound
		got   *float64
	}{{"failover", j.e.Failover, im.FailoverAfter}, {"return", j.e.Return, im.ReturnAfter}} {
		switch {
		case w.bound == nil:
		case w.got == nil:
			f.add(result.Fail, w.name+": never", "")
		default:
			d := trace.Sec(math.Round(*w.got * 1e9))
			ok := d >= j.sec(scenario.Duration(w.bound.Min)) && (w.bound.Max == math.MaxInt64 || d <= j.sec(scenario.Duration(w.bound.Max)))
			f.add(verdictOf(ok), w.name+" after "+seconds(d), "")
		}
	}
}

func sorted[V any](m map[string]V) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.SortFunc(ks, cmp.Compare)
	return ks
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}

// seconds writes an offset the way reports do: 9.5s.
func seconds(s trace.Sec) string {
	return strconv.FormatFloat(math.Round(s.Seconds()*1000)/1000, 'f', -1, 64) + "s"
}
