package check

import (
	"slices"
	"strconv"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// Window sums up the requests that are due in [from, to).
type Window struct {
	Requests int
	Answered map[string]int // by upstream of the final answer
	Errors   int
	Statuses map[string]int
	Flags    map[string]int
	Attempts map[string]int // by upstream; attempts that began in the window

	ByLocality map[string]int
	ByPriority map[string]int
	answered   int
}

// In sums up a window of the trace. The client is an index, or -1 for all.
func In(t *trace.Trace, client int32, from, to trace.Sec) Window {
	w := Window{
		Answered: map[string]int{}, Statuses: map[string]int{}, Flags: map[string]int{}, Attempts: map[string]int{},
		ByLocality: map[string]int{}, ByPriority: map[string]int{},
	}
	for r := range t.AllRequests() {
		if r.At >= from && r.At < to && (client < 0 || r.Client == client) {
			w.add(t, r)
		}
	}
	for a := range t.AllAttempts() {
		if a.At >= from && a.At < to && reached(a) && (client < 0 || a.Client == client) {
			w.Attempts[t.UpstreamName(t.UpstreamOf(a.Host))]++
		}
	}
	return w
}

// reached reports whether the attempt was one on its host: what a circuit breaker
// refused never was.
func reached(a *trace.Attempt) bool { return a.Host >= 0 && a.Result != trace.Overflow }

func (w *Window) add(t *trace.Trace, r *trace.Request) {
	w.Requests++
	w.Statuses[strconv.Itoa(int(r.Status))]++
	for _, l := range trace.FlagLetters() {
		if f, _ := trace.ParseFlag(l); r.Flags&f != 0 {
			w.Flags[l]++
		}
	}
	if r.Failed() {
		w.Errors++
	}
	// A failure belongs to no upstream, although one of them may have answered it.
	if r.Failed() || r.Upstream < 0 {
		return
	}
	w.answered++
	w.Answered[t.UpstreamName(r.Upstream)]++
	if r.Host >= 0 {
		h := &t.Hosts[r.Host]
		w.ByLocality[h.Locality]++
		w.ByPriority[strconv.Itoa(int(h.Priority))]++
	}
}

// Total is the number of requests that an upstream answered without an error.
func (w *Window) Total() int { return w.answered }

// Share is the number of answered requests that belong to a key of the share
// expectation: an upstream, locality:REGION or priority:N.
func (w *Window) Share(key string) int {
	switch {
	case len(key) > 9 && key[:9] == "locality:":
		return w.ByLocality[key[9:]]
	case len(key) > 9 && key[:9] == "priority:":
		return w.ByPriority[key[9:]]
	}
	return w.Answered[key]
}

// Phases cuts the run at every step and at every change of priority load, and
// sums up each part. Parts without a request are left out.
func Phases(t *trace.Trace) []result.Phase {
	cuts := []trace.Sec{0, t.Run.Duration}
	for _, s := range t.Steps {
		cuts = append(cuts, s.At)
	}
	for _, l := range t.Loads {
		cuts = append(cuts, l.At)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	phases := []result.Phase{}
	for i := 0; i+1 < len(cuts); i++ {
		if cuts[i] >= t.Run.Duration {
			break
		}
		w := In(t, -1, cuts[i], cuts[i+1])
		if w.Requests == 0 {
			continue
		}
		p := result.Phase{
			From: cuts[i].Seconds(), To: cuts[i+1].Seconds(), Requests: w.Requests, Share: map[string]float64{},
			Errors: w.Errors, Statuses: w.Statuses, Flags: w.Flags,
		}
		for u, n := range w.Answered {
			p.Share[u] = float64(n) / float64(w.answered)
		}
		phases = append(phases, p)
	}
	return phases
}

// Events are the outlier events of the run.
func Events(t *trace.Trace) []result.Event {
	es := []result.Event{}
	for _, c := range t.Changes {
		h := &t.Hosts[c.Host]
		e := result.Event{At: c.At.Seconds(), Upstream: t.UpstreamName(h.Upstream), Address: h.Address, Event: c.Event, Cause: c.Cause}
		if len(t.Run.Clients) > 1 {
			e.Client = t.Run.Clients[c.Client]
		}
		if c.Until > 0 {
			u := c.Until.Seconds()
			e.Until = &u
		}
		es = append(es, e)
	}
	return es
}

// Counters sums up the run by upstream. Every upstream has an entry.
func Counters(t *trace.Trace) map[string]result.Counter {
	m := make(map[string]result.Counter, len(t.Run.Upstreams))
	for _, u := range t.Run.Upstreams {
		m[u] = result.Counter{}
	}
	for a := range t.AllAttempts() {
		if !reached(a) {
			continue
		}
		name := t.UpstreamName(t.UpstreamOf(a.Host))
		c := m[name]
		c.Attempts++
		if a.Charged {
			c.Charged++
		}
		if a.N > 1 {
			c.Retries++
		}
		if a.Result == trace.Refused || a.Result == trace.ConnectTimeout {
			c.ConnectFail++
		}
		m[name] = c
	}
	for _, e := range t.Changes {
		name := t.UpstreamName(t.UpstreamOf(e.Host))
		c := m[name]
		switch e.Event {
		case trace.Ejected:
			c.Ejections++
		case trace.OverflowEvent:
			c.Overflow++
		}
		m[name] = c
	}
	return m
}

// EndpointTables are the recorded endpoint tables.
func EndpointTables(t *trace.Trace) []result.Endpoints {
	es := []result.Endpoints{}
	for _, e := range t.Endpoints {
		re := result.Endpoints{At: e.At.Seconds(), Rows: []result.Row{}}
		for _, r := range e.Rows {
			row := result.Row{
				Upstream: t.UpstreamName(r.Upstream), Address: r.Address, Name: r.Name, Locality: r.Locality, Priority: r.Priority,
				Weight: r.Weight, Status: r.Status, OutlierCheck: r.OutlierCheck, Ejections: r.Ejections, Cluster: r.Cluster,
			}
			if len(t.Run.Clients) > 1 {
				row.Client = t.Run.Clients[r.Client]
			}
			re.Rows = append(re.Rows, row)
		}
		es = append(es, re)
	}
	return es
}
