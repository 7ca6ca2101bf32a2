package live

import (
	"context"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// flight counts the requests of all clients that were sent, and that have ended.
type flight struct {
	mu      sync.Mutex
	sent    int
	ended   int
	changed chan struct{} // nil while nobody waits
}

func (f *flight) add(sent, ended int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent += sent
	f.ended += ended
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// wait returns when the counts fit, or when the context is done.
func (f *flight) wait(ctx context.Context, fit func(sent, ended int) bool) {
	for {
		f.mu.Lock()
		if fit(f.sent, f.ended) {
			f.mu.Unlock()
			return
		}
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// landing is how long a step waits for the requests that were due before it.
const landing = 50 * time.Millisecond

// land waits until the requests that were due before a step have been sent and,
// where nothing is slow on purpose, answered: a late machine must not let them
// meet what the step does. The gate holds back those that are due later.
func (d *drive) land(ctx context.Context, step int) {
	ctx, cancel := context.WithTimeout(ctx, landing)
	defer cancel()
	due := dueBefore(d.s, d.s.Steps[step].At)
	prompt := isPrompt(d.s, step)
	d.flight.wait(ctx, func(sent, ended int) bool {
		return sent >= due && (ended >= due || !prompt)
	})
}

// dueBefore is how many requests are due before the offset.
func dueBefore(s *schedule.Schedule, at trace.Sec) int {
	due := 0
	for i := range s.Clients {
		l := &s.Clients[i].Load
		if n := at - l.Start; n > 0 && l.Every > 0 {
			due += min(l.Count, int((n+l.Every-1)/l.Every))
		} else if n > 0 {
			due += l.Count
		}
	}
	return due
}

// soon is more than anything takes that is not slow on purpose.
const soon = trace.Sec(10 * time.Millisecond)

// isPrompt reports whether nothing is slow on purpose before the step.
func isPrompt(s *schedule.Schedule, step int) bool {
	slow := map[string]bool{}
	for i := range step {
		switch st := &s.Steps[i]; st.Kind {
		case schedule.KindHeal:
			delete(slow, st.Heal)
		case schedule.KindFault:
			switch st.Fault.Behaviour {
			case schedule.Delay, schedule.SlowBody, schedule.Hang, schedule.Blackhole, schedule.Pause, schedule.Stop, schedule.Partition:
				slow[st.Fault.Name] = true
			}
		}
	}
	for i := range s.Upstreams {
		if s.Upstreams[i].Latency >= soon {
			return false
		}
	}
	return len(slow) == 0
}
