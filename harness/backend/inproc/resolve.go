package inproc

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/pool"
	"github.com/faildrill/faildrill/harness/xds"
)

// What engine/resolve.go does in virtual time, by the wall clock.

// next is when the cluster acts by itself: its own timers, and its look-ups.
func (c *cluster) next() int64 {
	at, ok := c.Next()
	if !ok {
		at = never
	}
	if c.lookUps != nil {
		at = min(at, c.lookUps.Next())
	}
	return at
}

// act does what is due at the instant; what the cluster does itself comes first.
func (w *world) act(c *cluster, at int64) {
	if t, ok := c.Next(); ok && t <= at {
		c.Advance(at, &w.ch, func(ch engine.Change) { w.changed(c, ch) })
		return
	}
	changed := c.lookUps.Ask(at, &w.names, &w.ch)
	w.met(c.lookUps)
	if changed {
		w.update(c, c.Config(), c.lookUps.Hosts(), at)
	}
}

// update gives the cluster other hosts.
func (w *world) update(c *cluster, cfg *xds.Cluster, hosts []engine.Host, at int64) {
	c.Update(at, cfg, hosts, &w.ch, func(ch engine.Change) { w.changed(c, ch) })
	w.due(c)
}

// met notes which faults of the DNS a look-up has met.
func (w *world) met(l *engine.LookUps) {
	if l == nil {
		return
	}
	for _, step := range l.Met {
		w.answered[step] = true
	}
}

// came makes room for a host.
func (w *world) came(c *cluster, h int32) {
	for len(c.pools) < len(c.Hosts()) {
		c.pools, c.drains = append(c.pools, pool.Pool{}), append(c.drains, 0)
		c.idle, c.opening = append(c.idle, nil), append(c.opening, nil)
	}
	c.Retrace(h, w.traceHost(c.client, c.Config().Name, &c.Hosts()[h]))
}

// went closes the connections of a host that was removed, as they get idle.
func (c *cluster) went(h int32) {
	if c.Removed(h) {
		c.drains[h]++
		c.drain(h)
		return
	}
	c.left = append(c.left, h)
}

// connectedTo is the host whose connection an attempt takes: a logical DNS host
// that has moved may have an idle one to its old address.
func (c *cluster) connectedTo(h int32) int32 {
	i := slices.IndexFunc(c.left, func(old int32) bool { return c.Moved(old) == h && c.pools[old].Idle() > 0 })
	if i < 0 {
		return h
	}
	return c.left[i]
}
