package engine

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/pool"
	"github.com/faildrill/faildrill/harness/engine/retry"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// request is one request with its current attempt.
type request struct {
	open   bool
	gen    uint32 // of the slot; a late event has an older one
	client int32
	n      int32
	due    int64
	sent   int64
	route  *xds.Route
	c      *clusterState
	retry  retry.State
	tried  []int32
	kept   Kept
	holds  bool // the retry breaker
	flags  trace.Flags

	attempts int32
	host     int32
	at       int64  // when the attempt's host was picked
	drains   uint32 // of the host, when the attempt got its connection
	stage    stage
	answer   answer
	reason   string // why it fails; told once, by record
}

// brokeOff is what the client sees of an answer that does not end.
const brokeOff = "the answer broke off"

// stage is where an attempt stands.
type stage uint8

const (
	idle     stage = iota // between attempts
	pending               // waits for a connection
	attached              // sent
	body                  // headers came
)

// due starts the next request of a client, and arms the one after it.
func (w *world) due(client int32) {
	l := &w.s.Clients[client].Load
	cl := &w.clients[client]
	n := int32(cl.sent)
	cl.sent++
	w.arm(client)
	if l.Concurrency > 0 && cl.inFlight >= l.Concurrency {
		cl.waiting = append(cl.waiting, n)
		return
	}
	w.send(client, n)
}

func (w *world) slot() int32 {
	if n := len(w.free); n > 0 {
		i := w.free[n-1]
		w.free = w.free[:n-1]
		return i
	}
	w.reqs = append(w.reqs, request{})
	return int32(len(w.reqs) - 1)
}

// Rule: RuleUnknownClusters.
func (w *world) send(client, n int32) {
	l := &w.s.Clients[client].Load
	w.clients[client].inFlight++
	w.inFlight++
	i := w.slot()
	p := &w.proxies[client]
	r := &w.reqs[i]
	// Field by field: the slot is large, and most of it belongs to one attempt.
	r.open, r.gen, r.client, r.n = true, r.gen+1, client, n
	r.due, r.sent, r.tried = int64(l.Due(int(n))), w.now, r.tried[:0]
	r.kept = Kept{}
	r.attempts, r.host, r.flags, r.holds, r.stage = 0, NoHost, 0, false, idle
	r.route, r.c = p.route, nil
	if r.route == nil {
		r.flags = trace.FlagNR
		w.end(i, r, 404, NoHost, "")
		return
	}
	if r.c = p.cluster; r.c == nil {
		r.flags = trace.FlagNC
		w.end(i, r, 503, NoHost, "")
		return
	}
	r.retry = retry.Start(r.route.Retry)
	if l.Timeout > 0 {
		w.waits(client, w.now+int64(l.Timeout), i, r)
	}
	if r.route.Timeout > 0 {
		w.after(int64(r.route.Timeout), evRouteTimeout, i, r)
	}
	w.attempt(i)
}

// after sets a timer of the request, or of its current attempt.
func (w *world) after(d int64, k eventKind, i int32, r *request) {
	w.q.Push(w.now+d, event{kind: k, i: i, gen: r.gen, attempt: r.attempts})
}

// attempt picks a host and gets a connection to it.
//
// Rule: RuleNoHost.
func (w *world) attempt(i int32) {
	r := &w.reqs[i]
	if r.attempts > 0 {
		w.lookUp(r)
	}
	if r.c == nil {
		r.flags |= trace.FlagUH
		w.end(i, r, 503, NoHost, "")
		return
	}
	w.advance(r.c)
	h := r.c.PickAgain(r.tried, r.route.Retry, &r.kept, &w.ch)
	r.attempts++
	r.at = w.now
	r.host = h
	if h == NoHost {
		r.attempts--
		r.flags |= trace.FlagUH
		w.end(i, r, 503, NoHost, "")
		return
	}
	r.tried = append(r.tried, h)
	if r.c.left != nil {
		h = r.c.connectedTo(h)
		r.host = h
	}
	switch r.c.newStream(h, i) {
	case pool.Attached:
		w.attach(i)
	case pool.Queued:
		r.stage = pending
		if r.c.wanted(h) {
			w.open(r.c, h)
		}
	case pool.Refused:
		w.overflow(i, r)
	}
}

// lookUp finds the cluster again for a retry: it may have been replaced, and
// then no host of the new one was tried, or have gone.
//
// Rule: RuleRetryFindsCluster.
func (w *world) lookUp(r *request) {
	c := w.proxies[r.client].clusters[r.route.Cluster]
	if c == r.c {
		return
	}
	w.holdRetry(r, false)
	r.c, r.tried = c, r.tried[:0]
}

// overflow is a circuit breaker's answer: never retried, never charged.
//
// Rule: RuleOverflowNotCharged.
func (w *world) overflow(i int32, r *request) {
	w.record(r, trace.Overflow, 0, false)
	r.flags |= trace.FlagUO
	w.end(i, r, 503, NoHost, "")
}

// open starts a connection to the host.
//
// Rule: RuleConnectTimeout.
func (w *world) open(c *clusterState, h int32) {
	conn := w.connSlot()
	w.opened++
	k := &w.conns[conn]
	k.c, k.host, k.held, k.gen = c, h, false, k.gen+1
	c.opens(h, conn)
	host := &c.hosts[h]
	e := event{kind: evConnect, i: conn, gen: k.gen}
	meets := w.upstreamOf(host).connect(w.now, host.Port)
	if meets == reachable && c.cfg.TLS.For(host.TLSMode) != nil && w.upstreamOf(host).holds(w.now, host.Port) {
		// The kernel accepts it, and nobody answers the hello.
		k.held, meets = true, silent
	}
	switch meets {
	case silent:
		e.kind = evConnectTimeout
		w.q.Push(w.now+int64(c.cfg.ConnectTimeout), e)
	default:
		// Whether it is refused shows when the packet arrives.
		latency := int64(connectLatency)
		if c.cfg.TLS.For(host.TLSMode) != nil {
			latency *= 2 // another round trip
		}
		w.q.Push(w.now+min(latency, int64(c.cfg.ConnectTimeout)), e)
	}
}

func (w *world) upstreamOf(h *Host) *upstream {
	if h.Upstream < 0 {
		return nil
	}
	return &w.upstreams[h.Upstream]
}

// connSlot is a free number for a connection. It is in use until the answer to
// the connect, or its timeout: exactly one of them comes.
func (w *world) connSlot() int32 {
	if n := len(w.freeConns); n > 0 {
		i := w.freeConns[n-1]
		w.freeConns = w.freeConns[:n-1]
		return i
	}
	w.conns = append(w.conns, connecting{})
	return int32(len(w.conns) - 1)
}

// connected is the answer to a connect: established or refused. A handshake that
// fails is a connect that failed.
//
// Rule: RuleTLSFailure.
func (w *world) connected(conn int32) {
	c, h := w.conns[conn].c, w.conns[conn].host
	host := &c.hosts[h]
	if w.upstreamOf(host).connect(w.now, host.Port) == refuses {
		w.connectFailed(conn, trace.Refused, "")
		return
	}
	if c.tls {
		if o := w.handshake(c, host); !o.Connects() {
			w.connectFailed(conn, trace.Refused, o.Reason())
			return
		}
	}
	w.freeConns = append(w.freeConns, conn)
	c.carried[h] = 0
	if c.http2 != nil {
		if c.http2[h].Connected(conn) {
			w.readyHTTP2(c, h)
		}
		return
	}
	i, ok := c.pools[h].Connected(conn, &c.use)
	w.ready(c, h, i, ok)
}

// ready sends a stream that has waited for a connection - unless it would
// exceed max_requests: then it is refused like one that did not wait, and the
// next one gets the connection.
//
// Rule: RuleMaxRequests.
func (w *world) ready(c *clusterState, h, i int32, ok bool) {
	for ok {
		if c.use.Requests <= c.cfg.CircuitBreakers.MaxRequests {
			w.attach(i)
			return
		}
		next, more := c.pools[h].Done(true, &c.use)
		w.reqs[i].stage = idle
		w.overflow(i, &w.reqs[i])
		i, ok = next, more
	}
}

// connectFailed fails everything that waits for the host.
//
// Rule: RuleFailTogether.
func (w *world) connectFailed(conn int32, res trace.Result, reason string) {
	c, h := w.conns[conn].c, w.conns[conn].host
	w.conns[conn].held = false
	w.freeConns = append(w.freeConns, conn)
	ids, ok := c.connectFailed(h, conn, w.s.Profile.Rules.PendingFailOldestFirst)
	if !ok {
		return
	}
	for k, i := range ids {
		r := &w.reqs[i]
		r.stage, r.reason = idle, reason
		c.use.Failing = uint32(len(ids) - k)
		w.failed(i, r, res, outlier.ConnectFailed, retry.ConnectFailure, trace.FlagUF)
	}
	c.use.Failing = 0
}

// attach sends the request on a connection.
func (w *world) attach(i int32) {
	r := &w.reqs[i]
	w.advance(r.c)
	r.stage = attached
	r.drains = r.c.drains[r.host]
	r.c.Begin(r.host)
	if r.c.splits {
		w.charge(r, outlier.ConnectSuccess, 0)
	}
	w.serve(i, r, 0)
	r.c.carried[r.host]++
	if p := r.route.Retry; p != nil && p.PerTryTimeout > 0 {
		w.after(int64(p.PerTryTimeout), evTryTimeout, i, r)
	}
}

// serve is the upstream's part of an attempt, which it hears of after a while: the
// answer comes later, if one does.
func (w *world) serve(i int32, r *request, heard int64) {
	host := &r.c.hosts[r.host]
	var after int64
	if !r.c.tls || w.admitted(r, host) {
		after = w.upstreamOf(host).serve(w.now, host.Port, &w.s.Clients[r.client].Load, r.c.carried[r.host], &w.ch, &r.answer)
	} else {
		after = connectLatency
	}
	if !r.answer.never {
		w.after(heard+after, evResponse, i, r)
	}
}

// charge tells outlier detection. It reports whether the host was blamed.
//
// Rule: RuleRetiredNotCharged.
func (w *world) charge(r *request, res outlier.Result, code int) bool {
	c := r.c
	if c.retired || !c.watched {
		return false
	}
	c.Report(w.now, r.host, res, code, &w.ch, func(ch Change) { w.changed(c, ch) })
	return res == outlier.RequestFailed || res == outlier.ConnectFailed || res == outlier.Timeout
}

// response is the moment at which headers arrive, or the connection breaks.
func (w *world) response(i int32, r *request) {
	if r.stage != attached || r.isHeld() {
		return
	}
	w.advance(r.c)
	if r.answer.reset && r.c.http2 != nil {
		w.connectionLost(i)
		return
	}
	if r.answer.reset {
		w.release(i, r, false)
		w.failed(i, r, trace.Reset, outlier.ConnectFailed, retry.ResetFailure, trace.FlagUC)
		return
	}
	res := outlier.RequestSuccess
	if r.answer.status >= 500 {
		res = outlier.RequestFailed
	}
	charged := w.charge(r, res, int(r.answer.status))
	decision := w.again(r, retry.Response)
	if decision == retry.No && r.attempts == 1 && r.flags == 0 && r.answer.body == 0 && !r.answer.noEnd && r.at == r.sent {
		w.exchange(i, r, charged)
		return
	}
	w.record(r, trace.Answered, r.answer.status, charged)
	switch decision {
	case retry.Again:
		w.release(i, r, true)
		w.backOff(i, r)
		return
	case retry.Exhausted:
		r.flags |= trace.FlagURX
	case retry.No:
	}
	r.stage = body
	switch {
	case r.answer.noEnd:
	case r.answer.body == 0:
		w.bodyEnd(i, r)
	default:
		w.after(r.answer.body, evBodyEnd, i, r)
	}
}

// exchange ends a request that its first attempt has answered, whole.
func (w *world) exchange(i int32, r *request, charged bool) {
	host := r.host
	w.release(i, r, true)
	w.tr.Exchange(trace.Sec(r.due), trace.Sec(r.sent), trace.Sec(w.now), r.client, r.n, r.c.hosts[host].Trace, r.answer.status, charged)
	w.finished(i, r)
}

// bodyEnd is the end of the answer.
func (w *world) bodyEnd(i int32, r *request) {
	if r.stage != body || r.isHeld() {
		return
	}
	host := r.host
	w.release(i, r, true)
	w.end(i, r, r.answer.status, host, "")
}

// again decides about a retry after the attempt was charged. A retry that the
// breaker refuses ends in UO.
//
// Rule: RuleRetryBreaker.
func (w *world) again(r *request, f retry.Failure) retry.Decision {
	w.holdRetry(r, false)
	d := r.retry.Decide(f, int(r.answer.status))
	if d != retry.Again {
		return d
	}
	if r.c.retries >= r.c.use.Retries(&r.c.cfg.CircuitBreakers) {
		r.flags |= trace.FlagUO
		return retry.No
	}
	w.holdRetry(r, true)
	return retry.Again
}

func (w *world) holdRetry(r *request, hold bool) {
	if r.holds == hold {
		return
	}
	r.holds = hold
	if hold {
		r.c.retries++
	} else {
		r.c.retries--
	}
}

func (w *world) backOff(i int32, r *request) {
	r.stage = idle
	p := r.route.Retry
	win := retry.Window(p, r.retry.Retries())
	wait := int64(0)
	if win > 0 {
		wait = int64(retry.BackOff(p, r.retry.Retries(), w.ch.Uniform(DrawBackOff, uint64(win))))
	}
	w.after(wait, evRetry, i, r)
}

// failed ends an attempt that got no answer: charged first, then decided.
//
// Rule: RuleChargeThenRetry, RuleFailureReplies.
func (w *world) failed(i int32, r *request, res trace.Result, od outlier.Result, f retry.Failure, flag trace.Flags) {
	w.advance(r.c)
	charged := w.charge(r, od, 0)
	w.record(r, res, 0, charged)
	switch w.again(r, f) {
	case retry.Again:
		w.backOff(i, r)
		return
	case retry.Exhausted:
		r.flags |= trace.FlagURX
	case retry.No:
	}
	status := int32(503)
	if f == retry.PerTryTimeout {
		status = 504
	}
	r.flags |= flag
	w.end(i, r, status, NoHost, "")
}

// tryTimeout ends an attempt that has a connection and no answer; it does not
// run while a connection is waited for.
//
// Rule: RulePerTryTimeout, RuleTimeoutCharged.
func (w *world) tryTimeout(i int32, r *request) {
	if r.stage != attached {
		return
	}
	w.release(i, r, false)
	w.failed(i, r, trace.PerTryTimeout, outlier.Timeout, retry.PerTryTimeout, trace.FlagUT)
}

// routeTimeout ends the request. A host is charged only if the attempt had a
// connection and no headers yet; an attempt that waits for a connection has no
// host to charge.
//
// Rule: RuleRouteTimeout, RuleTimeoutCharged, RulePendingNotCharged.
func (w *world) routeTimeout(i int32, r *request) {
	r.flags |= trace.FlagUT
	switch r.stage {
	case attached:
		w.advance(r.c)
		charged := w.charge(r, outlier.Timeout, 0)
		w.release(i, r, false)
		w.record(r, trace.Timeout, 0, charged)
	case pending:
		r.c.cancel(r.host, i)
		w.record(r, trace.Cancelled, 0, false)
	case body:
		w.release(i, r, false)
		w.end(i, r, 0, NoHost, brokeOff)
		return
	case idle:
	}
	w.end(i, r, 504, NoHost, "")
}

// waits notes when the client gives a request up.
func (w *world) waits(client int32, at int64, i int32, r *request) {
	p := &w.clients[client].patience
	if len(p.queue) == cap(p.queue) {
		// Most have been answered long since; those need no room.
		p.queue = slices.DeleteFunc(p.queue, func(d deadline) bool { return w.reqs[d.i].gen != d.gen })
	}
	p.queue = append(p.queue, deadline{at, i, r.gen})
	if !p.armed {
		p.armed = true
		w.q.Push(at, event{kind: evClientTimeout, i: client})
	}
}

// impatient gives up the requests of a client whose time is up. Those that have
// ended meanwhile are dropped.
func (w *world) impatient(client int32) {
	p := &w.clients[client].patience
	for len(p.queue) > 0 {
		d := p.queue[0]
		ended := w.reqs[d.i].gen != d.gen
		if !ended && d.at > w.now {
			break
		}
		p.queue = p.queue[1:]
		if !ended {
			w.clientTimeout(d.i, &w.reqs[d.i]) // which may send one that has waited
		}
	}
	p.armed = len(p.queue) > 0
	if p.armed {
		w.q.Push(p.queue[0].at, event{kind: evClientTimeout, i: client})
	}
}

// clientTimeout is the client that goes away: nobody is charged.
func (w *world) clientTimeout(i int32, r *request) {
	switch r.stage {
	case attached:
		w.release(i, r, false)
		w.record(r, trace.Cancelled, 0, false)
	case body:
		w.release(i, r, false)
	case pending:
		r.c.cancel(r.host, i)
		w.record(r, trace.Cancelled, 0, false)
	case idle:
	}
	r.flags |= trace.FlagDC
	w.end(i, r, 0, NoHost, "timeout")
}

// release gives the connection back, or closes it, and lets a waiting stream
// have it. One that carries several streams stays in any case.
func (w *world) release(i int32, r *request, reuse bool) {
	r.stage = idle
	c, h := r.c, r.host
	c.End(h)
	if c.http2 != nil {
		c.http2[h].Done(i, &c.use)
		w.readyHTTP2(c, h)
		if c.wanted(h) {
			w.open(c, h)
		}
		return
	}
	// An ejection drains the connections of its moment; later ones stay.
	reuse = reuse && !c.retired && !c.Removed(h) && r.drains == c.drains[h]
	next, ok := c.pools[h].Done(reuse, &c.use)
	if ok {
		w.ready(c, h, next, ok)
	}
	if c.use.Pending > 0 && c.wanted(h) {
		w.open(c, h)
	}
}

func (w *world) record(r *request, res trace.Result, status int32, charged bool) {
	w.tr.Attempts = append(w.tr.Attempts, trace.Attempt{
		At: trace.Sec(r.at), Done: trace.Sec(w.now), Client: r.client, Request: r.n, N: r.attempts,
		Host: r.c.hosts[r.host].Trace, Status: status, Result: res, Charged: charged, Reason: r.reason,
	})
	r.reason = ""
}

// end is the answer that the client gets; host is whose it is.
func (w *world) end(i int32, r *request, status, host int32, problem string) {
	t := trace.Request{
		At: trace.Sec(r.due), Sent: trace.Sec(r.sent), Done: trace.Sec(w.now), Client: r.client, N: r.n,
		Status: status, Host: -1, Upstream: -1, Attempts: r.attempts, Flags: r.flags, Error: problem,
	}
	if host != NoHost {
		t.Host, t.Upstream = r.c.hosts[host].Trace, r.c.hosts[host].Upstream
	}
	w.tr.Requests = append(w.tr.Requests, t)
	w.finished(i, r)
}

// finished frees the slot of a request, and sends one that has waited for it.
func (w *world) finished(i int32, r *request) {
	w.ended++
	if r.c != nil {
		w.holdRetry(r, false)
	}
	r.open = false
	r.gen++
	client := r.client
	w.free = append(w.free, i)
	cl := &w.clients[client]
	cl.inFlight--
	w.inFlight--
	if len(cl.waiting) > 0 && !w.over {
		n := cl.waiting[0]
		cl.waiting = cl.waiting[1:]
		w.send(client, n)
	}
}
