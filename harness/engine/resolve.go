package engine

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/faildrill/faildrill/harness/engine/dns"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Names is the DNS of a drill: what it answers, with the faults that it has.
type Names struct {
	s      *schedule.Schedule
	faults []nameFault // in the order in which they began
}

type nameFault struct {
	*schedule.Fault
	step  int
	since int64
}

// NewNames is the DNS of a drill at its start: what a step at 0 s makes of it is
// there before the first look-up.
func NewNames(s *schedule.Schedule) Names {
	n := Names{s: s}
	for i := range s.Steps {
		if s.Steps[i].At == 0 {
			n.Step(i)
		}
	}
	return n
}

// Step carries out a step, if it is about the DNS; a second time does nothing.
func (n *Names) Step(i int) {
	st := &n.s.Steps[i]
	switch {
	case st.Kind == schedule.KindHeal:
		n.faults = slices.DeleteFunc(n.faults, func(f nameFault) bool { return f.Name == st.Heal && f.step < i })
	case st.Kind == schedule.KindFault && st.Fault.IsDNS():
		if !n.AtWork(i) {
			n.faults = append(n.faults, nameFault{st.Fault, i, int64(st.At)})
		}
	}
}

// healed is the upstream whose name a heal is about, -1 if it is about none.
func healed(s *schedule.Schedule, step int) int32 {
	for i := step - 1; i >= 0; i-- {
		if f := s.Steps[i].Fault; f != nil && f.Name == s.Steps[step].Heal && f.IsDNS() {
			return f.Upstream
		}
	}
	return -1
}

// AtWork reports whether the fault that a step began is there.
func (n *Names) AtWork(step int) bool {
	return slices.ContainsFunc(n.faults, func(f nameFault) bool { return f.step == step })
}

var codes = map[string]dns.Code{"NXDOMAIN": dns.NXDomain, "NODATA": dns.NoError, "SERVFAIL": dns.ServFail, "REFUSED": dns.Refused, "timeout": dns.Timeout}

// Answer is what the DNS says about a name at an instant. Of several faults the one
// that began last decides; step is the one that began it, -1 if there is none.
func (n *Names) Answer(name string, now int64) (a dns.Answer, step int) {
	for _, f := range slices.Backward(n.faults) {
		switch {
		case !schedule.SameAddress(f.DNS, name) || f.For > 0 && now >= f.since+int64(f.For):
		case f.Behaviour == schedule.Addresses:
			return dns.Answer{Addresses: f.Addresses, TTL: f.TTL.D()}, f.step
		default:
			return dns.Answer{Code: codes[f.Answer]}, f.step
		}
	}
	a.Addresses = n.s.Resolve(name)
	for i := range n.s.Upstreams {
		if u := &n.s.Upstreams[i]; schedule.SameAddress(u.Address, name) {
			a.TTL = u.TTL.D()
		}
	}
	return a, -1
}

// LookUps are the names of one DNS cluster.
type LookUps struct {
	cfg   *xds.Cluster
	s     *schedule.Schedule
	names []string
	r     dns.Resolver
	// Met are the steps whose faults the latest answers came from.
	Met []int
}

// LookUps asks for every name of a cluster that is constructed, and returns its
// hosts. It is nil for a cluster whose names resolve to the same all the time:
// there is nothing to hear of them.
func (n *Names) LookUps(c *xds.Cluster, now int64, ch *Chooser) (*LookUps, []Host) {
	if c.DNS == nil || !n.change(c) {
		return nil, HostsOf(c, n.s)
	}
	l := &LookUps{cfg: c, s: n.s}
	for _, lo := range c.Localities {
		for _, e := range lo.Endpoints {
			l.names = append(l.names, e.Address)
		}
	}
	kind := dns.Strict
	if c.Type == xds.LogicalDNS {
		kind = dns.Logical
	}
	l.r = dns.New(*c.DNS, kind, n.s.Profile.Rules, len(l.names), now)
	l.Ask(now, n, ch)
	return l, l.Hosts()
}

// change reports whether the drill ever changes what a name of the cluster resolves to.
func (n *Names) change(c *xds.Cluster) bool {
	for i := range n.s.Steps {
		f := n.s.Steps[i].Fault
		if f == nil || !f.IsDNS() {
			continue
		}
		for _, l := range c.Localities {
			for _, e := range l.Endpoints {
				if schedule.SameAddress(e.Address, f.DNS) {
					return true
				}
			}
		}
	}
	return false
}

// Next is when the next name is asked for.
func (l *LookUps) Next() int64 {
	_, at := l.r.Next()
	return at
}

// Ask asks for the names that are due. It reports whether one of them stands for
// other addresses than before: then the cluster has other Hosts. The DNS answers at
// once.
func (l *LookUps) Ask(now int64, n *Names, ch *Chooser) (changed bool) {
	l.Met = l.Met[:0]
	for i, at := l.r.Next(); at <= now; i, at = l.r.Next() {
		a, step := n.Answer(l.names[i], now)
		res := dns.Outcome(l.cfg.DNS.LookupFamily, l.s.Profile.Rules, family(a, netip.Addr.Is4), family(a, netip.Addr.Is6))
		if ip, err := netip.ParseAddr(l.names[i]); err == nil {
			res = dns.Result{Addresses: []netip.Addr{ip}} // nobody is asked
		}
		draw := uint64(0)
		if w := l.r.Window(res); w > 0 {
			draw = ch.Uniform(DrawLookUp, w)
		}
		if l.r.Answered(now, i, res, draw) {
			changed = true
		}
		if step >= 0 {
			l.Met = append(l.Met, step)
		}
	}
	return changed
}

// family is the part of an answer that the question for one family gets.
func family(a dns.Answer, is func(netip.Addr) bool) dns.Answer {
	var out []netip.Addr
	for _, ip := range a.Addresses {
		if is(ip) {
			out = append(out, ip)
		}
	}
	a.Addresses = out
	return a
}

// Hosts are the hosts that the names stand for.
func (l *LookUps) Hosts() []Host {
	return hostsAt(l.cfg, l.s, func(name int, _ string) []netip.Addr { return l.r.Addresses(name) })
}

// OnlyAssigned reports whether two configurations of a cluster are one message to
// the proxy: an EDS cluster whose endpoints alone differ. They change in place.
func OnlyAssigned(a, b *xds.Cluster) bool {
	if a.Type != xds.EDS || b.Type != xds.EDS {
		return false
	}
	x, y := *a, *b
	x.Localities, y.Localities = nil, nil
	x.OverprovisioningFactor, y.OverprovisioningFactor = 0, 0
	return reflect.DeepEqual(x, y)
}

// lookUps are those of a world.
type lookUps struct {
	names  Names
	by     []*clusterState
	met    []int        // steps whose faults a look-up has met
	unseen []trace.Step // that no look-up has met yet
}

// asks sets the timer of a cluster that was constructed.
func (w *world) asks(c *clusterState) {
	if c.lookUps == nil {
		return
	}
	l := &w.lookUps
	l.by = append(l.by, c)
	l.saw(w, c)
	w.q.Push(c.lookUps.Next(), event{kind: evLookUp, i: int32(len(l.by) - 1)})
}

// due asks for the names of a cluster whose time has come.
func (l *lookUps) due(w *world, i int32) {
	c := l.by[i]
	if c.retired {
		return
	}
	w.advance(c)
	changed := c.lookUps.Ask(w.now, &l.names, &w.ch)
	l.saw(w, c)
	if changed {
		c.Update(w.now, c.cfg, c.lookUps.Hosts(), &w.ch, func(ch Change) { w.changed(c, ch) })
	}
	w.q.Push(c.lookUps.Next(), event{kind: evLookUp, i: i})
}

// begun records a fault of the DNS. Its witness is the answer to a look-up, which
// may be long after it began.
func (l *lookUps) begun(w *world, e trace.Step) {
	if slices.Contains(l.met, int(e.Index)) {
		w.tr.Add(e)
		return
	}
	l.unseen = append(l.unseen, e)
}

// saw notes the faults that the cluster's last look-up has met.
func (l *lookUps) saw(w *world, c *clusterState) {
	for _, step := range c.lookUps.Met {
		if slices.Contains(l.met, step) {
			continue
		}
		l.met = append(l.met, step)
		if i := slices.IndexFunc(l.unseen, func(e trace.Step) bool { return int(e.Index) == step }); i >= 0 {
			w.tr.Add(l.unseen[i])
			l.unseen = slices.Delete(l.unseen, i, i+1)
		}
	}
}

// came makes room for a host.
func (w *world) came(c *clusterState, h int32) {
	c.grow(len(c.hosts))
	c.Retrace(h, w.traceHost(c.client, c.cfg.Name, &c.hosts[h], w.now))
}

// went closes the connections of a host that was removed, as they get idle. A
// logical DNS host that moves keeps them.
//
// Rule: RuleRemovedDrained.
func (w *world) went(c *clusterState, h int32) {
	if c.Removed(h) {
		c.drain(h)
		return
	}
	c.left = append(c.left, h)
}

// connectedTo is the host whose connection an attempt takes: up to Envoy 1.38 a
// logical DNS host that has moved keeps its connections to the old address, and
// uses them as long as one is idle.
//
// Rule: RuleOldConnections.
func (c *clusterState) connectedTo(h int32) int32 {
	if c.http2 != nil {
		return h
	}
	for _, old := range c.left {
		if c.fate[old] == h && c.pools[old].Idle() > 0 {
			return old
		}
	}
	return h
}
