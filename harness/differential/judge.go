package differential

import (
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

// Judge asks check.Accept whether the engine permits the run.
func Judge(s *schedule.Schedule, t *trace.Trace) Verdict {
	var v Verdict
	v.Divergence, v.Undecided = check.Accept(s, t)
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
