package backend

import (
	"cmp"
	"slices"

	"github.com/faildrill/faildrill/harness/trace"
)

// InOrder puts the events of each kind in order of time, as trace.Trace
// promises and the judges expect. A live backend hands events over as they
// become known: a request when it ends, a step when somebody has seen it.
func InOrder(t *trace.Trace) {
	slices.SortStableFunc(t.Steps, func(a, b trace.Step) int { return cmp.Compare(a.Index, b.Index) })
	slices.SortStableFunc(t.Attempts, func(a, b trace.Attempt) int { return cmp.Compare(a.Done, b.Done) })
	slices.SortStableFunc(t.Requests, func(a, b trace.Request) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Client, b.Client), cmp.Compare(a.N, b.N))
	})
	slices.SortStableFunc(t.Changes, func(a, b trace.Change) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(t.Loads, func(a, b trace.Load) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(t.Endpoints, func(a, b trace.Endpoints) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(t.Notes, func(a, b trace.Note) int { return cmp.Compare(a.At, b.At) })
}
