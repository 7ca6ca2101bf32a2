package lb

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// EDF schedules entries of unequal weight, earliest deadline first: an entry is
// due 1/weight after it was put in, ties go to the one that was put in first,
// and a picked entry is put in again with the weight that it has by then.
//
//	i := e.Next()          // who is due
//	e.Again(weight(i))     // due again 1/weight later
//
// It is a tournament: the entries are the leaves, and every node has the earlier
// one of its two children. An entry that is put in again plays its way up once
// more, against rivals whose places are known beforehand; in a heap, where to
// look next depends on every comparison, which takes four times as long.
type EDF struct {
	tree  []edfEntry // the children of node i are 2i and 2i+1, entry k is node len/2+k
	order uint32     // of the next entry that is put in
}

// edfEntry is an entry as two numbers, which are compared as one: a pick from
// many entries is all comparisons, and a branch on each would be guessed wrong
// half of the time.
type edfEntry struct {
	due   uint64 // the bits of the deadline, which is positive: they are ordered as it is
	entry uint64 // order above, index below
}

// absent is what stands for an entry of weight 0: it is never due.
const absent = math.MaxUint64

func entryOf(deadline float64, order, index uint32) edfEntry {
	return edfEntry{math.Float64bits(deadline), uint64(order)<<32 | uint64(index)}
}

func (x edfEntry) deadline() float64 { return math.Float64frombits(x.due) }
func (x edfEntry) order() uint32     { return uint32(x.entry >> 32) }

// earlier is the entry that is picked first.
func earlier(x, y edfEntry) edfEntry {
	_, borrow := bits.Sub64(y.entry, x.entry, 0)
	_, borrow = bits.Sub64(y.due, x.due, borrow)
	return edfEntry{x.due ^ (x.due^y.due)&-borrow, x.entry ^ (x.entry^y.entry)&-borrow}
}

// epsilon is added to the weights where picks are skipped, so that deadlines
// which are equal on paper do not part by rounding.
const epsilon = 1e-13

// maxSkipped bounds how many picks a schedule starts after.
const maxSkipped = 429496729

// NewEDF builds a schedule of the entries whose weight is above 0, put in one
// after another.
func NewEDF(weights []float64) *EDF {
	e := newEDF(len(weights))
	for i, w := range weights {
		if w > 0 {
			e.put(i, 1/w)
		}
	}
	e.play()
	return e
}

// NewEDFAfter builds a schedule that stands where so many picks lead as the low
// 32 bits of the balancer's seed say. All but the last few of them are skipped
// in closed form: an entry had at least its share, rounded down
// (edf_scheduler.h, createWithPicks).
//
// Rule: RuleSchedulerStart.
func NewEDFAfter(weights []float64, seed uint64) *EDF {
	picks := uint32(seed) % maxSkipped
	e := newEDF(len(weights))
	sum := 0.0
	for _, w := range weights {
		if w > 0 {
			sum += w + epsilon
		}
	}
	left := picks
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		w += epsilon
		had := uint32(w * float64(picks) / sum)
		if had > 0 && float64(had)/w >= float64(picks)/sum {
			had-- // rounded up, where it must not be
		}
		left -= had
		e.put(i, float64(had+1)/w)
	}
	e.play()
	for range left {
		e.Again(weights[e.Next()])
	}
	return e
}

func newEDF(n int) *EDF {
	e := &EDF{tree: make([]edfEntry, 2*n)}
	for i := range e.tree {
		e.tree[i].due = absent
	}
	return e
}

// put makes a leaf.
func (e *EDF) put(i int, deadline float64) {
	e.tree[len(e.tree)/2+i] = entryOf(deadline, e.order, uint32(i))
	e.order++
}

// play finds the winners of all nodes.
func (e *EDF) play() {
	for i := len(e.tree)/2 - 1; i > 0; i-- {
		e.tree[i] = earlier(e.tree[2*i], e.tree[2*i+1])
	}
}

// Clone returns an independent copy.
func (e *EDF) Clone() *EDF {
	if e == nil {
		return nil
	}
	c := *e
	c.tree = slices.Clone(e.tree)
	return &c
}

// Next is the entry that is due; some entry has a weight above 0.
//
// Rule: RuleEDF.
func (e *EDF) Next() int { return int(uint32(e.tree[1].entry)) }

// Again picks the entry that is due, and puts it in again with the weight that
// it has now.
//
// Rule: RuleEDF.
func (e *EDF) Again(weight float64) {
	if e.order == math.MaxUint32 {
		e.renumber()
	}
	t, i := e.tree, e.Next()
	x := entryOf(t[1].deadline()+1/weight, e.order, uint32(i))
	e.order++
	n := len(t)/2 + i
	t[n] = x
	for n > 1 {
		x = earlier(x, t[n^1])
		n /= 2
		t[n] = x
	}
}

// renumber gives the entries smaller numbers in the same order.
func (e *EDF) renumber() {
	leaves := e.tree[len(e.tree)/2:]
	at := make([]int, 0, len(leaves))
	for i := range leaves {
		if leaves[i].due != absent {
			at = append(at, i)
		}
	}
	slices.SortFunc(at, func(a, b int) int { return cmp.Compare(leaves[a].order(), leaves[b].order()) })
	for n, i := range at {
		leaves[i] = entryOf(leaves[i].deadline(), uint32(n), uint32(i))
	}
	e.order = uint32(len(at))
	e.play()
}
