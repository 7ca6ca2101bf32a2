package inside

import (
	"sync"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/trace"
)

// held keeps the requests until it is known what the proxies did with them, and a
// copy of the steps.
type held struct {
	backend.Sink

	mu       sync.Mutex
	requests []trace.Request
	steps    []trace.Step
}

// Event passes on what is complete.
func (h *held) Event(e trace.Event) {
	h.mu.Lock()
	switch e := e.(type) {
	case trace.Request:
		h.requests = append(h.requests, e)
		h.mu.Unlock()
		return
	case trace.Step:
		h.steps = append(h.steps, e)
	}
	h.mu.Unlock()
	h.Sink.Event(e)
}
