package pool

import "github.com/faildrill/faildrill/harness/xds"

// HTTP2 is the state of one host's HTTP/2 pool: a connection carries up to a
// limit of streams at once.
//
//	switch p.NewStream(id, lim, &use) { ... }       // as with Pool
//	if p.Wanted(lim, &use) { p.Open(conn, &use) }
//	if p.Connected(conn) {                          // it is usable now
//		for id, a, ok := p.Next(lim, &use); ok; id, a, ok = p.Next(lim, &use) { ... }
//	}
//	p.Done(id, &use)                                // a stream ended, or was reset
//	ids := p.Broken(id, &use)                       // its connection is lost, with all streams
//
// It is a plain value; Clone copies it.
type HTTP2 struct {
	queue
	limit    uint32    // streams that a connection carries at once, from 1
	carriers []carrier // the one that became usable last is first
}

// carrier is a connection with its streams, in the order in which they came.
type carrier struct {
	streams  []int32
	draining bool // takes no new streams, and closes with its last one
}

// NewHTTP2 returns an empty pool; limit is max_concurrent_streams.
func NewHTTP2(limit uint32) HTTP2 { return HTTP2{limit: max(1, limit)} }

// Clone returns an independent copy.
func (p *HTTP2) Clone() HTTP2 {
	c := *p
	c.queue = p.queue.clone()
	c.carriers = append([]carrier(nil), p.carriers...)
	for i := range c.carriers {
		c.carriers[i].streams = append([]int32(nil), c.carriers[i].streams...)
	}
	return c
}

// ready is the connection that takes the next stream, or -1.
func (p *HTTP2) ready() int {
	for i := range p.carriers {
		if c := &p.carriers[i]; !c.draining && uint32(len(c.streams)) < p.limit {
			return i
		}
	}
	return -1
}

// NewStream puts the stream on a connection that has room, or queues it.
//
// Rule: RuleMultiplexed, RulePendingLimit, RuleMaxRequests.
func (p *HTTP2) NewStream(id int32, lim *xds.CircuitBreakers, use *Use) Admission {
	if i := p.ready(); i >= 0 {
		return p.attach(i, id, lim, use)
	}
	if use.Pending >= lim.MaxPendingRequests {
		return Refused
	}
	p.pending = append(p.pending, id)
	use.Pending++
	return Queued
}

func (p *HTTP2) attach(i int, id int32, lim *xds.CircuitBreakers, use *Use) Admission {
	if use.Requests >= lim.MaxRequests {
		return Refused
	}
	c := &p.carriers[i]
	c.streams = append(c.streams, id)
	use.Requests++
	return Attached
}

// Wanted reports whether a connection has to be opened: more streams wait than
// the connections on their way can carry. Over the cluster's limit only a pool
// that has no connection at all may open one.
//
// Rule: RuleMultiplexed, RuleMaxConnections.
func (p *HTTP2) Wanted(lim *xds.CircuitBreakers, use *Use) bool {
	if uint64(len(p.pending)) <= uint64(len(p.connecting))*uint64(p.limit) {
		return false
	}
	return use.Connections < lim.MaxConnections || len(p.carriers)+len(p.connecting) == 0
}

// Connected makes a connection usable.
func (p *HTTP2) Connected(conn int32) bool {
	if !p.drop(conn) {
		return false
	}
	p.toFront(len(p.carriers), carrier{})
	return true
}

// toFront puts c first in place of the i-th connection.
func (p *HTTP2) toFront(i int, c carrier) {
	if i == len(p.carriers) {
		p.carriers = append(p.carriers, carrier{})
	}
	copy(p.carriers[1:i+1], p.carriers[:i])
	p.carriers[0] = c
}

// Next gives a connection to the stream that has waited longest, if one has
// room; Refused: the stream would exceed MaxRequests, and has left the queue.
func (p *HTTP2) Next(lim *xds.CircuitBreakers, use *Use) (id int32, a Admission, ok bool) {
	i := p.ready()
	if i < 0 || len(p.pending) == 0 {
		return 0, 0, false
	}
	id = p.pending[0]
	p.pending = p.pending[1:]
	use.Pending--
	return id, p.attach(i, id, lim, use), true
}

// Done ends a stream. Its connection stays, even if the stream was reset, unless
// it is draining and this was its last.
//
// Rule: RuleStreamReset, RuleGoAway.
func (p *HTTP2) Done(id int32, use *Use) {
	i, k := p.find(id)
	if i < 0 {
		return
	}
	use.Requests--
	c := p.carriers[i]
	full := uint32(len(c.streams)) == p.limit
	c.streams = append(c.streams[:k], c.streams[k+1:]...)
	p.carriers[i] = c
	switch {
	case c.draining && len(c.streams) == 0:
		p.remove(i, use)
	case full && !c.draining:
		p.toFront(i, c)
	}
}

// Broken ends the connection of a stream: all its streams fail with it, the
// newest first. It returns them.
//
// Rule: RuleConnectionLost.
func (p *HTTP2) Broken(id int32, use *Use) []int32 {
	i, _ := p.find(id)
	if i < 0 {
		return nil
	}
	ids := p.carriers[i].streams
	p.remove(i, use)
	use.Requests -= uint32(len(ids))
	for i, j := 0, len(ids)-1; i < j; i, j = i+1, j-1 {
		ids[i], ids[j] = ids[j], ids[i]
	}
	return ids
}

func (p *HTTP2) find(id int32) (i, k int) {
	for i := range p.carriers {
		for k, s := range p.carriers[i].streams {
			if s == id {
				return i, k
			}
		}
	}
	return -1, -1
}

func (p *HTTP2) remove(i int, use *Use) {
	p.carriers = append(p.carriers[:i], p.carriers[i+1:]...)
	use.Connections--
}

// GoAway is a server that takes no more streams on any of its connections:
// those without streams close, the others when their streams have ended.
//
// Rule: RuleGoAway.
func (p *HTTP2) GoAway(use *Use) {
	for i := len(p.carriers) - 1; i >= 0; i-- {
		if len(p.carriers[i].streams) == 0 {
			p.remove(i, use)
		} else {
			p.carriers[i].draining = true
		}
	}
}

// Drain is what an ejection does: as GoAway, and connections that are still on
// their way are given up unless a stream waits for one of them.
//
// Rule: RuleDrain, RuleDrainConnecting.
func (p *HTTP2) Drain(use *Use) {
	p.GoAway(use)
	p.giveUp(use)
}
