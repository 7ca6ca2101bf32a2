package inproc

import (
	"net/http"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/pool"
	"github.com/faildrill/faildrill/harness/engine/retry"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// request is one request in a proxy with its current attempt. What happens to
// it and in which order is engine/request.go's; here the news come from sockets.
type request struct {
	p      *proxy
	n      int32 // number within the client
	id     int32 // as a stream of a pool
	method string
	wire   []byte // what an attempt sends

	route    *xds.Route
	c        *cluster
	retry    retry.State
	tried    []int32
	kept     engine.Kept
	holds    bool // the retry breaker
	flags    trace.Flags
	attempts int32
	host     int32 // of the attempt, in the cluster
	at       int64 // when it was picked
	stage    stage
	conn     *conn
	status   int // of the answer

	toSend *conn         // a connection that the request has to be written to
	final  *answer       // what the client gets
	news   chan struct{} // toSend or final was set

	ended bool
	done  chan struct{} // closed with ended
	by    int32         // host of the final answer, in the trace; -1: none
}

// stage is where an attempt stands.
type stage uint8

const (
	idle     stage = iota // between attempts
	pending               // waits for a connection
	attached              // sent
	body                  // headers came
)

// answer is what a client gets: an upstream's answer, or the proxy's own.
type answer struct {
	status int
	text   string
	res    *http.Response // nil: the proxy's own
}

// start routes the request and begins its first attempt.
func (w *world) start(rq *request, host string, port uint32, path string) {
	rq.host, rq.by = engine.NoHost, -1
	rq.route = engine.Route(rq.p.config, host, port, path)
	if rq.route == nil {
		rq.flags = trace.FlagNR
		w.refuse(rq, 404, "")
		return
	}
	if rq.c = rq.p.clusters[rq.route.Cluster]; rq.c == nil {
		rq.flags = trace.FlagNC
		w.refuse(rq, 503, "no such cluster")
		return
	}
	w.ids++
	rq.id = w.ids
	w.streams[rq.id] = rq
	rq.retry = retry.Start(rq.route.Retry)
	if rq.route.Timeout > 0 {
		w.after(int64(rq.route.Timeout), routeTimer, rq)
	}
	w.attempt(rq)
}

// attempt picks a host and gets a connection to it.
func (w *world) attempt(rq *request) {
	c := rq.c
	c.At(w.now)
	h := c.PickAgain(rq.tried, rq.route.Retry, &rq.kept, &w.ch)
	rq.at, rq.host, rq.stage = w.now, h, idle
	if h == engine.NoHost {
		rq.flags |= trace.FlagUH
		w.refuse(rq, 503, "no healthy upstream")
		return
	}
	rq.attempts++
	rq.tried = append(rq.tried, h)
	h = c.connectedTo(h)
	rq.host = h
	lim := &c.Config().CircuitBreakers
	switch c.pools[h].NewStream(rq.id, lim, &c.use) {
	case pool.Attached:
		last := len(c.idle[h]) - 1
		cn := c.idle[h][last]
		c.idle[h] = c.idle[h][:last]
		w.attach(rq, cn)
	case pool.Queued:
		rq.stage = pending
		if c.pools[h].Wanted(lim, &c.use) {
			w.open(c, h)
		}
	case pool.Refused:
		w.overflow(rq)
	}
}

// overflow is a circuit breaker's answer: never retried, never charged.
func (w *world) overflow(rq *request) {
	w.record(rq, trace.Overflow, 0, false)
	rq.flags |= trace.FlagUO
	w.refuse(rq, 503, "upstream connect error or disconnect/reset before headers. reset reason: overflow")
}

// attach sends the request on a connection.
func (w *world) attach(rq *request, cn *conn) {
	rq.stage, rq.conn = attached, cn
	cn.state, cn.rq = busy, rq
	rq.c.Begin(rq.host)
	w.charge(rq, outlier.ConnectSuccess, 0)
	rq.toSend = cn
	rq.tell()
	if p := rq.route.Retry; p != nil && p.PerTryTimeout > 0 {
		w.after(int64(p.PerTryTimeout), tryTimer, rq)
	}
}

// connectFailed fails everything that waits for the host.
func (w *world) connectFailed(cn *conn, res trace.Result) {
	c, h := cn.c, cn.host
	ids, ok := c.pools[h].Failed(cn.id, w.s.Profile.Rules.PendingFailOldestFirst, &c.use)
	if !ok {
		return
	}
	c.opening[h] = slices.DeleteFunc(c.opening[h], func(o *conn) bool { return o == cn })
	cn.close()
	for k, id := range ids {
		rq := w.streams[id]
		rq.stage = idle
		c.use.Failing = uint32(len(ids) - k)
		w.failed(rq, res, outlier.ConnectFailed, retry.ConnectFailure, trace.FlagUF)
	}
	c.use.Failing = 0
}

// charge tells outlier detection. It reports whether the host was blamed.
func (w *world) charge(rq *request, res outlier.Result, code int) bool {
	c := rq.c
	if !w.over && !c.retired {
		c.Report(w.now, rq.host, res, code, &w.ch, func(ch engine.Change) { w.changed(c, ch) })
		w.due(c)
	}
	blames := res == outlier.RequestFailed || res == outlier.ConnectFailed || res == outlier.Timeout
	return blames && c.Config().OutlierDetection != nil
}

// response is the moment at which headers arrive. It reports whether the
// answer is handed to the client; if not, the request will be tried again.
func (w *world) response(rq *request, res *http.Response) bool {
	rq.status = res.StatusCode
	result := outlier.RequestSuccess
	if rq.status >= 500 {
		result = outlier.RequestFailed
	}
	charged := w.charge(rq, result, rq.status)
	w.record(rq, trace.Answered, int32(rq.status), charged)
	switch w.again(rq, retry.Response) {
	case retry.Again:
		rq.conn.rq, rq.conn = nil, nil
		w.backOff(rq)
		return false
	case retry.Exhausted:
		rq.flags |= trace.FlagURX
	case retry.No:
	}
	rq.stage = body
	rq.by = rq.c.Hosts()[rq.host].Trace
	rq.final = &answer{status: rq.status, res: res}
	rq.tell()
	return true
}

// bodyEnd is the end of the answer.
func (w *world) bodyEnd(rq *request) {
	if rq.stage == body {
		w.release(rq, !rq.final.res.Close)
		w.end(rq)
	}
}

// bodyBroken is an answer that the upstream did not end.
func (w *world) bodyBroken(rq *request) {
	if rq.stage == body {
		w.release(rq, false)
		rq.flags |= trace.FlagUC
		w.breakOff(rq)
	}
}

// reset is a connection that broke before the headers.
func (w *world) reset(rq *request) {
	w.release(rq, false)
	w.failed(rq, trace.Reset, outlier.ConnectFailed, retry.ResetFailure, trace.FlagUC)
}

// again decides about a retry after the attempt was charged. A retry that the
// breaker refuses ends in UO.
func (w *world) again(rq *request, f retry.Failure) retry.Decision {
	w.holdRetry(rq, false)
	d := rq.retry.Decide(f, rq.status)
	if d != retry.Again {
		return d
	}
	if rq.c.retries >= rq.c.use.Retries(&rq.c.Config().CircuitBreakers) {
		rq.flags |= trace.FlagUO
		return retry.No
	}
	w.holdRetry(rq, true)
	return retry.Again
}

func (w *world) holdRetry(rq *request, hold bool) {
	if rq.holds == hold {
		return
	}
	rq.holds = hold
	if hold {
		rq.c.retries++
	} else {
		rq.c.retries--
	}
}

func (w *world) backOff(rq *request) {
	rq.stage = idle
	p, n := rq.route.Retry, rq.retry.Retries()
	wait := int64(0)
	if win := retry.Window(p, n); win > 0 {
		wait = int64(retry.BackOff(p, n, w.ch.Uniform(engine.DrawBackOff, uint64(win))))
	}
	w.after(wait, retryTimer, rq)
}

// failed ends an attempt that got no answer: charged first, then decided.
func (w *world) failed(rq *request, res trace.Result, od outlier.Result, f retry.Failure, flag trace.Flags) {
	charged := w.charge(rq, od, 0)
	w.record(rq, res, 0, charged)
	switch w.again(rq, f) {
	case retry.Again:
		w.backOff(rq)
		return
	case retry.Exhausted:
		rq.flags |= trace.FlagURX
	case retry.No:
	}
	rq.flags |= flag
	if f == retry.PerTryTimeout {
		w.refuse(rq, 504, "upstream request timeout")
		return
	}
	w.refuse(rq, 503, "upstream connect error or disconnect/reset before headers. reset reason: "+res.String())
}

func (w *world) tryTimeout(rq *request) {
	w.release(rq, false)
	w.failed(rq, trace.PerTryTimeout, outlier.Timeout, retry.PerTryTimeout, trace.FlagUT)
}

// routeTimeout ends the request. A host is charged only if the attempt had a
// connection and no headers yet.
func (w *world) routeTimeout(rq *request) {
	rq.flags |= trace.FlagUT
	switch rq.stage {
	case attached:
		charged := w.charge(rq, outlier.Timeout, 0)
		w.release(rq, false)
		w.record(rq, trace.Timeout, 0, charged)
	case pending:
		rq.c.pools[rq.host].Cancel(rq.id, &rq.c.use)
		w.record(rq, trace.Cancelled, 0, false)
	case body:
		w.release(rq, false)
		w.breakOff(rq)
		return
	case idle:
	}
	w.refuse(rq, 504, "upstream request timeout")
}

// clientGone is the client that goes away: nobody is charged. When the drill's
// time is up, it did not want to go, and nothing is said of it.
func (w *world) clientGone(rq *request) {
	if rq.ended {
		return
	}
	trying := rq.stage == attached || rq.stage == pending
	switch rq.stage {
	case attached, body:
		w.release(rq, false)
	case pending:
		rq.c.pools[rq.host].Cancel(rq.id, &rq.c.use)
	case idle:
	}
	if !w.over {
		if trying {
			w.record(rq, trace.Cancelled, 0, false)
		}
		rq.flags |= trace.FlagDC
	}
	w.breakOff(rq)
	rq.tell()
}

// release gives the attempt's connection back.
func (w *world) release(rq *request, reuse bool) {
	cn, reading := rq.conn, rq.stage == body
	rq.stage, rq.conn, rq.toSend = idle, nil, nil
	on := w.giveBack(cn, reuse)
	if reading {
		cn.resume <- on // there is room: its goroutine waits for this one
	}
}

func (w *world) record(rq *request, res trace.Result, status int32, charged bool) {
	w.emit(trace.Attempt{
		At: trace.Sec(rq.at), Done: trace.Sec(w.now), Client: rq.p.client, Request: rq.n, N: rq.attempts,
		Host: rq.c.Hosts()[rq.host].Trace, Status: status, Result: res, Charged: charged,
	})
}

// refuse ends the request with an answer of the proxy's own.
func (w *world) refuse(rq *request, status int, text string) {
	rq.final = &answer{status: status, text: text}
	w.end(rq)
	rq.tell()
}

// breakOff ends the request without an answer, or in the middle of one.
func (w *world) breakOff(rq *request) {
	rq.by = -1
	w.end(rq)
}

func (w *world) end(rq *request) {
	rq.stage, rq.ended = idle, true
	if rq.c != nil {
		w.holdRetry(rq, false)
		delete(w.streams, rq.id)
	}
	close(rq.done)
}

// tell wakes up the request's goroutine.
func (rq *request) tell() {
	select {
	case rq.news <- struct{}{}:
	default: // it has news to look at already
	}
}
