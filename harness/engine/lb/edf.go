package lb

import (
	"container/heap"
	"math"
)

// EDF schedules entries of unequal weight, earliest deadline first: an entry is
// due 1/weight after it was put in, ties go to the one that was put in first,
// and a picked entry is put in again with its weight at that moment.
type EDF struct {
	heap  edfHeap
	now   float64
	order uint64
}

type edfEntry struct {
	deadline float64
	order    uint64
	index    int32
}

type edfHeap []edfEntry

func (h edfHeap) Len() int { return len(h) }
func (h edfHeap) Less(i, j int) bool {
	if h[i].deadline != h[j].deadline {
		return h[i].deadline < h[j].deadline
	}
	return h[i].order < h[j].order
}
func (h edfHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *edfHeap) Push(x any)   { *h = append(*h, x.(edfEntry)) }
func (h *edfHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// NewEDF builds a schedule over the entries whose weight is above 0, as it
// stands after so many picks; that is the balancer's random start. All but the
// last few picks are skipped in closed form: an entry had at least its share of
// them, rounded down (edf_scheduler.h, createWithPicks).
//
// Rule: RuleSchedulerStart.
func NewEDF(weights []float64, picks uint32) *EDF {
	e := &EDF{heap: make(edfHeap, 0, len(weights))}
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	left := picks
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		had := math.Floor(float64(picks) * w / sum)
		left -= uint32(had)
		e.now = max(e.now, had/w)
		e.heap = append(e.heap, edfEntry{deadline: (had + 1) / w, order: e.order, index: int32(i)})
		e.order++
	}
	heap.Init(&e.heap)
	for range left {
		e.Pick(func(i int) float64 { return weights[i] })
	}
	return e
}

// Clone returns an independent copy.
func (e *EDF) Clone() *EDF {
	if e == nil {
		return nil
	}
	c := *e
	c.heap = append(edfHeap(nil), e.heap...)
	return &c
}

// Len is the number of entries.
func (e *EDF) Len() int { return len(e.heap) }

// Pick takes the entry that is due first and puts it in again with the weight
// that it has now. It must not be called on an empty schedule.
//
// Rule: RuleEDF.
func (e *EDF) Pick(weight func(i int) float64) int {
	top := &e.heap[0]
	i := int(top.index)
	e.now = top.deadline
	top.deadline = e.now + 1/weight(i)
	top.order = e.order
	e.order++
	heap.Fix(&e.heap, 0)
	return i
}
