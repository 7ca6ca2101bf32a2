package trace

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// packed are the requests that their first attempt answered, in the order in
// which they ended. Nearly all requests of a long drill are of that kind, and
// their Request and Attempt take 112 bytes, most of which repeat each other.
type packed struct {
	chunks [][]exchange
	n      int
	last   exchange // the newest one
	mixed  bool     // one ended before another that was due earlier
	byDue  []int32  // then their order by due time, once they are sorted
}

// exchange is one request with its only attempt.
type exchange struct {
	at     Sec
	sent   uint32 // nanoseconds after at
	done   uint32 // nanoseconds after sent
	n      int32
	host   int32
	before uint32 // attempts in Attempts that were recorded before it
	client uint16
	status uint16 // and chargedBit
}

const (
	chunk      = 1 << 13
	firstChunk = 1 << 7
	chargedBit = 1 << 15
)

// Exchange records the n-th request of a client and the attempt that it consists
// of: due at an instant, sent to the host when that was picked, answered when it
// was done, without a flag. Those that fit are kept packed until Unpack.
func (t *Trace) Exchange(at, sent, done Sec, client, n, host, status int32, charged bool) {
	late, took := sent-at, done-sent
	if late < 0 || late > math.MaxUint32 || took < 0 || took > math.MaxUint32 || client > math.MaxUint16 || status >= chargedBit {
		t.Requests = append(t.Requests, Request{
			At: at, Sent: sent, Done: done, Client: client, N: n, Status: status, Host: host, Upstream: t.UpstreamOf(host), Attempts: 1,
		})
		t.Attempts = append(t.Attempts, Attempt{
			At: sent, Done: done, Client: client, Request: n, N: 1, Host: host, Status: status, Charged: charged,
		})
		return
	}
	e := exchange{at: at, sent: uint32(late), done: uint32(took), n: n, host: host, before: uint32(len(t.Attempts)), client: uint16(client), status: uint16(status)}
	if charged {
		e.status |= chargedBit
	}
	p := &t.packed
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last]) == cap(p.chunks[last]) {
		room := chunk
		if last < 0 {
			room = firstChunk // most drills are short
		}
		p.chunks = append(p.chunks, make([]exchange, 0, room))
		last++
	}
	p.mixed = p.mixed || p.n > 0 && beforeDue(&e, &p.last)
	p.last = e
	p.chunks[last] = append(p.chunks[last], e)
	p.n++
}

func (p *packed) at(i int) *exchange {
	if i < firstChunk {
		return &p.chunks[0][i]
	}
	i -= firstChunk
	return &p.chunks[1+i/chunk][i%chunk]
}

// nthDue is the i-th by due time.
func (p *packed) nthDue(i int) *exchange {
	if p.byDue != nil {
		i = int(p.byDue[i])
	}
	return p.at(i)
}

func (t *Trace) unpackRequest(e *exchange, r *Request) {
	sent := e.at + Sec(e.sent)
	*r = Request{
		At: e.at, Sent: sent, Done: sent + Sec(e.done), Client: int32(e.client), N: e.n, Status: int32(e.status &^ chargedBit),
		Host: e.host, Upstream: t.UpstreamOf(e.host), Attempts: 1,
	}
}

func unpackAttempt(e *exchange, a *Attempt) {
	at := e.at + Sec(e.sent)
	*a = Attempt{
		At: at, Done: at + Sec(e.done), Client: int32(e.client), Request: e.n, N: 1, Host: e.host,
		Status: int32(e.status &^ chargedBit), Charged: e.status&chargedBit != 0,
	}
}

// Sort puts the events in the order in which Events promises them: a recorder
// hears of a request when it ends, and of a change when it asks for it. It is
// called when a recording, or a part of it, is over.
func (t *Trace) Sort() {
	slices.SortStableFunc(t.Steps, func(a, b Step) int { return cmp.Compare(a.Index, b.Index) })
	slices.SortStableFunc(t.Changes, func(a, b Change) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(t.Loads, func(a, b Load) int { return cmp.Compare(a.At, b.At) })
	if !slices.IsSortedFunc(t.Requests, byDue) {
		slices.SortStableFunc(t.Requests, byDue)
	}
	p := &t.packed
	if p.byDue = nil; p.mixed {
		p.sort()
	}
}

func (p *packed) sort() {
	p.byDue = make([]int32, p.n)
	for i := range p.byDue {
		p.byDue[i] = int32(i)
	}
	slices.SortFunc(p.byDue, func(i, j int32) int {
		a, b := p.at(int(i)), p.at(int(j))
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.client, b.client), cmp.Compare(a.n, b.n))
	})
}

func beforeDue(a, b *exchange) bool {
	return a.at < b.at || a.at == b.at && (a.client < b.client || a.client == b.client && a.n < b.n)
}

func byDue(a, b Request) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Client, b.Client), cmp.Compare(a.N, b.N))
}

// AllRequests are the requests in the order in which they were due. What is
// yielded is used again: copy it to keep it.
func (t *Trace) AllRequests() iter.Seq[*Request] {
	return func(yield func(*Request) bool) {
		var r Request
		i := 0
		for k := range t.packed.n {
			t.unpackRequest(t.packed.nthDue(k), &r)
			for ; i < len(t.Requests) && byDue(t.Requests[i], r) < 0; i++ {
				if !yield(&t.Requests[i]) {
					return
				}
			}
			if !yield(&r) {
				return
			}
		}
		for ; i < len(t.Requests); i++ {
			if !yield(&t.Requests[i]) {
				return
			}
		}
	}
}

// AllAttempts are the attempts in the order in which they ended and were
// recorded. What is yielded is used again: copy it to keep it.
func (t *Trace) AllAttempts() iter.Seq[*Attempt] {
	return func(yield func(*Attempt) bool) {
		var a Attempt
		i := 0
		for k := range t.packed.n {
			unpackAttempt(t.packed.at(k), &a)
			for ; i < int(t.packed.at(k).before); i++ {
				if !yield(&t.Attempts[i]) {
					return
				}
			}
			if !yield(&a) {
				return
			}
		}
		for ; i < len(t.Attempts); i++ {
			if !yield(&t.Attempts[i]) {
				return
			}
		}
	}
}

// Unpack makes Requests and Attempts complete, for callers that index them, and
// returns the trace.
func (t *Trace) Unpack() *Trace {
	if t.packed.n == 0 {
		return t
	}
	requests, attempts := make([]Request, 0, len(t.Requests)+t.packed.n), make([]Attempt, 0, len(t.Attempts)+t.packed.n)
	for r := range t.AllRequests() {
		requests = append(requests, *r)
	}
	for a := range t.AllAttempts() {
		attempts = append(attempts, *a)
	}
	t.Requests, t.Attempts, t.packed = requests, attempts, packed{}
	return t
}
