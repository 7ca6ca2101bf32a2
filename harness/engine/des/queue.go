// Package des is the event queue of a discrete-event simulation.
//
//	var q des.Queue[event]
//	q.Push(at, e)
//	for q.Len() > 0 { at, e := q.Pop() }
//
// Events of one instant come out in the order in which they were put in, so
// that a run depends on nothing but its input.
package des

// Queue is a binary heap of events by time.
type Queue[E any] struct {
	items []item[E]
	order uint64
}

type item[E any] struct {
	at    int64
	order uint64
	e     E
}

// Len is the number of events.
func (q *Queue[E]) Len() int { return len(q.items) }

// Ticket is a place in the order of insertion for an event that the caller keeps
// for itself, because it knows when it comes: Before says whether its turn is next.
func (q *Queue[E]) Ticket() uint64 {
	q.order++
	return q.order - 1
}

// Before reports whether an event at that time with that ticket comes before
// everything in the queue.
func (q *Queue[E]) Before(at int64, ticket uint64) bool {
	if len(q.items) == 0 {
		return true
	}
	top := &q.items[0]
	return at < top.at || at == top.at && ticket < top.order
}

// Peek is the time of the next event; it must not be called on an empty queue.
func (q *Queue[E]) Peek() int64 { return q.items[0].at }

// Push adds an event.
func (q *Queue[E]) Push(at int64, e E) {
	it := item[E]{at, q.order, e}
	q.order++
	q.items = append(q.items, it)
	hole := len(q.items) - 1
	for hole > 0 {
		parent := (hole - 1) / 2
		if !it.before(&q.items[parent]) {
			break
		}
		q.items[hole] = q.items[parent]
		hole = parent
	}
	q.items[hole] = it
}

// Pop removes and returns the next event; it must not be called on an empty queue.
func (q *Queue[E]) Pop() (int64, E) {
	items := q.items
	top := items[0]
	n := len(items) - 1
	last := items[n]
	items[n] = item[E]{}
	q.items = items[:n]
	if n > 0 {
		q.sink(last)
	}
	return top.at, top.e
}

// sink puts an item in at the top, whose place is free.
func (q *Queue[E]) sink(it item[E]) {
	items, hole := q.items, 0
	for {
		child := 2*hole + 1
		if child >= len(items) {
			break
		}
		if child+1 < len(items) && items[child+1].before(&items[child]) {
			child++
		}
		if !items[child].before(&it) {
			break
		}
		items[hole] = items[child]
		hole = child
	}
	items[hole] = it
}

func (i *item[E]) before(o *item[E]) bool {
	return i.at < o.at || i.at == o.at && i.order < o.order
}
