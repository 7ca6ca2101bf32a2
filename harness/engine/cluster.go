package engine

import (
	"math"
	"slices"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/priority"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Host is one address of a cluster. It does not change.
type Host struct {
	Name     string // DNS name that the address came from, if any
	Address  string // ip:port
	Port     uint32
	Locality xds.Locality
	Priority uint32
	Weight   uint32
	Health   xds.Health
	Upstream int32 // -1: none serves it
	Trace    int32 // index in the trace
}

// Delays are the two hops between a response and the next pick. Zero means that
// everything happens at once.
type Delays struct {
	ToMain   int64 // from a worker to the main thread
	ToWorker int64 // and back
}

// DefaultDelays are what two thread hops take on an idle machine.
var DefaultDelays = Delays{ToMain: 100_000, ToWorker: 100_000}

// Cluster is one cluster of one proxy: hosts, outlier detector, priorities and
// load balancer, as one state machine. It is driven by calls with the time;
// what it decides in between (ticks, merged updates) happens in Advance. The
// same machine predicts, proxies and accepts.
//
// A Cluster is not safe for concurrent use. Clone returns an independent copy.
type Cluster struct {
	cfg    *xds.Cluster
	rules  xds.Rules
	hosts  []Host
	levels [][]int32 // hosts by priority, in order
	delays Delays

	detector outlier.Detector
	watched  bool
	merge    []merge
	posts    []post     // on their way to the main thread
	updates  []delivery // on their way to the workers
	due      int64      // the earliest of all that: when Advance has something to do

	active  []uint32
	workers workers
}

// merge is the update merge window of one priority.
type merge struct {
	last  int64 // when an update was last delivered
	timer int64 // when a waiting one will be; 0: none waits
}

type post struct {
	at   int64
	host int32
	typ  outlier.Type
}

// delivery is the health of one priority's hosts as the main thread saw it.
type delivery struct {
	at    int64
	level int
	out   []bool // by position in the level
}

func (d delivery) same(o delivery) bool {
	return d.at == o.at && d.level == o.level && slices.Equal(d.out, o.out)
}

// longAgo is before any drill, so that the first update is always delivered at once.
const longAgo = -1 << 62

// ChangeKind is what a Change tells.
type ChangeKind uint8

// The changes that a cluster reports.
const (
	HostEjected ChangeKind = iota
	HostReturned
	EjectionOverflow
	EjectionUnenforced
	LoadChanged
)

// Change is something that a cluster decided.
type Change struct {
	At    int64
	Kind  ChangeKind
	Host  int32 // all but LoadChanged
	Type  outlier.Type
	Until int64 // HostEjected: the tick at which it can return
}

// NewCluster constructs a cluster at an instant; its interval ticks count from there.
func NewCluster(cfg *xds.Cluster, rules xds.Rules, hosts []Host, delays Delays, now int64, ch *Chooser) *Cluster {
	c := &Cluster{cfg: cfg, rules: rules, hosts: hosts, delays: delays, active: make([]uint32, len(hosts))}
	n := 0
	for _, h := range hosts {
		n = max(n, int(h.Priority)+1)
	}
	c.levels = make([][]int32, n)
	for i, h := range hosts {
		c.levels[h.Priority] = append(c.levels[h.Priority], int32(i))
	}
	c.merge = make([]merge, n)
	for p := range c.merge {
		c.merge[p].last = longAgo
	}
	if cfg.OutlierDetection != nil {
		c.watched = true
		c.detector = outlier.New(*cfg.OutlierDetection, rules, len(hosts), now)
	}
	c.due = c.next()
	c.workers.init(c, ch)
	return c
}

// Clone returns an independent copy.
func (c *Cluster) Clone() *Cluster {
	d := *c
	d.detector = c.detector.Clone()
	d.merge = append([]merge(nil), c.merge...)
	d.posts = append([]post(nil), c.posts...)
	d.updates = append([]delivery(nil), c.updates...)
	d.active = append([]uint32(nil), c.active...)
	d.workers = c.workers.clone()
	return &d
}

// Config is the configuration that the cluster was made from.
func (c *Cluster) Config() *xds.Cluster { return c.cfg }

// Hosts are the hosts in the order of the configuration.
func (c *Cluster) Hosts() []Host { return c.hosts }

// Ejected reports whether the main thread holds the host ejected.
func (c *Cluster) Ejected(h int32) bool { return c.watched && c.detector.Host(h).Ejected }

// Ejections is how often the host was ejected so far.
func (c *Cluster) Ejections(h int32) uint32 {
	if !c.watched {
		return 0
	}
	return c.detector.Host(h).Ejections
}

// Loads are the priority loads that the workers use.
func (c *Cluster) Loads() *priority.Loads { return &c.workers.loads }

// Stats are the outlier detection counters.
func (c *Cluster) Stats() outlier.Stats { return c.detector.Stats() }

// Begin and End count a stream that is attached to a connection of the host.
//
// Rule: RuleActiveRequests.
func (c *Cluster) Begin(h int32) { c.active[h]++ }

// End is the other half of Begin.
func (c *Cluster) End(h int32) { c.active[h]-- }

// never is later than any instant.
const never = math.MaxInt64

// Next is when the cluster has something to do by itself.
func (c *Cluster) Next() (int64, bool) { return c.due, c.due != never }

// next finds what is due first.
func (c *Cluster) next() int64 {
	at := int64(never)
	for _, u := range c.updates {
		at = min(at, u.at)
	}
	for _, p := range c.posts {
		at = min(at, p.at)
	}
	for _, m := range c.merge {
		if m.timer != 0 {
			at = min(at, m.timer)
		}
	}
	if c.watched {
		at = min(at, c.detector.NextTick())
	}
	return at
}

// Advance does everything that is due at or before now, in order of time.
func (c *Cluster) Advance(now int64, ch *Chooser, tell func(Change)) {
	for c.due <= now {
		c.step(c.due, ch, tell)
		c.due = c.next()
	}
}

// step does one thing that is due at the instant: a snapshot reaches the
// workers, a detection reaches the main thread, a merged update is delivered,
// or the interval timer fires.
func (c *Cluster) step(at int64, ch *Chooser, tell func(Change)) {
	for i, u := range c.updates {
		if u.at == at {
			c.updates = append(c.updates[:i], c.updates[i+1:]...)
			c.apply(u, at, ch, tell)
			return
		}
	}
	for i, p := range c.posts {
		if p.at == at {
			c.posts = append(c.posts[:i], c.posts[i+1:]...)
			c.decide(p, at, ch, tell)
			return
		}
	}
	for p := range c.merge {
		if c.merge[p].timer == at {
			c.merge[p] = merge{last: at}
			c.deliver(p, at, ch, tell)
			return
		}
	}
	c.tick(at, ch, tell)
}

// tick is the interval timer. Each return changes the health by itself, so that
// of several in one tick only the first reaches the workers at once; the others
// wait for the merge window.
//
// Rule: RuleReturnsOneByOne.
func (c *Cluster) tick(at int64, ch *Chooser, tell func(Change)) {
	back := c.detector.Returning(nil)
	if n := len(back); n > 1 {
		first := ch.Observed(Question{Draw: DrawReturn, N: uint64(n), Hosts: back}, 0)
		back[0], back[first] = back[first], back[0]
	}
	early := c.detector.MayDecayEarly() && ch.Uniform(DrawDecay, 2) == 0
	c.detector.OnInterval(back, early, func(h int32) {
		tell(Change{At: at, Kind: HostReturned, Host: h})
		c.healthChanged(at, ch, tell)
	})
}

// Report counts the result of an attempt on the host.
//
// Rule: RuleThreadHops.
func (c *Cluster) Report(now int64, h int32, r outlier.Result, code int, ch *Chooser, tell func(Change)) {
	if !c.watched {
		return
	}
	ds := c.detector.Report(h, r, code)
	if ds.None() {
		return
	}
	for _, t := range ds.List() {
		p := post{now + c.delays.ToMain, h, t}
		if c.delays.ToMain == 0 {
			c.decide(p, now, ch, tell)
		} else {
			c.posts = append(c.posts, p)
		}
	}
	c.due = c.next()
}

func (c *Cluster) decide(p post, at int64, ch *Chooser, tell func(Change)) {
	sample := uint32(0)
	if e := c.detector.Enforcing(p.typ); e > 0 && e < 100 {
		sample = uint32(ch.Uniform(DrawSample, 100))
	}
	switch c.detector.Detected(at, p.host, p.typ, sample) {
	case outlier.Ejected:
		tell(Change{At: at, Kind: HostEjected, Host: p.host, Type: p.typ, Until: c.detector.ReturnTick(p.host)})
		c.healthChanged(at, ch, tell)
	case outlier.Overflow:
		tell(Change{At: at, Kind: EjectionOverflow, Host: p.host, Type: p.typ})
	case outlier.Unenforced:
		tell(Change{At: at, Kind: EjectionUnenforced, Host: p.host, Type: p.typ})
	case outlier.Dropped:
	}
}

// healthChanged rebuilds every priority. Each is delivered to the workers now,
// or, within the merge window of the last delivery, when a window has passed
// from now; later changes ride along (cluster_manager_impl.cc, scheduleUpdate).
//
// Rule: RuleEveryLevel, RuleMergeWindow.
func (c *Cluster) healthChanged(at int64, ch *Chooser, tell func(Change)) {
	w := int64(c.cfg.UpdateMergeWindow)
	for p := range c.merge {
		m := &c.merge[p]
		switch {
		case w == 0 || wholeMillis(at-m.last) > wholeMillis(w):
			*m = merge{last: at}
			c.deliver(p, at, ch, tell)
		case m.timer == 0:
			m.timer = at + w
		}
	}
}

func wholeMillis(d int64) int64 { return d / 1_000_000 }

// deliver posts the level's health, as it is now, to the workers.
//
// Rule: RuleMergeRideAlong.
func (c *Cluster) deliver(p int, at int64, ch *Chooser, tell func(Change)) {
	out := make([]bool, len(c.levels[p]))
	for i, h := range c.levels[p] {
		out[i] = c.Ejected(h)
	}
	u := delivery{at + c.delays.ToWorker, p, out}
	if c.delays.ToWorker == 0 {
		c.apply(u, at, ch, tell)
		return
	}
	c.updates = append(c.updates, u)
}

func (c *Cluster) apply(u delivery, at int64, ch *Chooser, tell func(Change)) {
	if c.workers.update(c, u.level, u.out, ch) {
		tell(Change{At: at, Kind: LoadChanged})
	}
}

// Row is the host's line in the endpoint table.
func (c *Cluster) Row(client, h int32) trace.Row {
	host := &c.hosts[h]
	r := trace.Row{
		Client: client, Host: host.Trace, Upstream: host.Upstream, Address: host.Address, Name: host.Name,
		Locality: host.Locality.String(), Priority: host.Priority, Weight: host.Weight,
		Status: status(host.Health), OutlierCheck: "OK", Ejections: int32(c.Ejections(h)), Cluster: c.cfg.Name,
	}
	if c.Ejected(h) {
		r.OutlierCheck = "FAILED"
	}
	return r
}

// status is the column STATUS: what Envoy's admin endpoint makes of the EDS health.
func status(h xds.Health) string {
	switch h {
	case xds.HealthUnhealthy, xds.HealthTimeout:
		return "UNHEALTHY"
	case xds.HealthDraining:
		return "DRAINING"
	case xds.HealthDegraded:
		return "DEGRADED"
	}
	return "HEALTHY"
}

// Same reports whether two clusters are in the same state, as far as what they
// do next goes: hosts out, counters, ticks, and what is on its way.
func (c *Cluster) Same(o *Cluster) bool {
	return c.cfg == o.cfg && c.detector.Equal(&o.detector) && slices.Equal(c.merge, o.merge) && slices.Equal(c.posts, o.posts) &&
		slices.EqualFunc(c.updates, o.updates, delivery.same) && slices.Equal(c.active, o.active) && c.workers.same(&o.workers)
}
