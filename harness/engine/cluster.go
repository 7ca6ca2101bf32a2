package engine

import (
	"math"
	"slices"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/engine/priority"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Host is one address of a cluster.
type Host struct {
	Name     string // DNS name that the address came from, if any
	Target   int32  // strict DNS: which name of the configuration, from 0
	Address  string // ip:port
	Port     uint32
	Locality xds.Locality
	Priority uint32
	Weight   uint32
	Health   xds.Health
	TLSMode  string // "istio": it is behind a sidecar
	Upstream int32  // -1: none serves it
	Trace    int32  // index in the trace
}

// Delays are the two hops between a response and the next pick. Zero means that
// everything happens at once.
type Delays struct {
	ToMain   int64 // from a worker to the main thread
	ToWorker int64 // and back
	Apart    int64 // from one detection of a result to the next, on the main thread
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
	hosts  []Host       // those that have gone keep their place
	fate   []int32      // by host: itself, NoHost when it has gone, or the one that it is now
	levels [][]int32    // the hosts that there are by priority, in order
	counts [][]standing // how each of them counts since its level was last rebuilt
	delays Delays

	detector outlier.Detector
	watched  bool
	merge    []merge
	posts    []post     // on their way to the main thread
	updates  []delivery // on their way to the workers
	due      int64      // the earliest of all that: when Advance has something to do
	now      int64      // for picks that depend on it
	doubt    int64      // how far from its instant what the main thread does can be

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

// delivery is one or more priorities as the main thread saw them.
type delivery struct {
	at   int64
	sets []hostSet
}

// hostSet is one priority: its hosts and how each of them counts.
type hostSet struct {
	level  int
	hosts  []int32
	counts []standing
}

// mark is what outlier detection has done to a host.
type mark uint8

const (
	unmarked mark = iota
	degraded
	ejected // degraded as well, maybe: it makes no difference
)

func (d delivery) same(o delivery) bool {
	return d.at == o.at && slices.EqualFunc(d.sets, o.sets, func(a, b hostSet) bool {
		return a.level == b.level && slices.Equal(a.hosts, b.hosts) && slices.Equal(a.counts, b.counts)
	})
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
	HostDegraded
	HostUndegraded
	LoadChanged
	HostAdded   // discovery brought it
	HostRemoved // discovery does not name it any more
)

// Change is something that a cluster decided. LoadChanged has no more than At.
type Change struct {
	Kind ChangeKind
	outlier.Event
}

// NewCluster constructs a cluster at an instant; its interval ticks count from there.
func NewCluster(cfg *xds.Cluster, rules xds.Rules, hosts []Host, delays Delays, now int64, ch *Chooser) *Cluster {
	c := &Cluster{cfg: cfg, rules: rules, hosts: hosts, delays: delays, now: now, active: make([]uint32, len(hosts))}
	n := 0
	for _, h := range hosts {
		n = max(n, int(h.Priority)+1)
	}
	c.levels = make([][]int32, n)
	for i, h := range hosts {
		c.levels[h.Priority] = append(c.levels[h.Priority], int32(i))
	}
	c.fate = make([]int32, len(hosts))
	for i := range c.fate {
		c.fate[i] = int32(i)
	}
	c.counts = make([][]standing, n)
	c.merge = make([]merge, n)
	for p := range c.merge {
		c.merge[p].last = longAgo
	}
	if cfg.OutlierDetection != nil {
		c.watched = true
		c.detector = outlier.New(*cfg.OutlierDetection, rules, len(hosts), now)
	}
	for p := range c.levels {
		c.rebuild(p)
	}
	c.answered(now, ch)
	c.due = c.next()
	c.workers.init(c, ch)
	return c
}

// Clone returns an independent copy.
func (c *Cluster) Clone() *Cluster {
	d := *c
	d.detector = c.detector.Clone()
	d.counts = append([][]standing(nil), c.counts...)
	d.merge = append([]merge(nil), c.merge...)
	d.posts = append([]post(nil), c.posts...)
	d.updates = append([]delivery(nil), c.updates...)
	d.active = append([]uint32(nil), c.active...)
	d.workers = c.workers.clone()
	return &d
}

// Config is the configuration that the cluster was made from.
func (c *Cluster) Config() *xds.Cluster { return c.cfg }

// Hosts are the hosts that there ever were: those of the construction in the
// order of the configuration, then those that came later.
func (c *Cluster) Hosts() []Host { return c.hosts }

// Members are the hosts that there are, by priority.
func (c *Cluster) Members() []int32 { return slices.Concat(c.levels...) }

// Gone reports whether the host is there no more. Requests may still be on their
// way to it.
func (c *Cluster) Gone(h int32) bool { return c.fate[h] != h }

// Removed reports whether discovery has removed the host: its connections serve
// nobody any more. A host that only moved to another address has gone, and is
// not removed.
func (c *Cluster) Removed(h int32) bool { return c.fate[h] == NoHost }

// Moved is which host this one is now: itself, another one when it moved to
// another address, or NoHost.
func (c *Cluster) Moved(h int32) int32 { return c.fate[h] }

// Retrace tells where in the trace a host is.
func (c *Cluster) Retrace(h, index int32) { c.hosts[h].Trace = index }

// Ejected reports whether the main thread holds the host ejected.
func (c *Cluster) Ejected(h int32) bool { return c.watched && c.detector.Host(h).Ejected }

// Degraded reports whether outlier detection holds the host degraded.
func (c *Cluster) Degraded(h int32) bool { return c.watched && c.detector.Host(h).Degraded }

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

// Counters are the statistics as Envoy names them, behind
// cluster.NAME.outlier_detection; none without outlier detection.
func (c *Cluster) Counters() []outlier.Counter {
	if !c.watched {
		return nil
	}
	return c.detector.Counters()
}

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

// NextTick is when the interval timer fires next, if there is one.
func (c *Cluster) NextTick() (int64, bool) { return c.detector.NextTick(), c.watched }

// ComparesHosts reports whether interval ticks compare the hosts' results.
func (c *Cluster) ComparesHosts() bool { return c.watched && c.detector.ComparesHosts() }

// Retick moves the next interval tick, and with it those that follow. Its instant is
// known to within the doubt.
func (c *Cluster) Retick(at, doubt int64) {
	c.detector.Retick(at, doubt)
	c.doubt = doubt
	c.due = c.next()
}

// MoveMerges lets the merged updates that are due from one instant to another be
// delivered at an instant instead: a live proxy's timers that end together fire in any
// order. It reports whether there are such updates.
func (c *Cluster) MoveMerges(from, to, at int64) bool {
	moved := false
	for p := range c.merge {
		if m := &c.merge[p]; m.timer != 0 && m.timer >= from && m.timer <= to && m.timer != at {
			m.timer, moved = at, true
		}
	}
	c.due = c.next()
	return moved
}

// Follow does what a live proxy did to a host, as its event log says, and lets the
// workers know of it. A cluster that only follows has no ticks of its own: they
// are moved out of the way with Retick.
func (c *Cluster) Follow(now int64, h int32, v outlier.Verdict, ch *Chooser, tell func(Change)) {
	c.Advance(now, ch, tell)
	c.detector.Follow(h, v)
	c.healthChanged(now, ch, tell)
	c.due = c.next()
}

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
	c.now = now
	for c.due <= now {
		c.step(c.due, ch, tell)
		c.due = c.next()
	}
}

// At tells a cluster that has nothing due what time it is; Advance does so too.
func (c *Cluster) At(now int64) { c.now = now }

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
	if p, ok := c.merged(at, ch); ok {
		c.merge[p] = merge{last: at}
		c.deliver(at, ch, tell, p)
		return
	}
	c.tick(at, ch, tell)
}

// merged is a priority whose merged update is due. One change arms the timers of several
// priorities alike, and libevent fires those that end together in any order.
func (c *Cluster) merged(at int64, ch *Chooser) (p int, ok bool) {
	due := make([]int, 0, 4)
	for p := range c.merge {
		if c.merge[p].timer == at {
			due = append(due, p)
		}
	}
	switch len(due) {
	case 0:
		return 0, false
	case 1:
		return due[0], true
	}
	return due[ch.Observed(Question{Draw: DrawTimer, N: uint64(len(due))}, 0)], true
}

// tick is the interval timer. Each return and each ejection changes the health by
// itself, so that of several in one tick only the first reaches the workers at
// once; the others wait for the merge window.
func (c *Cluster) tick(at int64, ch *Chooser, tell func(Change)) {
	c.detector.OnInterval(luck{ch, at}, func(e outlier.Event) { c.happened(e, ch, tell) })
}

// Report counts the result of an attempt on the host. Nobody is charged for one
// that has gone.
//
// Rule: RuleThreadHops, RuleGoneNotCharged.
func (c *Cluster) Report(now int64, h int32, r outlier.Result, code int, ch *Chooser, tell func(Change)) {
	if !c.watched {
		return
	}
	if h = c.fate[h]; h == NoHost {
		return
	}
	ds := c.detector.Report(h, r, code)
	if ds.None() {
		return
	}
	for i, t := range ds.List() {
		p := post{now + c.delays.ToMain + int64(i)*c.delays.Apart, h, t}
		if c.delays.ToMain == 0 {
			c.decide(p, now, ch, tell)
		} else {
			c.posts = append(c.posts, p)
		}
	}
	c.due = c.next()
}

// Pending is how many detections the main thread has not heard of.
func (c *Cluster) Pending() int { return len(c.posts) }

// Hear lets the main thread hear of a detection at an instant, which is later than it
// would: of the first by that detector that is pending after some others. It reports
// whether there is one.
func (c *Cluster) Hear(after int, detector string, at int64) bool {
	for i := after; i < len(c.posts); i++ {
		if p := &c.posts[i]; p.typ.String() == detector && p.at < at {
			p.at = at
			c.due = c.next()
			return true
		}
	}
	return false
}

// InOrder lets the main thread hear of detections in the order of the results that set
// them off, where they were reported with times of their own. It reports whether one
// would have been heard before another.
func (c *Cluster) InOrder() bool {
	moved := false
	for i := 1; i < len(c.posts); i++ {
		if last := c.posts[i-1].at; c.posts[i].at < last {
			c.posts[i].at, moved = last+1, true
		}
	}
	c.due = c.next()
	return moved
}

func (c *Cluster) decide(p post, at int64, ch *Chooser, tell func(Change)) {
	if p.host = c.fate[p.host]; p.host == NoHost {
		return
	}
	c.happened(c.detector.Detected(at, p.host, p.typ, luck{ch, at}), ch, tell)
}

// happened tells what outlier detection did, and lets the workers know of the
// hosts' health.
func (c *Cluster) happened(e outlier.Event, ch *Chooser, tell func(Change)) {
	if e.Verdict == outlier.Dropped {
		return
	}
	tell(Change{kinds[e.Verdict], e})
	if e.Verdict != outlier.Overflow && e.Verdict != outlier.Unenforced {
		c.healthChanged(e.At, ch, tell)
	}
}

// kinds are the changes that outlier detection makes.
var kinds = [...]ChangeKind{
	outlier.Overflow: EjectionOverflow, outlier.Unenforced: EjectionUnenforced,
	outlier.Ejected: HostEjected, outlier.Returned: HostReturned, outlier.Degraded: HostDegraded, outlier.Undegraded: HostUndegraded,
}

// luck is what chance decides about outlier detection at an instant.
type luck struct {
	ch *Chooser
	at int64
}

func (l luck) Enforce(percent uint32) bool { return uint32(l.ch.Uniform(DrawSample, 100)) < percent }

func (l luck) Jitter(n uint64) uint64 { return l.ch.Uniform(DrawJitter, n) }

// earlyDecays is how often the back-off decayed at the first tick after a
// return, in percent: 39 of 108 times on Envoy 1.36.2 and 41 of 108 on 1.40.0 (X40).
const earlyDecays = 37

func (l luck) Early() bool { return l.ch.Uniform(DrawDecay, 100) < earlyDecays }

func (l luck) FirstReturn(hosts []int32) int {
	return int(l.ch.Observed(Question{Draw: DrawReturn, N: uint64(len(hosts)), Hosts: hosts}, 0))
}

func (l luck) FirstOutlier(t outlier.Type, hosts []int32) int {
	return int(l.ch.Next(Question{Draw: DrawOutlier, N: uint64(len(hosts)), Hosts: hosts, At: l.at, Detector: t}))
}

// healthChanged rebuilds every priority. Each is delivered to the workers now,
// or, within the merge window of the last delivery, when a window has passed
// from now; later changes ride along (cluster_manager_impl.cc, scheduleUpdate).
//
// Rule: RuleEveryLevel.
func (c *Cluster) healthChanged(at int64, ch *Chooser, tell func(Change)) {
	for p := range c.merge {
		c.rebuild(p)
		if c.isDue(p, at, true, ch) {
			c.deliver(at, ch, tell, p)
		}
	}
}

// isDue reports whether a change of the priority is delivered now; otherwise it
// waits. Only a change that leaves the hosts the same ones can be merged.
//
// Rule: RuleMergeWindow, RuleMembersAtOnce.
func (c *Cluster) isDue(p int, at int64, mergeable bool, ch *Chooser) bool {
	w, m := int64(c.cfg.UpdateMergeWindow), &c.merge[p]
	switch {
	case !mergeable || w == 0 || c.passed(wholeMillis(at-m.last) > wholeMillis(w), at-m.last-w, ch):
		*m = merge{last: at}
		return true
	case m.timer == 0:
		m.timer = at + w
	}
	return false
}

// passed is whether a merge window has passed, off nanoseconds after its end. Where
// the instants are in doubt, an observation can know better.
func (c *Cluster) passed(said bool, off int64, ch *Chooser) bool {
	if c.doubt == 0 || off < -c.doubt || off > c.doubt {
		return said
	}
	otherwise := uint64(0)
	if said {
		otherwise = 1
	}
	return ch.Observed(Question{Draw: DrawMerge, N: 2}, otherwise) == 1
}

// standing is how a host counts in its priority.
type standing uint8

const (
	countsHealthy standing = 1 << iota
	countsDegraded
	countsExcluded // left out of every denominator
)

// rebuild looks at the health of a priority's hosts anew.
//
// Rule: RulePartition.
func (c *Cluster) rebuild(p int) {
	counts := make([]standing, len(c.levels[p]))
	for i, h := range c.levels[p] {
		counts[i] = standings[coarse(c.hosts[h].Health, c.mark(h))]
		if excluded(c, h) {
			counts[i] |= countsExcluded
		}
	}
	c.counts[p] = counts
}

// standings are those of each health.
var standings = [...]standing{isHealthy: countsHealthy, isDegraded: countsDegraded, isUnhealthy: 0}

func wholeMillis(d int64) int64 { return d / 1_000_000 }

// deliver posts the levels, as they are now, to the workers.
//
// Rule: RuleMergeRideAlong.
func (c *Cluster) deliver(at int64, ch *Chooser, tell func(Change), levels ...int) {
	u := delivery{at: at + c.delays.ToWorker}
	for _, p := range levels {
		u.sets = append(u.sets, hostSet{p, c.levels[p], c.counts[p]})
	}
	if c.delays.ToWorker == 0 {
		c.apply(u, at, ch, tell)
		return
	}
	// Each is posted by itself: a worker can have heard of one and not of the next.
	if n := len(c.updates); n > 0 && ch.guide != nil && c.updates[n-1].at >= u.at {
		u.at = c.updates[n-1].at + c.delays.Apart
	}
	c.updates = append(c.updates, u)
}

func (c *Cluster) mark(h int32) mark {
	switch {
	case c.Ejected(h):
		return ejected
	case c.Degraded(h):
		return degraded
	}
	return unmarked
}

func (c *Cluster) apply(u delivery, at int64, ch *Chooser, tell func(Change)) {
	old := c.workers.loads.Clone()
	for _, s := range u.sets {
		c.workers.update(c, s, at, ch)
	}
	if !old.Equal(&c.workers.loads) {
		tell(Change{LoadChanged, outlier.Event{At: at}})
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
	return c.cfg == o.cfg && slices.Equal(c.hosts, o.hosts) && slices.Equal(c.fate, o.fate) && slices.EqualFunc(c.levels, o.levels, slices.Equal) &&
		slices.EqualFunc(c.counts, o.counts, slices.Equal) && c.detector.Equal(&o.detector) && c.sameMerges(o) && slices.Equal(c.posts, o.posts) &&
		slices.EqualFunc(c.updates, o.updates, delivery.same) && slices.Equal(c.active, o.active) && c.workers.same(&o.workers)
}

// sameMerges reports whether the merge windows of two clusters that have come to the
// same instant will make no difference: one that is long over is like none.
func (c *Cluster) sameMerges(o *Cluster) bool {
	over := min(c.now, o.now) - int64(c.cfg.UpdateMergeWindow) - max(c.doubt, o.doubt) - 2_000_000
	return slices.EqualFunc(c.merge, o.merge, func(a, b merge) bool {
		return a.timer == b.timer && (a.last == b.last || a.last < over && b.last < over)
	})
}
