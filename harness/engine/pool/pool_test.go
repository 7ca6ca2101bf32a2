package pool

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/xds"
)

func unlimited() *xds.CircuitBreakers {
	return &xds.CircuitBreakers{MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited}
}

// waiting returns a pool in which streams 1 to n wait, each with a connection
// 101 to 100+n on its way.
func waiting(t *testing.T, n int32) (*Pool, *Use) {
	t.Helper()
	p, use, lim := &Pool{}, &Use{}, unlimited()
	for i := int32(1); i <= n; i++ {
		if got := p.NewStream(i, lim, use); got != Queued {
			t.Fatalf("stream %d: got %d, want Queued", i, got)
		}
		if !p.Wanted(lim, use) {
			t.Fatalf("stream %d: no connection is wanted", i)
		}
		p.Open(100+i, use)
	}
	return p, use
}

// Five requests that wait for a host fail together with the first connection that
// fails, oldest first since 1.40, newest first before; the other four connections
// go on (9.5, golden test 12, X64; four of five measured still on their way).
func TestG12FiveFailTogether(t *testing.T) {
	for oldest, want := range map[bool][]int32{true: {1, 2, 3, 4, 5}, false: {5, 4, 3, 2, 1}} {
		p, use := waiting(t, 5)
		ids, ok := p.Failed(103, oldest, use)
		if d := cmp.Diff(want, ids); !ok || d != "" {
			t.Errorf("oldest first %v (-want +got)\n%s", oldest, d)
		}
		if *use != (Use{Connections: 4}) || p.Pending() != 0 {
			t.Errorf("left: %+v, want four connections on their way", *use)
		}
		if _, ok := p.Failed(103, oldest, use); ok {
			t.Error("a connection failed twice")
		}
		if p.NewStream(6, unlimited(), use) != Queued || p.Wanted(unlimited(), use) {
			t.Error("stream 6 waits for one of the others")
		}
		if id, ok := p.Connected(102, use); !ok || id != 6 {
			t.Errorf("a connection that went on took %d, want 6", id)
		}
	}
}

// An ejection closes idle connections, and those on their way if no stream waits;
// while one does, they go on (5.3; measured: four closed, none while three waited).
func TestDrain(t *testing.T) {
	p, use := waiting(t, 2)
	p.Drain(use)
	if *use != (Use{Connections: 2, Pending: 2}) {
		t.Errorf("in use after a drain while two wait: %+v", *use)
	}
	p.Connected(101, use)
	p.Cancel(2, use)
	p.Drain(use)
	if *use != (Use{Connections: 1, Requests: 1}) {
		t.Errorf("in use after a drain while nobody waits: %+v", *use)
	}
	p.Done(true, use)
	p.Drain(use)
	if *use != (Use{}) {
		t.Errorf("an idle connection is left: %+v", *use)
	}
}

// Connections serve the oldest stream first, whichever of them comes up.
func TestConnectedTakesTheOldest(t *testing.T) {
	p, use := waiting(t, 2)
	if id, ok := p.Connected(102, use); !ok || id != 1 {
		t.Errorf("got stream %d, want 1", id)
	}
	if id, ok := p.Done(true, use); !ok || id != 2 {
		t.Errorf("the connection went on with %d, want 2", id)
	}
	if _, ok := p.Connected(101, use); ok {
		t.Error("nobody waits any more")
	}
	if *use != (Use{Connections: 2, Requests: 1}) {
		t.Errorf("in use: %+v", *use)
	}
	if got := p.NewStream(3, unlimited(), use); got != Attached {
		t.Errorf("a connection is idle: got %d, want Attached", got)
	}
}

// A request that is given up leaves its connection on its way: the next one
// queues behind it and opens none (4.2, X08).
func TestX08CancelKeepsTheConnection(t *testing.T) {
	p, use := waiting(t, 1)
	if !p.Cancel(1, use) || p.Cancel(1, use) {
		t.Error("stream 1 can be cancelled once")
	}
	if p.NewStream(2, unlimited(), use) != Queued || p.Wanted(unlimited(), use) {
		t.Error("stream 2 waits for the connection of stream 1")
	}
	ids, ok := p.Failed(101, true, use)
	if d := cmp.Diff([]int32{2}, ids); !ok || d != "" {
		t.Errorf("failed with it (-want +got)\n%s", d)
	}
}

// max_connections: a pool without any connection may open one although the limit
// is reached, one that has one may not (9.4, X07: three hosts, limit 1, three
// connections).
func TestX07MaxConnections(t *testing.T) {
	lim := unlimited()
	lim.MaxConnections = 1
	var use Use
	pools := make([]Pool, 3)
	for i := range pools {
		pools[i].NewStream(int32(i), lim, &use)
		if !pools[i].Wanted(lim, &use) {
			t.Errorf("pool %d is empty and may not connect", i)
		}
		pools[i].Open(int32(100+i), &use)
	}
	if use.Connections != 3 {
		t.Errorf("got %d connections, want 3", use.Connections)
	}
	pools[0].NewStream(9, lim, &use)
	if pools[0].Wanted(lim, &use) {
		t.Error("a second connection over the limit")
	}
}

// The other limits: max_pending_requests 0 refuses every cold request (9.2, X07),
// max_requests the second of two on idle connections (9.3, G18).
func TestLimits(t *testing.T) {
	lim := unlimited()
	lim.MaxPendingRequests = 0
	var p Pool
	var use Use
	if p.NewStream(1, lim, &use) != Refused || use != (Use{}) {
		t.Errorf("max_pending_requests 0: not refused, in use %+v", use)
	}
	two, two2 := waiting(t, 2)
	two.Connected(101, two2)
	two.Connected(102, two2)
	two.Done(true, two2)
	lim = unlimited()
	lim.MaxRequests = 1
	if two.NewStream(3, lim, two2) != Refused {
		t.Error("max_requests 1: the second was admitted")
	}
	two.Done(true, two2)
	if two.NewStream(3, lim, two2) != Attached {
		t.Error("max_requests 1: the first was refused")
	}
}

func TestClone(t *testing.T) {
	p, use := waiting(t, 2)
	c := p.Clone()
	c.Cancel(1, &Use{Pending: 2})
	c.Connected(101, &Use{Pending: 1, Connections: 2})
	if ids, ok := p.Failed(101, true, use); !ok || len(ids) != 2 {
		t.Errorf("a clone shares its queue with the original: %v", ids)
	}
}

// Whatever happens to several pools of a cluster, what is in use is the sum of
// what the pools hold, no stream is lost, and none is attached twice.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lim := &xds.CircuitBreakers{
			MaxConnections:     rapid.Uint32Range(1, 4).Draw(t, "max_connections"),
			MaxPendingRequests: rapid.Uint32Range(0, 4).Draw(t, "max_pending"),
			MaxRequests:        rapid.Uint32Range(1, 6).Draw(t, "max_requests"),
		}
		w := &crowd{T: t, lim: lim, pools: make([]Pool, rapid.IntRange(1, 3).Draw(t, "pools"))}
		w.on, w.queue = make([][]int32, len(w.pools)), make([][]int32, len(w.pools))
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step()
			w.check()
		}
	})
}

// crowd is some pools with a plain record of who should be where.
type crowd struct {
	*rapid.T
	lim       *xds.CircuitBreakers
	pools     []Pool
	use       Use
	on, queue [][]int32 // streams on a connection, and waiting, by pool
	next      int32
}

func (w *crowd) step() {
	i := rapid.IntRange(0, len(w.pools)-1).Draw(w.T, "pool")
	p := &w.pools[i]
	switch rapid.SampledFrom([]string{"new", "new", "new", "connected", "failed", "cancel", "done", "broken", "close idle", "drain", "closed"}).Draw(w.T, "step") {
	case "new":
		w.next++
		switch p.NewStream(w.next, w.lim, &w.use) {
		case Attached:
			w.on[i] = append(w.on[i], w.next)
		case Queued:
			w.queue[i] = append(w.queue[i], w.next)
		case Refused:
		}
	case "connected":
		if len(p.connecting) > 0 {
			id, ok := p.Connected(rapid.SampledFrom(p.connecting).Draw(w.T, "connection"), &w.use)
			w.moved(i, id, ok)
		}
	case "failed":
		if len(p.connecting) > 0 {
			ids, ok := p.Failed(rapid.SampledFrom(p.connecting).Draw(w.T, "connection"), true, &w.use)
			if d := cmp.Diff(append([]int32(nil), w.queue[i]...), append([]int32(nil), ids...)); !ok || d != "" {
				w.Fatalf("failed together (-want +got)\n%s", d)
			}
			w.queue[i] = nil
		}
	case "cancel":
		if n := len(w.queue[i]); n > 0 {
			k := rapid.IntRange(0, n-1).Draw(w.T, "stream")
			if !p.Cancel(w.queue[i][k], &w.use) {
				w.Fatalf("stream %d does not wait", w.queue[i][k])
			}
			w.queue[i] = append(w.queue[i][:k:k], w.queue[i][k+1:]...)
		}
	case "done", "broken":
		if n := len(w.on[i]); n > 0 {
			w.on[i] = w.on[i][1:]
			id, ok := p.Done(rapid.Bool().Draw(w.T, "reuse"), &w.use)
			w.moved(i, id, ok)
		}
	case "close idle":
		p.CloseIdle(&w.use)
	case "drain":
		p.Drain(&w.use)
		if p.idle > 0 || p.Pending() == 0 && len(p.connecting) > 0 {
			w.Fatalf("left after a drain: %+v", *p)
		}
	case "closed":
		if p.idle > 0 {
			p.Closed(&w.use)
		}
	}
	if p.Wanted(w.lim, &w.use) {
		w.next++
		p.Open(w.next, &w.use)
	}
}

// moved is a stream that has got a connection: the one that waited longest.
func (w *crowd) moved(i int, id int32, ok bool) {
	if !ok {
		return
	}
	if len(w.queue[i]) == 0 || w.queue[i][0] != id {
		w.Fatalf("stream %d got a connection; %v wait", id, w.queue[i])
	}
	w.queue[i] = w.queue[i][1:]
	w.on[i] = append(w.on[i], id)
}

func (w *crowd) check() {
	var sum Use
	for i := range w.pools {
		p := &w.pools[i]
		if p.idle < 0 || p.busy != len(w.on[i]) || p.Pending() != len(w.queue[i]) {
			w.Fatalf("pool %d: %+v; want %d busy and %d waiting", i, *p, len(w.on[i]), len(w.queue[i]))
		}
		if p.idle > 0 && p.Pending() > 0 {
			w.Fatalf("pool %d: a stream waits beside an idle connection", i)
		}
		sum.Connections += uint32(p.idle + p.busy + len(p.connecting))
		sum.Pending += uint32(p.Pending())
		sum.Requests += uint32(p.busy)
	}
	if sum != w.use {
		w.Fatalf("in use: got %+v, want %+v", w.use, sum)
	}
}
