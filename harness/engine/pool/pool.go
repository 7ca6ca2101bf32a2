// Package pool is the connection pool of one host in one worker: Pool for HTTP/1,
// HTTP2 for connections that carry many streams.
//
//	switch p.NewStream(id, lim, &use) {
//	case pool.Attached:            // a connection was idle
//	case pool.Queued:              // wait; open the connections that p.Wanted asks for
//	case pool.Refused:             // circuit breaker: flag UO
//	}
//	if p.Wanted(lim, &use) { conn := p.Open(...) }
//	id, ok := p.Connected(conn)    // a queued stream that is attached now
//	ids := p.Failed(conn, ...)     // a failed connect fails everything that is queued
//
// Stream and connection numbers are the caller's. A request that waits here
// stays with its host although the host is ejected meanwhile.
//
// Rules: Envoy's documentation, "Connection pooling" and "Circuit breaking";
// source/common/conn_pool/conn_pool_base.cc. Not here: preconnecting.
package pool

import "github.com/faildrill/faildrill/harness/xds"

// Use counts what all pools of one cluster have in use: the circuit breakers'
// view.
type Use struct {
	Connections uint32
	Pending     uint32
	Requests    uint32
	Failing     uint32 // that fail together right now and were not yet asked about a retry, the next one included
}

// Retries is how many retries may be under way at once. A budget counts the
// request that asks: it still has its connection, or is among those that fail.
//
// Rule: RuleRetryBudget.
func (u *Use) Retries(lim *xds.CircuitBreakers) uint32 {
	b := lim.RetryBudget
	if b == nil {
		return lim.MaxRetries
	}
	return max(b.MinRetryConcurrency, uint32(b.Percent/100*float64(u.Requests+u.Pending+u.Failing)))
}

// Admission is what became of a new stream.
type Admission uint8

// The admissions.
const (
	Attached Admission = iota
	Queued
	Refused
)

// Pool is the state of one host's HTTP/1 pool. It is a plain value; Clone copies it.
type Pool struct {
	queue
	idle int
	busy int
}

// Clone returns an independent copy.
func (p *Pool) Clone() Pool {
	c := *p
	c.queue = p.queue.clone()
	return c
}

// Idle is the number of connections that serve nobody.
func (p *Pool) Idle() int { return p.idle }

// NewStream attaches the stream to an idle connection or queues it.
//
// Rule: RulePendingLimit, RuleMaxRequests.
func (p *Pool) NewStream(id int32, lim *xds.CircuitBreakers, use *Use) Admission {
	if p.idle > 0 {
		if use.Requests >= lim.MaxRequests {
			return Refused
		}
		p.idle--
		p.busy++
		use.Requests++
		return Attached
	}
	if use.Pending >= lim.MaxPendingRequests {
		return Refused
	}
	p.pending = append(p.pending, id)
	use.Pending++
	return Queued
}

// Wanted reports whether a connection has to be opened: more streams wait than
// connections are on their way. Over the cluster's limit only a pool that has
// no connection at all may open one.
//
// Rule: RuleMaxConnections.
func (p *Pool) Wanted(lim *xds.CircuitBreakers, use *Use) bool {
	if len(p.pending) <= len(p.connecting) {
		return false
	}
	return use.Connections < lim.MaxConnections || p.idle+p.busy+len(p.connecting) == 0
}

// Connected makes a connection usable. It returns the stream that has waited
// longest, if any. A stream that exceeds MaxRequests is the caller's to refuse.
func (p *Pool) Connected(conn int32, use *Use) (stream int32, ok bool) {
	if !p.drop(conn) {
		return 0, false
	}
	p.idle++
	return p.next(use)
}

// next attaches the oldest waiting stream to an idle connection.
func (p *Pool) next(use *Use) (int32, bool) {
	if p.idle == 0 || len(p.pending) == 0 {
		return 0, false
	}
	id := p.pending[0]
	p.pending = p.pending[1:]
	use.Pending--
	use.Requests++
	p.idle--
	p.busy++
	return id, true
}

// Done ends a stream. The connection is kept unless reuse is false. It returns
// the stream that takes it over, if any.
func (p *Pool) Done(reuse bool, use *Use) (stream int32, ok bool) {
	p.busy--
	use.Requests--
	if !reuse {
		use.Connections--
		return 0, false
	}
	p.idle++
	return p.next(use)
}

// Closed forgets one idle connection that the other side has closed.
func (p *Pool) Closed(use *Use) {
	p.idle--
	use.Connections--
}

// CloseIdle closes what is idle: the host went away.
func (p *Pool) CloseIdle(use *Use) {
	use.Connections -= uint32(p.idle)
	p.idle = 0
}

// Drain is what an ejection does: idle connections are closed, and those that
// are still on their way too, unless a stream waits for one of them.
//
// Rule: RuleDrain, RuleDrainConnecting.
func (p *Pool) Drain(use *Use) {
	p.CloseIdle(use)
	p.giveUp(use)
}
