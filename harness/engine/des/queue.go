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

// Peek is the time of the next event; it must not be called on an empty queue.
func (q *Queue[E]) Peek() int64 { return q.items[0].at }

// Push adds an event.
func (q *Queue[E]) Push(at int64, e E) {
	q.items = append(q.items, item[E]{at, q.order, e})
	q.order++
	i := len(q.items) - 1
	for i > 0 {
		p := (i - 1) / 2
		if !q.less(i, p) {
			break
		}
		q.items[i], q.items[p] = q.items[p], q.items[i]
		i = p
	}
}

// Pop removes and returns the next event; it must not be called on an empty queue.
func (q *Queue[E]) Pop() (int64, E) {
	top := q.items[0]
	n := len(q.items) - 1
	q.items[0] = q.items[n]
	q.items[n] = item[E]{}
	q.items = q.items[:n]
	i := 0
	for {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && q.less(c+1, c) {
			c++
		}
		if !q.less(c, i) {
			break
		}
		q.items[i], q.items[c] = q.items[c], q.items[i]
		i = c
	}
	return top.at, top.e
}

func (q *Queue[E]) less(i, j int) bool {
	a, b := &q.items[i], &q.items[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}
