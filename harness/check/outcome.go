package check

import (
	"math"
	"slices"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// Impact is what a drill did to the clients.
type Impact struct {
	Outcome      result.Outcome
	Since        trace.Sec // when the first step that was witnessed was due; 0 without steps
	Requests     int       // since then
	Errors       int       // of them
	ReturnErrors int       // of the errors: made by an ejected host that returned while it was still broken
	// FailoverAfter runs from the witness of that step to the first request of
	// the remaining run without errors, those of returns aside; nil: there is none.
	FailoverAfter *float64
	// ReturnAfter runs from the last heal to the first request that the healed
	// upstream answered; nil: nothing was healed, or it did not return.
	ReturnAfter *float64
	Lost        []int32 // upstreams whose attempts failed
}

// settledRun is the least number of requests without an error that a run needs,
// at the end of a drill, to count as failed over; fewer if there are fewer.
const settledRun = 4

// luck is the chance below which a run without errors is not put down to luck.
const luck = 1e-3

// settled reports whether good requests at the end of a drill mean that the
// errors are over. Between the last step and them bad of n requests failed: at
// that rate so long a run without an error must be too lucky to believe.
func settled(good, bad, n int) bool {
	if good == 0 || good < min(settledRun, good+n) {
		return false
	}
	return n == 0 || math.Pow(1-float64(bad)/float64(n), float64(good)) <= luck
}

// Outcome says what the mesh did in the drill.
func Outcome(t *trace.Trace) Impact {
	im := Impact{}
	witnessed := trace.Sec(0)
	for _, s := range t.Steps {
		if s.Kind != "heal" && s.Witness != "" {
			// Requests that are due with a step are sent after it.
			im.Since, witnessed = s.At, s.Witnessed
			break
		}
	}
	lost := failing(t, im.Since)
	im.Lost = lost
	returned := returnErrors(t)
	goodFrom, good, moved := im.Since, 0, false
	last := lastStep(t)
	bad, n := 0, 0 // since the last step
	for r := range t.AllRequests() {
		if r.At < im.Since {
			continue
		}
		im.Requests++
		if r.At >= last && !returned[requestOf{r.Client, r.N}] {
			n++
			if r.Failed() {
				bad++
			}
		}
		switch {
		case !r.Failed():
			if good == 0 {
				goodFrom = r.At
			}
			good++
		case returned[requestOf{r.Client, r.N}]:
			im.Errors++
			im.ReturnErrors++
		default:
			im.Errors++
			good = 0
		}
	}
	served := map[int32]bool{}
	for a := range t.AllAttempts() {
		served[a.Host] = true
	}
	for _, c := range t.Changes {
		moved = moved || c.At >= im.Since && (c.Event == trace.Ejected || c.Event == trace.OverflowEvent || c.Event == trace.Removed && served[c.Host])
	}
	moved = moved || len(lost) > 0
	over := settled(good, bad, max(bad, n-good))
	if over {
		d := max(0, (goodFrom - witnessed).Seconds())
		im.FailoverAfter = &d
	}
	im.ReturnAfter = returnAfter(t)
	im.Outcome = outcome(t, &im, over, moved)
	return im
}

// lastStep is when the last fault or change was due.
func lastStep(t *trace.Trace) trace.Sec {
	at := trace.Sec(0)
	for _, s := range t.Steps {
		if s.Kind != "heal" {
			at = s.At
		}
	}
	return at
}

func outcome(t *trace.Trace, im *Impact, over, moved bool) result.Outcome {
	switch {
	case im.Errors == 0 && !moved:
		return result.NoImpact
	case over:
		return result.FailsOver
	case !survivor(t, im):
		return result.TotalLoss
	}
	// Fewer errors than the lost share, by more than chance: part of it was saved.
	n, k := im.Requests, im.Errors-im.ReturnErrors
	share := lostShare(t, im)
	if _, high := intervalAt(k, n, luck); high < share || share == 1 && k < n*9/10 {
		return result.Partial
	}
	return result.NeverFailsOver
}

// enough is the number of requests from which a share is taken as it was seen.
const enough = 1000

// lostShare is the share of the requests that the lost upstreams had before the
// first step: as it was seen, or, with few requests, as the hosts and the loads
// of their priorities have it, because a sample of few would decide by luck.
func lostShare(t *trace.Trace, im *Impact) float64 {
	before := In(t, -1, 0, im.Since)
	lost := 0
	for _, u := range im.Lost {
		lost += before.Answered[t.UpstreamName(u)]
	}
	if before.Total() >= enough {
		return float64(lost) / float64(before.Total())
	}
	used := map[string]int{}
	for a := range t.AllAttempts() {
		if a.Host >= 0 {
			used[t.Hosts[a.Host].Cluster]++
		}
	}
	share, total := 0.0, 0
	for _, cluster := range sorted(used) {
		n := used[cluster]
		share += float64(n) * lostOf(t, im, cluster)
		total += n
	}
	if total == 0 {
		return 1
	}
	return share / float64(total)
}

// lostOf is the lost share of one cluster: by priority, its load times the
// weight of the lost hosts among all of it.
func lostOf(t *trace.Trace, im *Impact, cluster string) float64 {
	var percent []int32
	for _, l := range t.Loads {
		if l.Cluster == cluster && (percent == nil || l.At < im.Since) {
			percent = l.Percent
		}
	}
	all, lost := make([]float64, len(percent)), make([]float64, len(percent))
	for _, h := range t.Hosts {
		if h.Cluster != cluster || int(h.Priority) >= len(percent) || im.Since > 0 && h.At >= im.Since {
			continue
		}
		w := float64(max(1, h.Weight))
		all[h.Priority] += w
		if slices.Contains(im.Lost, h.Upstream) {
			lost[h.Priority] += w
		}
	}
	share := 0.0
	for p := range percent {
		if all[p] > 0 {
			share += float64(percent[p]) / 100 * lost[p] / all[p]
		}
	}
	return share
}

// failing are the upstreams that failed an attempt since the instant.
func failing(t *trace.Trace, since trace.Sec) []int32 {
	var us []int32
	for a := range t.AllAttempts() {
		if a.At < since || a.Host < 0 {
			continue
		}
		bad := a.Result != trace.Answered && a.Result != trace.Overflow || a.Status >= 500
		if u := t.UpstreamOf(a.Host); bad && !slices.Contains(us, u) {
			us = append(us, u)
		}
	}
	return us
}

// survivor reports whether a host of the clients' clusters belongs to an
// upstream that failed nothing.
func survivor(t *trace.Trace, im *Impact) bool {
	used := map[string]bool{}
	for a := range t.AllAttempts() {
		if a.Host >= 0 {
			used[t.Hosts[a.Host].Cluster] = true
		}
	}
	gone := map[int32]bool{} // at the end
	for _, c := range t.Changes {
		if c.Event == trace.Removed || c.Event == trace.Added {
			gone[c.Host] = c.Event == trace.Removed
		}
	}
	for i, h := range t.Hosts {
		if used[h.Cluster] && !slices.Contains(im.Lost, h.Upstream) && !gone[int32(i)] {
			return true
		}
	}
	return false
}

// requestOf names a request.
type requestOf struct{ client, n int32 }

// returnErrors marks the requests that failed only because an ejected host was
// let back although it was still broken: their first attempt met it after its
// return and before the workers knew of its next ejection.
func returnErrors(t *trace.Trace) map[requestOf]bool {
	type span struct {
		host     int32
		from, to trace.Sec
	}
	var spans []span
	for i, c := range t.Changes {
		if c.Event != trace.Returned {
			continue
		}
		s := span{host: c.Host, from: c.At, to: -1}
		for _, d := range t.Changes[i+1:] {
			if d.Host == c.Host && d.Event == trace.Ejected {
				s.to = known(t, c.Host, d.At)
				break
			}
		}
		if s.to >= 0 {
			spans = append(spans, s)
		}
	}
	if len(spans) == 0 {
		return nil
	}
	failed := map[requestOf]bool{}
	for r := range t.AllRequests() {
		if r.Failed() {
			failed[requestOf{r.Client, r.N}] = true
		}
	}
	marks := map[requestOf]bool{}
	for a := range t.AllAttempts() {
		if a.N != 1 || !failed[requestOf{a.Client, a.Request}] {
			continue
		}
		for _, s := range spans {
			if a.Host == s.host && a.At >= s.from && a.At <= s.to {
				marks[requestOf{a.Client, a.Request}] = true
			}
		}
	}
	return marks
}

// known is when the workers have heard of what happened to the host.
func known(t *trace.Trace, host int32, at trace.Sec) trace.Sec {
	for _, l := range t.Loads {
		if l.At >= at && l.Cluster == t.Hosts[host].Cluster && l.Client == t.Hosts[host].Client {
			return l.At
		}
	}
	return t.Run.Duration
}

func returnAfter(t *trace.Trace) *float64 {
	for i := len(t.Steps) - 1; i >= 0; i-- {
		s := &t.Steps[i]
		if s.Kind != "heal" || s.Upstream < 0 {
			continue
		}
		if s.Witness == "" {
			return nil // nobody saw it heal, so nothing can be measured from there
		}
		for r := range t.AllRequests() {
			if r.At >= s.Witnessed && r.Upstream == s.Upstream && !r.Failed() {
				d := (r.At - s.Witnessed).Seconds()
				return &d
			}
		}
		return nil
	}
	return nil
}
