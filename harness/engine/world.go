package engine

import (
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/engine/des"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// world is a drill in virtual time.
type world struct {
	s      *schedule.Schedule
	ch     Chooser
	delays Delays
	now    int64
	q      des.Queue[event]
	tr     *trace.Trace
	emit   func(trace.Event) error // takes the trace in parts; nil: it is kept
	broken error                   // of emit
	ended  int                     // requests since the last part
	log    func(outlier.LogLine)   // nil: nobody reads it
	origin time.Time

	proxies   []proxy
	upstreams []upstream
	clients   []client
	nextDue   int32 // the client whose request is due first
	lookUps   lookUps

	inFlight int // requests of all clients

	reqs      []request // slots that are used again
	free      []int32
	conns     []connecting // likewise
	freeConns []int32
	opened    int  // connections so far
	over      bool // the time is up: nothing new is sent
}

// connecting is a connection on its way to a host.
type connecting struct {
	c    *clusterState
	host int32
	gen  uint32 // of the slot; a late event has an older one
	held bool   // its server stands still, and it waits for TLS
}

// client is the state of one open loop.
type client struct {
	sent     int     // how many are due so far
	next     int64   // when the next one is due; never: there is none
	ticket   uint64  // its place among the events of that instant
	inFlight int     // at most Load.Concurrency
	waiting  []int32 // numbers of requests that are due and have to wait
	patience patience
}

// patience is how long a client waits for answers: as long for every request,
// so that those which were sent first give up first, and one event a client is
// enough.
type patience struct {
	queue []deadline
	armed bool
}

type deadline struct {
	at  int64
	i   int32 // request slot
	gen uint32
}

type eventKind uint8

const (
	evStep eventKind = iota
	evOver
	evLookUp
	evObserve // and what is before it belong to the drill, the rest to requests
	evConnect
	evConnectTimeout
	evResponse
	evRetry
	evRouteTimeout
	evTryTimeout
	evClientTimeout
	evBodyEnd
)

// event is something that happens to a step, an observation, a client, a
// connection or a request; which, depends on the kind. A request's slot is used
// again, so that gen tells a late event from one that is meant, and attempt
// tells one of an attempt that is over. It is small because it is copied often.
type event struct {
	kind    eventKind
	i       int32 // step, upstream whose fault is over, observation, cluster that looks up, client, or slot of the connection or request
	attempt int32
	gen     uint32
}

// Predict plays the schedule in virtual time: the trace that a proxy of its
// profile would make, with its requests packed. The same schedule gives the
// same trace.
func Predict(s *schedule.Schedule) *trace.Trace {
	return predict(s, DefaultDelays)
}

// Play is Predict for callers that index requests and attempts.
func Play(s *schedule.Schedule) *trace.Trace {
	return PlayWith(s, DefaultDelays)
}

// PlayLogged is Play that also says what Envoy's event log would, line by line; a
// line belongs to one of the clusters, which say in turn what they did. origin is
// the time of day at the start of the drill.
func PlayLogged(s *schedule.Schedule, origin time.Time, log func(outlier.LogLine)) *trace.Trace {
	w := newWorld(s, DefaultDelays)
	w.log, w.origin = log, origin
	w.play(func() {})
	return w.tr.Unpack()
}

// PlayWith is Play with other thread delays.
func PlayWith(s *schedule.Schedule, d Delays) *trace.Trace {
	return predict(s, d).Unpack()
}

// Stream plays the schedule like Predict, and hands over what happens in parts,
// so that a drill of any length needs the same room. The parts, one after the
// other, are Predict's trace; within a part the events come kind by kind, as
// trace.Events has them. An error of emit ends the drill.
func Stream(s *schedule.Schedule, emit func(trace.Event) error) error {
	w := newWorld(s, DefaultDelays)
	w.emit = emit
	w.play(func() {})
	w.handOver()
	return w.broken
}

func predict(s *schedule.Schedule, d Delays) *trace.Trace {
	w := newWorld(s, d)
	w.play(func() {})
	return w.tr
}

func newWorld(s *schedule.Schedule, d Delays) *world {
	return &world{s: s, ch: NewChooser(s.Seed), delays: d, tr: &trace.Trace{Run: RunOf(s, "model")}}
}

// play plays the drill to its end. Requests that are in flight when the time is
// up are waited for, as every backend does; their own timeouts bound that.
// observed is called after each observation.
func (w *world) play(observed func()) {
	w.start()
	end := int64(w.s.Duration)
	for w.broken == nil {
		if w.ended >= part {
			w.handOver()
		}
		if w.dueNext(end) {
			continue
		}
		if w.q.Len() == 0 || w.q.Peek() > end && w.inFlight == 0 {
			break
		}
		at, e := w.q.Pop()
		w.now = at
		w.handle(e)
		if e.kind == evObserve {
			observed()
		}
	}
	w.finish()
}

// RunOf is the head of a trace of the schedule.
func RunOf(s *schedule.Schedule, backend string) trace.Run {
	r := trace.Run{
		Schema: trace.Schema, Scenario: s.Name, Backend: backend, Istio: s.Profile.Istio, Envoy: s.Profile.Envoy,
		Seed: s.Seed, Scale: s.Scale, Duration: s.Duration, Clients: []string{}, Upstreams: []string{},
	}
	for _, c := range s.Clients {
		r.Clients = append(r.Clients, c.Name)
	}
	for _, u := range s.Upstreams {
		r.Upstreams = append(r.Upstreams, u.Name)
	}
	return r
}

func (w *world) start() {
	s := w.s
	w.upstreams = make([]upstream, len(s.Upstreams))
	for i := range s.Upstreams {
		w.upstreams[i].def = &s.Upstreams[i]
	}
	w.lookUps.names = NewNames(s)
	w.proxies = make([]proxy, len(s.Clients))
	w.clients = make([]client, len(s.Clients))
	for i := range s.Clients {
		w.configure(int32(i), &s.Configs[0][i], 0)
	}
	// At one instant a step comes first, then the observation, then requests.
	for i := range s.Steps {
		w.q.Push(int64(s.Steps[i].At), event{kind: evStep, i: int32(i)})
	}
	for i, at := range s.Observe {
		w.q.Push(int64(at), event{kind: evObserve, i: int32(i)})
	}
	for i := range s.Clients {
		w.arm(int32(i))
	}
}

// dueNext sends the next request if its turn is before the queue's.
func (w *world) dueNext(end int64) bool {
	if len(w.clients) == 0 {
		return false
	}
	c := &w.clients[w.nextDue]
	if c.next > end || !w.q.Before(c.next, c.ticket) {
		return false
	}
	w.now = c.next
	w.due(w.nextDue)
	return true
}

// arm sets when the next request of a client is due, and finds the client that
// comes next. What is due is kept beside the queue: it comes in order, and is
// half of all events.
func (w *world) arm(client int32) {
	cl, l := &w.clients[client], &w.s.Clients[client].Load
	cl.next = never
	if cl.sent < l.Count {
		cl.next, cl.ticket = int64(l.Due(cl.sent)), w.q.Ticket()
	}
	w.nextDue = 0
	for i := 1; i < len(w.clients); i++ {
		if c, first := &w.clients[i], &w.clients[w.nextDue]; c.next < first.next || c.next == first.next && c.ticket < first.ticket {
			w.nextDue = int32(i)
		}
	}
}

func (w *world) handle(e event) {
	if e.kind <= evObserve && w.now > int64(w.s.Duration) {
		return // while the last requests are waited for, the drill does not go on
	}
	switch e.kind {
	case evStep:
		w.step(int(e.i))
	case evOver:
		w.goOn(e.i)
	case evObserve:
		w.observe()
	case evLookUp:
		w.lookUps.due(w, e.i)
	case evConnect:
		if w.conns[e.i].gen == e.gen {
			w.connected(e.i)
		}
	case evClientTimeout:
		w.impatient(e.i)
	case evConnectTimeout:
		if w.conns[e.i].gen == e.gen {
			w.connectFailed(e.i, trace.ConnectTimeout, "")
		}
	default:
		if r := &w.reqs[e.i]; r.gen == e.gen {
			w.requestEvent(e, r)
		}
	}
}

func (w *world) requestEvent(e event, r *request) {
	if e.attempt != r.attempts && (e.kind == evResponse || e.kind == evTryTimeout) {
		return
	}
	switch e.kind {
	case evResponse:
		w.response(e.i, r)
	case evRetry:
		w.attempt(e.i)
	case evTryTimeout:
		w.tryTimeout(e.i, r)
	case evRouteTimeout:
		w.routeTimeout(e.i, r)
	case evBodyEnd:
		w.bodyEnd(e.i, r)
	}
}

// step carries out one entry of the timeline.
func (w *world) step(i int) {
	st := &w.s.Steps[i]
	e := trace.Step{
		At: st.At, Index: int32(i), Kind: st.Kind, Name: st.Name, Upstream: -1, Done: st.At,
		Witness: "virtual time", Witnessed: st.At,
	}
	w.advanceAll()
	w.lookUps.names.Step(i)
	switch st.Kind {
	case schedule.KindConfig:
		for c := range w.proxies {
			w.configure(int32(c), &w.s.Configs[st.Config][c], w.now)
		}
	case schedule.KindFault:
		e.Upstream = st.Fault.Upstream
		if st.Fault.IsDNS() {
			break
		}
		u := &w.upstreams[st.Fault.Upstream]
		u.faults = append(u.faults, &fault{Fault: st.Fault, since: w.now})
		w.begun(st.Fault)
	case schedule.KindHeal:
		if e.Upstream = w.heal(st.Heal); e.Upstream < 0 {
			e.Upstream = healed(w.s, i)
		}
	}
	if f := st.Fault; f != nil && f.IsDNS() {
		w.lookUps.begun(w, e)
		return
	}
	w.tr.Add(e)
}

func (w *world) heal(name string) int32 {
	for i := range w.upstreams {
		u := &w.upstreams[i]
		n := len(u.faults)
		u.faults = slices.DeleteFunc(u.faults, func(f *fault) bool { return f.Name == name })
		if len(u.faults) < n {
			w.goOn(int32(i))
			return int32(i)
		}
	}
	return -1
}

// begun is what a fault does to the connections that are there.
func (w *world) begun(f *schedule.Fault) {
	switch {
	case f.Holds():
		w.hold(f)
		if f.For > 0 {
			w.q.Push(w.now+int64(f.For), event{kind: evOver, i: f.Upstream})
		}
	case f.Behaviour == schedule.Stop:
		w.closeIdle(f.Upstream)
		w.breakOff(f.Upstream)
	case f.Behaviour == schedule.Refuse || f.Behaviour == schedule.Blackhole || f.Behaviour == schedule.TLSFault:
		w.closeIdle(f.Upstream)
	}
}

// closeIdle closes every idle connection to an upstream, as a server that goes
// away does.
func (w *world) closeIdle(u int32) {
	for i := range w.proxies {
		for _, c := range w.proxies[i].clusters {
			for h := range c.hosts {
				if c.hosts[h].Upstream == u {
					c.leave(int32(h))
				}
			}
		}
	}
}

// advanceAll lets every cluster do what is due, in the order of the configuration.
func (w *world) advanceAll() {
	for i := range w.proxies {
		p := &w.proxies[i]
		for j := range p.config.Clusters {
			w.advance(p.clusters[p.config.Clusters[j].Name])
		}
	}
}

func (w *world) observe() {
	w.advanceAll()
	e := trace.Endpoints{At: trace.Sec(w.now)}
	for i := range w.proxies {
		p := &w.proxies[i]
		for j := range p.config.Clusters {
			c := p.clusters[p.config.Clusters[j].Name]
			for h := range c.hosts {
				if c.Gone(int32(h)) {
					continue
				}
				e.Rows = append(e.Rows, c.Row(int32(i), int32(h)))
			}
		}
	}
	w.tr.Add(e)
}

// finish ends the drill. What is still open has no timeout and gets no answer.
func (w *world) finish() {
	w.now = max(w.now, int64(w.s.Duration))
	w.over = true
	w.advanceAll()
	for i := range w.reqs {
		if r := &w.reqs[i]; r.open {
			if r.stage == pending || r.stage == attached {
				w.record(r, trace.Cancelled, 0, false)
			}
			w.end(int32(i), r, 0, NoHost, "unanswered at the end of the drill")
		}
	}
	for i := range w.clients {
		w.neverSent(int32(i))
	}
	for _, e := range w.lookUps.unseen {
		e.Witness, e.Witnessed = "", 0
		w.tr.Add(e)
	}
	w.tr.Add(trace.End{At: w.s.Duration})
	w.tr.Sort()
}

// part is how many requests end between two parts of a trace.
const part = 1 << 16

// handOver ends a part. Clusters act by themselves between requests; here they
// catch up, so that no later part has anything that came before.
func (w *world) handOver() {
	w.ended = 0
	w.advanceAll()
	if w.emit != nil && w.broken == nil {
		w.tr.Sort()
		w.broken = w.tr.Drain(w.emit)
	}
}

// neverSent records what was due and still waited for an earlier request of its client.
func (w *world) neverSent(client int32) {
	for _, n := range w.clients[client].waiting {
		w.tr.Requests = append(w.tr.Requests, trace.Request{
			At: w.s.Clients[client].Load.Due(int(n)), Sent: trace.Sec(w.now), Done: trace.Sec(w.now), Client: client, N: n,
			Host: -1, Upstream: -1, Error: "not sent before the end of the drill",
		})
	}
}
