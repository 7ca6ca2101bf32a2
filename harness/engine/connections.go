package engine

import (
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/pool"
	"github.com/faildrill/faildrill/harness/engine/retry"
	"github.com/faildrill/faildrill/harness/trace"
)

// grow makes room for the connections of so many hosts.
func (c *clusterState) grow(hosts int) {
	for len(c.drains) < hosts {
		c.drains, c.carried = append(c.drains, 0), append(c.carried, 0)
		if n := c.cfg.MaxConcurrentStreams; n > 0 {
			c.http2 = append(c.http2, pool.NewHTTP2(n))
		} else {
			c.pools = append(c.pools, pool.Pool{})
		}
	}
}

// newStream asks the host's pool for a connection.
func (c *clusterState) newStream(h, i int32) pool.Admission {
	lim := &c.cfg.CircuitBreakers
	if c.http2 != nil {
		return c.http2[h].NewStream(i, lim, &c.use)
	}
	return c.pools[h].NewStream(i, lim, &c.use)
}

func (c *clusterState) wanted(h int32) bool {
	lim := &c.cfg.CircuitBreakers
	if c.http2 != nil {
		return c.http2[h].Wanted(lim, &c.use)
	}
	return c.pools[h].Wanted(lim, &c.use)
}

func (c *clusterState) opens(h, conn int32) {
	if c.http2 != nil {
		c.http2[h].Open(conn, &c.use)
		return
	}
	c.pools[h].Open(conn, &c.use)
}

func (c *clusterState) cancel(h, i int32) {
	if c.http2 != nil {
		c.http2[h].Cancel(i, &c.use)
		return
	}
	c.pools[h].Cancel(i, &c.use)
}

func (c *clusterState) connectFailed(h, conn int32, oldestFirst bool) ([]int32, bool) {
	if c.http2 != nil {
		return c.http2[h].Failed(conn, oldestFirst, &c.use)
	}
	return c.pools[h].Failed(conn, oldestFirst, &c.use)
}

// drain is what an ejection does to the connections of its moment; later ones stay.
func (c *clusterState) drain(h int32) {
	c.drains[h]++
	if c.http2 != nil {
		c.http2[h].Drain(&c.use)
		return
	}
	c.pools[h].Drain(&c.use)
}

// leave is a server that goes away: idle connections end at once, the others
// when their requests have ended.
func (c *clusterState) leave(h int32) {
	c.drains[h]++
	if c.http2 != nil {
		c.http2[h].GoAway(&c.use)
		return
	}
	c.pools[h].CloseIdle(&c.use)
}

// readyHTTP2 sends what has waited for the host as far as its connections have room.
//
// Rule: RuleMaxRequests.
func (w *world) readyHTTP2(c *clusterState, h int32) {
	for {
		i, admission, ok := c.http2[h].Next(&c.cfg.CircuitBreakers, &c.use)
		if !ok {
			return
		}
		if admission == pool.Attached {
			w.attach(i)
			continue
		}
		w.reqs[i].stage = idle
		w.overflow(i, &w.reqs[i])
	}
}

// connectionLost ends every request on the connection that a request is on. What
// waited for headers fails like a reset one; what had them is charged although it
// was a success, and breaks off. The trace has its attempt already, as it was then.
//
// Rule: RuleConnectionLost, RuleLostAfterHeaders.
func (w *world) connectionLost(i int32) {
	c, h := w.reqs[i].c, w.reqs[i].host
	ids := c.http2[h].Broken(i, &c.use)
	for _, i := range ids {
		r := &w.reqs[i]
		began := r.stage == body
		r.stage = idle
		c.End(h)
		if !began {
			w.failed(i, r, trace.Reset, outlier.ConnectFailed, retry.ResetFailure, trace.FlagUC)
			continue
		}
		w.advance(c)
		w.charge(r, outlier.ConnectFailed, 0)
		r.flags |= trace.FlagUC
		w.end(i, r, 0, NoHost, brokeOff)
	}
	if c.wanted(h) {
		w.open(c, h)
	}
}
