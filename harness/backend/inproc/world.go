package inproc

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/des"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// world is all that the proxies of one drill decide with. It is the engine's
// world with sockets for connections and the wall clock for time: whoever has
// news - a connection, a client, a timer - takes the lock and decides.
type world struct {
	s      *schedule.Schedule
	sink   backend.Sink
	net    *network
	origin time.Time

	dialing context.Context // of all connections; ends with the drill
	running sync.WaitGroup  // connections, requests and the timer

	mu       sync.Mutex // guards what follows, and all clusters, connections and requests
	now      int64      // nanoseconds since the origin, as of the latest lock
	over     bool       // the drill's time is up: answers may still come, but decide nothing
	stopped  bool       // no request is accepted any more, nothing is recorded
	ch       engine.Chooser
	proxies  []*proxy
	names    engine.Names
	answered map[int]bool // steps whose DNS fault a look-up has met
	timed    []*cluster   // the clusters that act by themselves
	next     int64        // when one of them does
	hosts    []trace.Host
	streams  map[int32]*request
	conns    map[*conn]bool  // whose goroutines run
	ids      int32           // of streams and connections
	left     map[int32]int32 // by upstream that went away: connections up to this one are used no more

	timers   des.Queue[timer]
	sleeping int64 // until when the timers sleep
	wake     chan struct{}
}

// never is later than any drill.
const never = math.MaxInt64

// timer is something that a request waits for.
type timer struct {
	kind timerKind
	rq   *request
	n    int32 // the attempt that it was set for
}

type timerKind uint8

const (
	retryTimer timerKind = iota
	routeTimer
	tryTimer
)

func newWorld(s *schedule.Schedule, sink backend.Sink, n *network) *world {
	return &world{
		s: s, sink: sink, net: n, names: engine.NewNames(s), answered: map[int]bool{}, ch: engine.NewChooser(s.Seed), next: never, sleeping: never,
		streams: map[int32]*request{}, conns: map[*conn]bool{}, left: map[int32]int32{}, wake: make(chan struct{}, 1),
	}
}

// lock begins a decision: it takes the time and lets the clusters do what was
// due before it.
func (w *world) lock() {
	w.mu.Lock()
	if w.origin.IsZero() {
		return // not begun
	}
	w.now = max(w.now, int64(time.Since(w.origin)))
	end := int64(w.s.Duration)
	w.settle(min(w.now, end))
	w.over = w.now > end
}

func (w *world) unlock() { w.mu.Unlock() }

// settle lets every cluster do what is due, in the order of time over all of them.
func (w *world) settle(now int64) {
	for w.next <= now {
		var first *cluster
		at := int64(never)
		for _, c := range w.timed {
			if t := c.next(); t < at {
				first, at = c, t
			}
		}
		w.next = at
		if at <= now {
			w.act(first, at)
		}
	}
}

// due is called when a cluster may have something to do earlier than before.
func (w *world) due(c *cluster) {
	if t := c.next(); t < w.next && !c.retired {
		w.next = t
		w.wakeBefore(t)
	}
}

// after sets a timer for the request's current attempt.
func (w *world) after(d int64, k timerKind, rq *request) {
	w.timers.Push(w.now+d, timer{k, rq, rq.attempts})
	w.wakeBefore(w.now + d)
}

func (w *world) wakeBefore(at int64) {
	if at >= w.sleeping {
		return
	}
	select {
	case w.wake <- struct{}{}:
	default: // it is about to wake up already
	}
}

// run is the goroutine of all timers and interval ticks.
func (w *world) run(ctx context.Context) {
	sleep := time.NewTimer(0)
	defer sleep.Stop()
	for {
		w.lock()
		for w.timers.Len() > 0 && w.timers.Peek() <= w.now {
			_, t := w.timers.Pop()
			w.expired(t)
		}
		until := w.next
		if w.over {
			until = never // clusters have stopped
		}
		if w.timers.Len() > 0 {
			until = min(until, w.timers.Peek())
		}
		w.sleeping = until
		sleep.Reset(time.Duration(min(until-w.now, int64(time.Hour))))
		w.unlock()
		select {
		case <-sleep.C:
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (w *world) expired(t timer) {
	rq := t.rq
	switch {
	case rq.ended:
	case t.kind == routeTimer:
		w.routeTimeout(rq)
	case t.n != rq.attempts:
	case t.kind == retryTimer && rq.stage == idle:
		w.attempt(rq)
	case t.kind == tryTimer && rq.stage == attached:
		w.tryTimeout(rq)
	}
}

// emit hands an event to the sink in the order in which things were decided.
func (w *world) emit(e trace.Event) {
	if !w.stopped {
		w.sink.Event(e)
	}
}

// hangUp closes every connection, so that nobody waits for one.
func (w *world) hangUp() {
	w.lock()
	defer w.unlock()
	for cn := range w.conns {
		cn.hangUp()
	}
}
