package inside

import (
	"sync"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/trace"
)

// held keeps the requests until it is known what the proxies did with them, the
// endpoint tables until their ejections are counted, and a copy of the steps.
type held struct {
	backend.Sink

	mu        sync.Mutex
	requests  []trace.Request
	steps     []trace.Step
	endpoints []trace.Endpoints
}

// Event passes on what is complete.
func (h *held) Event(e trace.Event) {
	h.mu.Lock()
	switch e := e.(type) {
	case trace.Request:
		h.requests = append(h.requests, e)
		h.mu.Unlock()
		return
	case trace.Endpoints:
		h.endpoints = append(h.endpoints, e)
		h.mu.Unlock()
		return
	case trace.Step:
		h.steps = append(h.steps, e)
	}
	h.mu.Unlock()
	h.Sink.Event(e)
}

// counted are the endpoint tables with the ejections so far of every host: Envoy
// tells them in its event log only. A cluster that was built anew begins at 0.
func (h *held) counted(changes []trace.Change, built func(r *trace.Row, at trace.Sec) trace.Sec) []trace.Endpoints {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, es := range h.endpoints {
		for i := range es.Rows {
			r := &es.Rows[i]
			since := built(r, es.At)
			for _, c := range changes {
				if c.Client == r.Client && c.Host == r.Host && c.Event == trace.Ejected && c.At >= since && c.At <= es.At {
					r.Ejections = max(r.Ejections, c.Ejections)
				}
			}
		}
	}
	return h.endpoints
}
