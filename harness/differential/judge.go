package differential

import (
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// A Verdict is what became of one drill.
type Verdict struct {
	Divergence *result.Divergence // nil: what happened is permitted, or nothing can be said
	Undecided  string             // why nothing can be said
	Picks      int                // hosts that were picked, or that there was none
	Attempts   int                // results, and what followed from each: an answer, another attempt
	Changes    int                // ejections, refusals, returns
}

// Decisions is how many decisions of the proxy were held against the engine.
func (v *Verdict) Decisions() int {
	if v.Undecided != "" {
		return 0
	}
	return v.Picks + v.Attempts + v.Changes
}

// Judge asks check.Accept whether the engine permits the run. Where a hundred drills
// share two threads of a proxy, these can be late: what they did then says nothing.
func Judge(s *schedule.Schedule, t *trace.Trace) Verdict {
	var v Verdict
	v.Divergence, v.Undecided = check.Accept(s, t)
	if d := v.Divergence; d != nil && late(t, d.At) > check.TimingOf(t.Run.Backend).Hop.D() && t.Run.Backend == "envoy" {
		v.Divergence, v.Undecided = nil, fmt.Sprintf("the proxy was %v late around %.3f s", late(t, d.At).Round(time.Millisecond), d.At)
	}
	v.Attempts, v.Changes = len(t.Attempts), len(t.Changes)
	for i := range t.Attempts {
		if t.Attempts[i].Host >= 0 {
			v.Picks++
		}
	}
	for i := range t.Requests {
		if t.Requests[i].Flags&trace.FlagUH != 0 {
			v.Picks++
		}
	}
	return v
}

// around is how near a proxy's lateness has to be to explain what it did: its threads
// hear of each other's decisions that much later.
const around = 1.0 // second

// late is how long at most it took around an instant until a host was picked for a
// request that was sent, or until its answer was there.
func late(t *trace.Trace, at float64) time.Duration {
	first, last := map[int32]trace.Sec{}, map[int32]trace.Sec{}
	for i := range t.Attempts {
		a := &t.Attempts[i]
		if a.N == 1 {
			first[a.Request] = a.At
		}
		last[a.Request] = max(last[a.Request], a.Done)
	}
	longest := trace.Sec(0)
	for i := range t.Requests {
		r := &t.Requests[i]
		if r.Sent.Seconds() > at+around || r.Done.Seconds() < at-around {
			continue
		}
		if f, ok := first[r.N]; ok {
			longest = max(longest, f-r.Sent, r.Done-last[r.N])
		}
	}
	return longest.D()
}
