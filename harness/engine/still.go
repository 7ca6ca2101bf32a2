package engine

import (
	"time"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/retry"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// This file is what becomes of connections that are there when a server stands
// still, goes on, or is killed. Measured with containers on a bridge: `docker pause`
// leaves every connection open and the kernel accepts new ones; `docker kill` closes
// every connection at once, those with a request too, since the kernel closes a dead
// process's sockets.

// at calls f with each request that has a connection to the upstream.
func (w *world) at(upstream int32, f func(i int32, r *request)) {
	for i := range w.reqs {
		r := &w.reqs[i]
		if r.open && (r.stage == attached || r.stage == body) && r.c.hosts[r.host].Upstream == upstream {
			f(int32(i), r)
		}
	}
}

// hold keeps the answers that are on their way when a server begins to stand still.
func (w *world) hold(f *schedule.Fault) {
	w.at(f.Upstream, func(_ int32, r *request) {
		if r.answer.held == notHeld && (f.Port == 0 || r.c.hosts[r.host].Port == f.Port) {
			r.answer.held = unsent
		}
	})
}

// isHeld reports whether an answer, or its end, comes while its server stands still.
func (r *request) isHeld() bool {
	if r.answer.held == notHeld {
		return false
	}
	r.answer.held = late
	return true
}

// goOn lets a server go on, unless something else holds it: it reads what waits, and
// sends what was due. What has waited for TLS begins it.
func (w *world) goOn(upstream int32) {
	u := &w.upstreams[upstream]
	w.at(upstream, func(i int32, r *request) {
		host := &r.c.hosts[r.host]
		was := r.answer.held
		if was == notHeld || u.holds(w.now, host.Port) {
			return
		}
		switch r.answer.held = notHeld; {
		case was == unread:
			w.serve(i, r, 0)
		case was == lost:
			w.serve(i, r, sentAgain(r.at, w.now)-w.now)
		case was == late && r.stage == body:
			w.after(connectLatency/2, evBodyEnd, i, r)
		case was == late:
			w.after(connectLatency/2, evResponse, i, r)
		}
	})
	for i := range w.conns {
		if k := &w.conns[i]; k.held && k.c.hosts[k.host].Upstream == upstream && !u.holds(w.now, k.c.hosts[k.host].Port) {
			k.held = false
			k.gen++ // its timeout is of no account any more
			w.q.Push(w.now+connectLatency, event{kind: evConnect, i: int32(i), gen: k.gen})
		}
	}
}

// firstResend is how long Linux waits before it sends a segment again over a link of a
// short round trip (TCP_RTO_MIN); each wait is twice the one before (RFC 6298, 5.5).
const firstResend = 200 * int64(time.Millisecond)

// sentAgain is when what was sent first at an instant is sent for the first time from now on.
func sentAgain(first, now int64) int64 {
	at, wait := first, firstResend
	for at < now {
		at, wait = at+wait, 2*wait
	}
	return at
}

// breakOff ends every connection to an upstream that carries a request, as the end of
// its process does: before the headers that is a reset connection, after them a
// success that is charged all the same.
//
// Rule: RuleConnectionLost, RuleLostAfterHeaders.
func (w *world) breakOff(upstream int32) {
	var lost []int32
	w.at(upstream, func(i int32, _ *request) { lost = append(lost, i) })
	for _, i := range lost {
		r := &w.reqs[i]
		if !r.open || r.stage != attached && r.stage != body {
			continue // it went with another one of its connection
		}
		w.advance(r.c)
		if r.c.http2 != nil {
			w.connectionLost(i)
			continue
		}
		w.lostAlone(i, r)
	}
}

// lostAlone is a connection that breaks with the one request that it carries.
func (w *world) lostAlone(i int32, r *request) {
	if r.stage == attached {
		w.release(i, r, false)
		w.failed(i, r, trace.Reset, outlier.ConnectFailed, retry.ResetFailure, trace.FlagUC)
		return
	}
	w.charge(r, outlier.ConnectFailed, 0)
	w.release(i, r, false)
	r.flags |= trace.FlagUC
	w.end(i, r, 0, NoHost, brokeOff)
}
