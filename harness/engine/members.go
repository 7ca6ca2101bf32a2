package engine

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/xds"
)

// Update gives the cluster the hosts that discovery names now, in its order, and
// the load assignment that goes with them. What it tells are the hosts that left
// and came, and the loads.
//
// All levels that change are one batch: what is delivered at once is delivered
// together. A change that adds and removes nobody can be merged with others, but
// for those of an assignment in Envoy 1.40.
//
// Rule: RuleMembersAtOnce, RuleEDSHealthAtOnce.
func (c *Cluster) Update(now int64, cfg *xds.Cluster, hosts []Host, ch *Chooser, tell func(Change)) {
	m := c.match(cfg, hosts)
	c.cfg = cfg
	c.adopt(m)
	for _, h := range m.removed {
		tell(Change{HostRemoved, outlier.Event{At: now, Host: h}})
	}
	for _, h := range m.added {
		tell(Change{HostAdded, outlier.Event{At: now, Host: h}})
	}
	batch := cfg.Type == xds.EDS && c.rules.EDSHealthChangeImmediate
	var due []int
	for p, change := range m.changes {
		if change == unchanged {
			continue
		}
		c.rebuild(p)
		if c.isDue(p, now, change != otherHosts && !batch, ch) {
			due = append(due, p)
		}
	}
	if len(due) > 0 {
		c.deliver(now, ch, tell, due...)
	}
	c.due = c.next()
}

// answered opens the merge windows of a strict DNS cluster that was constructed. The
// first name that is answered makes the cluster serve, hosts or none; each answer
// after it is an update that brings hosts to its priority. Addresses are answered
// before names, the first of them first; which name is, nobody can tell, and most
// often it is the one that was asked for first. All answers come at once here.
//
// Rule: RuleFirstAnswer.
func (c *Cluster) answered(now int64, ch *Chooser) {
	if c.cfg.Type != xds.StrictDNS || c.cfg.UpdateMergeWindow == 0 {
		return
	}
	n, first := uint64(0), int32(-1)
	for _, l := range c.cfg.Localities {
		for _, e := range l.Endpoints {
			if _, err := netip.ParseAddr(e.Address); err == nil && first < 0 {
				first = int32(n)
			}
			n++
		}
	}
	if n < 2 {
		return
	}
	if first < 0 {
		first = int32(ch.Observed(Question{Draw: DrawAnswer, N: n}, 0))
	}
	for i := range c.hosts {
		if h := &c.hosts[i]; h.Target != first {
			c.merge[h.Priority].last = now
		}
	}
}

// AnsweredAt moves the merge windows that construction opened: a live proxy has the
// answers some time after the instant from which the cluster's ticks count.
func (c *Cluster) AnsweredAt(at int64) {
	for p := range c.merge {
		if m := &c.merge[p]; m.last != longAgo {
			m.last = at
		}
	}
}

// levelChange is what an update does to a priority.
type levelChange uint8

const (
	unchanged  levelChange = iota
	sameHosts              // their weight or health, or the level's own numbers
	otherHosts             // somebody came or left, another level included
)

// membership is what becomes of the hosts in an update.
type membership struct {
	hosts          []Host
	fate           []int32
	levels         [][]int32
	changes        []levelChange // by level
	from           []int32       // by host: whose state it has; NoHost: nobody's
	added, removed []int32
}

func (m *membership) mark(level uint32, to levelChange) {
	m.changes[level] = max(m.changes[level], to)
}

// identity is what a host is known by: its address, in a strict DNS cluster
// behind each name by itself.
type identity struct {
	target  int32
	address string
}

func (h *Host) identity() identity { return identity{h.Target, h.Address} }

// match finds out who stays. Priorities that are named no more stay, empty.
//
// Rule: RuleSameAddressStays, RuleOneAddressOnce, RuleHostOrder.
func (c *Cluster) match(cfg *xds.Cluster, hosts []Host) *membership {
	n := len(c.levels)
	for i := range hosts {
		n = max(n, int(hosts[i].Priority)+1)
	}
	m := &membership{
		hosts: slices.Clone(c.hosts), fate: slices.Clone(c.fate), levels: make([][]int32, n), changes: make([]levelChange, n), from: make([]int32, len(c.hosts)),
	}
	for h := range m.from {
		m.from[h] = NoHost
	}
	there := map[identity]int32{}
	for _, l := range c.levels {
		for _, h := range l {
			there[c.hosts[h].identity()] = h
		}
	}
	seen := map[identity]bool{}
	for i := range hosts {
		if id := hosts[i].identity(); !seen[id] {
			seen[id] = true
			h := c.place(m, &hosts[i], there)
			m.levels[hosts[i].Priority] = append(m.levels[hosts[i].Priority], h)
		}
	}
	for p, l := range c.levels {
		for _, h := range l {
			if m.from[h] == NoHost && m.fate[h] == h {
				m.leave(h, NoHost)
				m.mark(uint32(p), otherHosts)
				m.removed = append(m.removed, h)
			}
		}
	}
	for p := range m.changes {
		if cfg.OverprovisioningFactor != c.cfg.OverprovisioningFactor || !maps.Equal(localityWeights(cfg, p), localityWeights(c.cfg, p)) {
			m.mark(uint32(p), sameHosts)
		}
		// Only another order is no change.
		if m.changes[p] == unchanged && p < len(c.levels) {
			m.levels[p] = c.levels[p]
		}
	}
	return m
}

// place finds the host's place: its own when it stays, or a new one.
func (c *Cluster) place(m *membership, host *Host, there map[identity]int32) int32 {
	if h, ok := there[host.identity()]; ok && c.stays(&c.hosts[h], host) {
		c.keep(m, h, host)
		return h
	}
	h := int32(len(m.hosts))
	m.hosts, m.fate, m.from = append(m.hosts, *host), append(m.fate, h), append(m.from, NoHost)
	m.added = append(m.added, h)
	if old := c.moved(); old != NoHost {
		// Rule: RuleLogicalDNSHost: before Envoy 1.39 the host has moved, and is the same.
		m.from[h] = old
		m.leave(old, h)
		m.removed = append(m.removed, old)
		return h
	}
	m.mark(host.Priority, otherHosts)
	return h
}

// stays reports whether the host is the one that there was. A logical DNS
// cluster is told of changes only, and its host is another one then.
//
// Rule: RuleLocalityIdentity, RuleHostnameIdentity, RuleLogicalDNSHost.
func (c *Cluster) stays(old, host *Host) bool {
	return c.cfg.Type != xds.LogicalDNS && old.Locality == host.Locality && (old.Name == host.Name || !c.rules.HostnameInIdentity)
}

// moved is the host of a logical DNS cluster that gets another address and stays
// the one it was; NoHost: there is no such host.
func (c *Cluster) moved() int32 {
	if c.cfg.Type != xds.LogicalDNS || c.rules.LogicalDNSReplacesHost || len(c.levels) == 0 || len(c.levels[0]) == 0 {
		return NoHost
	}
	return c.levels[0][0]
}

// keep is a host that stays. Its weight, health and priority change in place. A
// health that counts the same as before does not rebuild its level: a draining
// host that turns unhealthy stays excluded until something else does.
//
// Rule: RuleCoarseUnchanged, RuleSameAddressStays.
func (c *Cluster) keep(m *membership, h int32, host *Host) {
	old := c.hosts[h]
	m.from[h] = h
	m.hosts[h] = *host
	m.hosts[h].Trace = old.Trace
	if mark := c.mark(h); old.Weight != host.Weight || coarse(old.Health, mark) != coarse(host.Health, mark) {
		m.mark(host.Priority, sameHosts)
	}
	if old.Priority != host.Priority {
		m.mark(old.Priority, otherHosts)
		m.mark(host.Priority, otherHosts)
	}
}

// leave takes a host out; whoever it stood for goes with it.
func (m *membership) leave(h, to int32) {
	for i, f := range m.fate {
		if f == h {
			m.fate[i] = to
		}
	}
}

// adopt takes the membership over. The slices that the cluster had may be shared
// with its clones, and stay as they are.
//
// Rule: RuleMembersEjected.
func (c *Cluster) adopt(m *membership) {
	news := len(m.hosts) - len(c.hosts)
	c.hosts, c.fate, c.levels = m.hosts, m.fate, m.levels
	c.active = append(slices.Clip(c.active), make([]uint32, news)...)
	for len(c.merge) < len(c.levels) {
		c.merge, c.counts = append(c.merge, merge{last: longAgo}), append(c.counts, nil)
	}
	if c.watched && len(m.added)+len(m.removed) > 0 {
		n := 0
		for _, l := range c.levels {
			n += len(l)
		}
		c.detector.Remap(m.from, n)
	}
	for _, h := range m.removed {
		if to := c.fate[h]; to != NoHost {
			c.workers.rename(h, to)
		}
	}
}

// rename puts one host in the place of another everywhere.
func (w *workers) rename(from, to int32) {
	put := func(s *source) {
		s.hosts = slices.Clone(s.hosts)
		for i := range s.hosts {
			if s.hosts[i] == from {
				s.hosts[i] = to
			}
		}
	}
	for len(w.since) > 0 && len(w.since) <= int(to) {
		w.since = append(w.since, longAgo)
	}
	if len(w.since) > 0 {
		w.since[to] = w.since[from]
	}
	for p := range w.levels {
		l := &w.levels[p]
		put(&l.all)
		put(&l.healthy)
		put(&l.degraded)
		for g := range l.groups {
			gr := &l.groups[g]
			all := source{hosts: gr.hosts}
			put(&all)
			gr.hosts = all.hosts
			put(&gr.eligible[0])
			put(&gr.eligible[1])
		}
	}
}
