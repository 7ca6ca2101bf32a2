package pool

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/xds"
)

// drained returns who got a connection, and who was refused, when the pool looks
// at those that wait.
func drained(p *HTTP2, lim *xds.CircuitBreakers, use *Use) (attached, refused []int32) {
	for id, a, ok := p.Next(lim, use); ok; id, a, ok = p.Next(lim, use) {
		if a == Attached {
			attached = append(attached, id)
		} else {
			refused = append(refused, id)
		}
	}
	return attached, refused
}

// Five that wait for a host share one connection, which fails all five (9.5, golden
// test 12: HTTP/2 one connect, five charges).
func TestG12HTTP2OneConnection(t *testing.T) {
	p, use, lim := NewHTTP2(1024), Use{}, unlimited()
	for i := int32(1); i <= 5; i++ {
		if p.NewStream(i, lim, &use) != Queued {
			t.Fatalf("stream %d does not wait", i)
		}
		if got := p.Wanted(lim, &use); got != (i == 1) {
			t.Errorf("stream %d: another connection is wanted: %v", i, got)
		} else if got {
			p.Open(101, &use)
		}
	}
	ids, ok := p.Failed(101, true, &use)
	if d := cmp.Diff([]int32{1, 2, 3, 4, 5}, ids); !ok || d != "" {
		t.Errorf("failed together (-want +got)\n%s", d)
	}
	if use != (Use{}) {
		t.Errorf("left: %+v", use)
	}
}

// A limit of two streams: five at once need three connections (measured, cold), and
// with max_connections 1 they go two, two and one after another (measured: answers
// after 300, 300, 600, 600 and 900 ms).
func TestHTTP2Limit(t *testing.T) {
	lim := unlimited()
	p, use := NewHTTP2(2), Use{}
	for i := int32(1); i <= 5; i++ {
		p.NewStream(i, lim, &use)
		if p.Wanted(lim, &use) {
			p.Open(100+i, &use)
		}
	}
	if d := cmp.Diff([]int32{101, 103, 105}, p.connecting); d != "" {
		t.Errorf("connections (-want +got)\n%s", d)
	}

	lim.MaxConnections = 1
	p, use = NewHTTP2(2), Use{}
	for i := int32(1); i <= 5; i++ {
		p.NewStream(i, lim, &use)
		if p.Wanted(lim, &use) {
			p.Open(100+i, &use)
		}
	}
	if use.Connections != 1 || !p.Connected(101) {
		t.Fatalf("got %d connections, want 1", use.Connections)
	}
	var waves [][]int32
	for range 3 {
		got, _ := drained(&p, lim, &use)
		waves = append(waves, got)
		for _, id := range got {
			p.Done(id, &use)
		}
	}
	if d := cmp.Diff([][]int32{{1, 2}, {3, 4}, {5}}, waves); d != "" {
		t.Errorf("waves (-want +got)\n%s", d)
	}
}

// max_requests counts streams, not connections: the third and the fourth of four
// are refused, waiting or not (9.3; measured, cold and warm).
func TestHTTP2MaxRequests(t *testing.T) {
	lim := unlimited()
	lim.MaxRequests = 2
	p, use := NewHTTP2(1024), Use{}
	for i := int32(1); i <= 4; i++ {
		p.NewStream(i, lim, &use)
	}
	p.Open(101, &use)
	p.Connected(101)
	attached, refused := drained(&p, lim, &use)
	if d := cmp.Diff([][]int32{{1, 2}, {3, 4}}, [][]int32{attached, refused}); d != "" {
		t.Errorf("cold (-want +got)\n%s", d)
	}
	if p.NewStream(5, lim, &use) != Refused {
		t.Error("warm: a third was admitted")
	}
	p.Done(1, &use)
	if p.NewStream(6, lim, &use) != Attached {
		t.Error("warm: a second was refused")
	}
}

// A stream that is reset leaves its connection to the others; a connection that is
// lost takes them with it, the newest first, and nothing else (measured order 3 2 9 1 0).
func TestHTTP2Lost(t *testing.T) {
	p, use, lim := NewHTTP2(3), Use{}, unlimited()
	for i := int32(1); i <= 4; i++ {
		p.NewStream(i, lim, &use)
	}
	p.Open(101, &use)
	p.Open(102, &use)
	p.Connected(101)
	drained(&p, lim, &use)
	p.Done(2, &use)
	if got, _ := drained(&p, lim, &use); len(got) != 1 || got[0] != 4 || use != (Use{Connections: 2, Requests: 3}) {
		t.Errorf("the connection went on with %v, in use %+v; want stream 4", got, use)
	}
	p.NewStream(5, lim, &use)
	p.Connected(102)
	drained(&p, lim, &use)
	p.NewStream(6, lim, &use)
	if d := cmp.Diff([]int32{4, 3, 1}, p.Broken(3, &use)); d != "" {
		t.Errorf("lost together (-want +got)\n%s", d)
	}
	if use != (Use{Connections: 1, Requests: 2}) {
		t.Errorf("left: %+v, want the other connection with its two streams", use)
	}
	if p.Broken(4, &use) != nil {
		t.Error("stream 4 is lost twice")
	}
}

// GOAWAY, and an ejection: streams finish, new ones connect anew, and the old
// connection closes with its last stream (measured: two connections, then one).
func TestHTTP2GoAway(t *testing.T) {
	for name, leave := range map[string]func(*HTTP2, *Use){"go away": (*HTTP2).GoAway, "drain": (*HTTP2).Drain} {
		p, use, lim := NewHTTP2(1024), Use{}, unlimited()
		p.NewStream(1, lim, &use)
		p.NewStream(2, lim, &use)
		p.Open(101, &use)
		p.Connected(101)
		drained(&p, lim, &use)
		leave(&p, &use)
		if p.NewStream(3, lim, &use) != Queued || !p.Wanted(lim, &use) {
			t.Errorf("%s: a new stream does not ask for a connection", name)
		}
		p.Open(102, &use)
		p.Connected(102)
		drained(&p, lim, &use)
		p.Done(1, &use)
		if use != (Use{Connections: 2, Requests: 2}) {
			t.Errorf("%s: %+v while the last old stream runs", name, use)
		}
		p.Done(2, &use)
		if use != (Use{Connections: 1, Requests: 1}) {
			t.Errorf("%s: %+v after the last old stream", name, use)
		}
		p.Done(3, &use)
		leave(&p, &use)
		if use != (Use{}) {
			t.Errorf("%s: a connection without streams is left: %+v", name, use)
		}
	}
}

func TestHTTP2Clone(t *testing.T) {
	p, use, lim := NewHTTP2(4), Use{}, unlimited()
	p.NewStream(1, lim, &use)
	p.NewStream(2, lim, &use)
	p.Open(101, &use)
	p.Connected(101)
	drained(&p, lim, &use)
	c, other := p.Clone(), use
	c.Done(1, &other)
	c.NewStream(9, lim, &other)
	if d := cmp.Diff([]int32{2, 1}, p.Broken(2, &use)); d != "" {
		t.Errorf("a clone shares its streams with the original (-want +got)\n%s", d)
	}
}

// Whatever happens to several pools of a cluster, what is in use is the sum of what
// the pools hold, no connection carries too much, and nobody waits while one has room.
func TestHTTP2Invariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := &xds.CircuitBreakers{
			MaxConnections:     rapid.Uint32Range(1, 4).Draw(t, "max_connections"),
			MaxPendingRequests: rapid.Uint32Range(0, 6).Draw(t, "max_pending"),
			MaxRequests:        rapid.Uint32Range(1, 8).Draw(t, "max_requests"),
		}
		w := &streams{T: t, lim: lim, on: map[int32]int{}}
		limit := rapid.Uint32Range(1, 3).Draw(t, "limit")
		for range rapid.IntRange(1, 3).Draw(t, "pools") {
			w.pools = append(w.pools, NewHTTP2(limit))
		}
		w.waits = make([][]int32, len(w.pools))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step()
			w.check()
		}
	})
}

// streams is some pools with a plain record of who should be where.
type streams struct {
	*rapid.T
	lim   *xds.CircuitBreakers
	pools []HTTP2
	use   Use
	on    map[int32]int // pool of each stream that has a connection
	waits [][]int32     // by pool
	next  int32
}

func (w *streams) step() {
	i := rapid.IntRange(0, len(w.pools)-1).Draw(w.T, "pool")
	p := &w.pools[i]
	switch rapid.SampledFrom([]string{"new", "new", "new", "connected", "connected", "failed", "cancel", "done", "broken", "go away", "drain"}).Draw(w.T, "step") {
	case "new":
		w.next++
		switch p.NewStream(w.next, w.lim, &w.use) {
		case Attached:
			w.on[w.next] = i
		case Queued:
			w.waits[i] = append(w.waits[i], w.next)
		case Refused:
		}
	case "connected":
		if len(p.connecting) > 0 {
			p.Connected(rapid.SampledFrom(p.connecting).Draw(w.T, "connection"))
		}
	case "failed":
		if len(p.connecting) > 0 {
			ids, ok := p.Failed(rapid.SampledFrom(p.connecting).Draw(w.T, "connection"), true, &w.use)
			if d := cmp.Diff(append([]int32(nil), w.waits[i]...), append([]int32(nil), ids...)); !ok || d != "" {
				w.Fatalf("failed together (-want +got)\n%s", d)
			}
			w.waits[i] = nil
		}
	case "cancel":
		if n := len(w.waits[i]); n > 0 {
			k := rapid.IntRange(0, n-1).Draw(w.T, "stream")
			if !p.Cancel(w.waits[i][k], &w.use) {
				w.Fatalf("stream %d does not wait", w.waits[i][k])
			}
			w.waits[i] = append(w.waits[i][:k:k], w.waits[i][k+1:]...)
		}
	case "done":
		if id, ok := w.stream(i); ok {
			p.Done(id, &w.use)
			delete(w.on, id)
		}
	case "broken":
		if id, ok := w.stream(i); ok {
			for _, id := range p.Broken(id, &w.use) {
				if at, ok := w.on[id]; !ok || at != i {
					w.Fatalf("stream %d is lost in pool %d", id, i)
				}
				delete(w.on, id)
			}
		}
	case "go away":
		p.GoAway(&w.use)
	case "drain":
		p.Drain(&w.use)
	}
	attached, refused := drained(p, w.lim, &w.use)
	for _, id := range attached {
		w.on[id] = i
	}
	if n := len(attached) + len(refused); n > len(w.waits[i]) {
		w.Fatalf("%d left the queue, %d waited", n, len(w.waits[i]))
	} else {
		w.waits[i] = w.waits[i][n:]
	}
	for p.Wanted(w.lim, &w.use) {
		w.next++
		p.Open(w.next, &w.use)
	}
}

// stream is a stream on a connection of the pool.
func (w *streams) stream(i int) (int32, bool) {
	p := &w.pools[i]
	for k := range p.carriers {
		if s := p.carriers[k].streams; len(s) > 0 {
			return rapid.SampledFrom(s).Draw(w.T, "stream"), true
		}
	}
	return 0, false
}

func (w *streams) check() {
	var sum Use
	for i := range w.pools {
		p := &w.pools[i]
		for _, c := range p.carriers {
			if uint32(len(c.streams)) > p.limit || c.draining && len(c.streams) == 0 {
				w.Fatalf("pool %d: a connection %+v, limit %d", i, c, p.limit)
			}
			for _, id := range c.streams {
				if at, ok := w.on[id]; !ok || at != i {
					w.Fatalf("stream %d is in pool %d", id, i)
				}
			}
			sum.Requests += uint32(len(c.streams))
		}
		if d := cmp.Diff(append([]int32(nil), w.waits[i]...), append([]int32(nil), p.pending...)); d != "" {
			w.Fatalf("pool %d: waiting (-want +got)\n%s", i, d)
		}
		if p.ready() >= 0 && p.Pending() > 0 {
			w.Fatalf("pool %d: a stream waits beside a connection with room", i)
		}
		sum.Connections += uint32(len(p.carriers) + len(p.connecting))
		sum.Pending += uint32(p.Pending())
	}
	if sum != w.use || int(sum.Requests) != len(w.on) {
		w.Fatalf("in use: got %+v, want %+v with %d streams", w.use, sum, len(w.on))
	}
}
