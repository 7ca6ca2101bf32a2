// Package outlier ejects hosts the way Envoy does.
//
// A Detector watches the hosts of one cluster. Results of upstream attempts go
// in, detections come out; what a detection leads to is decided apart from it,
// because Envoy decides on its main thread, a moment later:
//
//	d := outlier.New(cfg, rules, 2, now)
//	for _, det := range d.Report(host, outlier.ConnectFailed, 0) {
//	        v := d.Detected(now, host, det, sample)   // Ejected, Overflow, ...
//	}
//	for d.NextTick() <= now {
//	        d.OnInterval(d.Returning(nil), early, func(host int32) { ... })
//	}
//
// Time is in nanoseconds from any origin and chance comes in as an argument.
//
// Rules: Envoy's documentation, "Outlier detection", and
// source/common/upstream/outlier_detection_impl.cc. Not here: success rate and
// failure percentage, degraded detection, active health checks.
package outlier

import (
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

// Result is what the router reports about an upstream attempt.
type Result uint8

// The results that Envoy's router knows.
const (
	ConnectSuccess Result = iota // attached to a connection
	RequestSuccess               // response headers with a status below 500
	RequestFailed                // response headers with a status of 500 or more
	ConnectFailed                // no connection, or the stream was reset
	Timeout                      // the route or per-try timeout fired on a connection
)

// Type is a kind of detection.
type Type uint8

// The consecutive detectors. Their order is the order in which one response
// posts them.
const (
	ConsecutiveGatewayFailure Type = iota
	Consecutive5xx
	ConsecutiveLocalOriginFailure
	types
)

var typeNames = [types]string{"consecutive_gateway_failure", "consecutive_5xx", "consecutive_local_origin_failure"}

// String is the name that Envoy's statistics and the deciding field use.
func (t Type) String() string { return typeNames[t] }

// Verdict is what a detection led to.
type Verdict uint8

// The verdicts of Detected.
const (
	Dropped    Verdict = iota // the host was out already
	Overflow                  // max_ejection_percent refused
	Unenforced                // the enforcing percentage let it go
	Ejected
)

// Host is the outlier state of one host.
type Host struct {
	Consecutive [types]uint32 // failures in a row, by detector
	Ejected     bool
	Ejections   uint32 // over its life; for display only
	Multiplier  uint32 // of base_ejection_time, at the last ejection
	LastEjected int64
	Eligible    int64 // the earliest instant at which a tick lets it return

	returnedAt int64 // tick number of the return; 0 when it never returned
}

// Stats are the cluster's outlier_detection counters.
type Stats struct {
	Detected [types]uint64
	Enforced [types]uint64
	Overflow uint64
}

// Detector watches the hosts of one cluster. It is a plain value: Clone gives an independent copy.
type Detector struct {
	cfg    xds.OutlierDetection
	rules  xds.Rules
	hosts  []Host
	active int // ejected now: the gauge ejections_active
	ticks  int64
	next   int64
	stats  Stats
}

// New watches n hosts from the instant at which the cluster is constructed;
// the first interval tick comes one interval after it.
//
// Rule: RuleTickPhase.
func New(cfg xds.OutlierDetection, rules xds.Rules, n int, constructed int64) Detector {
	return Detector{cfg: cfg, rules: rules, hosts: make([]Host, n), next: constructed + int64(cfg.Interval)}
}

// Clone returns an independent copy.
func (d *Detector) Clone() Detector {
	c := *d
	c.hosts = append([]Host(nil), d.hosts...)
	return c
}

// Equal reports whether two detectors are in the same state; counters of
// statistics aside.
func (d *Detector) Equal(o *Detector) bool {
	return d.active == o.active && d.next == o.next && d.ticks == o.ticks && slices.Equal(d.hosts, o.hosts)
}

// Host returns the state of host h.
func (d *Detector) Host(h int32) *Host { return &d.hosts[h] }

// Active is the number of hosts that are ejected now.
func (d *Detector) Active() int { return d.active }

// Stats returns the counters.
func (d *Detector) Stats() Stats { return d.stats }

// NextTick is when the interval timer fires next.
func (d *Detector) NextTick() int64 { return d.next }

// Detections are the detectors that one result set off; at most two.
type Detections struct {
	list [2]Type
	n    int
}

// List returns them in the order in which they are posted to the main thread.
func (ds *Detections) List() []Type { return ds.list[:ds.n] }

// None reports whether no detector was set off.
func (ds *Detections) None() bool { return ds.n == 0 }

func (ds *Detections) add(t Type) { ds.list[ds.n] = t; ds.n++ }

// Report counts the result of one attempt on host h. The code is the response
// status for RequestSuccess and RequestFailed, and ignored otherwise. Each
// attempt counts, those that will be retried too.
//
// Rule: RuleEveryAttemptCharged, RuleLocalErrorsAsCodes.
func (d *Detector) Report(h int32, r Result, code int) (ds Detections) {
	if d.cfg.SplitExternalLocalOriginErrors {
		d.reportSplit(h, r, code, &ds)
		return ds
	}
	// Without the split, an error of the local side looks like an answer.
	switch r {
	case ConnectSuccess:
	case RequestSuccess, RequestFailed:
		d.httpCode(h, code, &ds)
	case ConnectFailed:
		d.httpCode(h, 503, &ds)
	case Timeout:
		d.httpCode(h, 504, &ds)
	}
	return ds
}

// reportSplit keeps errors of the local side apart from answers.
//
// Rule: RuleSplitLocalOrigin.
func (d *Detector) reportSplit(h int32, r Result, code int, ds *Detections) {
	switch r {
	case ConnectSuccess:
		d.hosts[h].Consecutive[ConsecutiveLocalOriginFailure] = 0
	case ConnectFailed, Timeout:
		d.count(h, ConsecutiveLocalOriginFailure, ds)
	case RequestSuccess, RequestFailed:
		d.httpCode(h, code, ds)
	}
}

// httpCode is one status. A gateway failure is a 5xx too, and is posted first;
// another 5xx ends a run of gateway failures; anything else ends both runs.
//
// Rule: RuleGatewayCodes, RuleGatewayFirst, RuleSuccessEndsRuns.
func (d *Detector) httpCode(h int32, code int, ds *Detections) {
	host := &d.hosts[h]
	if code < 500 || code >= 600 {
		host.Consecutive[Consecutive5xx] = 0
		host.Consecutive[ConsecutiveGatewayFailure] = 0
		return
	}
	if code >= 502 && code <= 504 {
		d.count(h, ConsecutiveGatewayFailure, ds)
	} else {
		host.Consecutive[ConsecutiveGatewayFailure] = 0
	}
	d.count(h, Consecutive5xx, ds)
}

// count adds one failure. Only reaching the threshold exactly sets the detector
// off, so that a threshold of 0 never does, and failures that race past it do
// not set it off twice.
//
// Rule: RuleThresholdEquality.
func (d *Detector) count(h int32, t Type, ds *Detections) {
	n := &d.hosts[h].Consecutive[t]
	*n++
	if *n == d.threshold(t) {
		ds.add(t)
	}
}

func (d *Detector) threshold(t Type) uint32 {
	switch t {
	case ConsecutiveGatewayFailure:
		return d.cfg.ConsecutiveGatewayFailure
	case Consecutive5xx:
		return d.cfg.Consecutive5xx
	}
	return d.cfg.ConsecutiveLocalOriginFailure
}

func (d *Detector) enforcing(t Type) uint32 {
	switch t {
	case ConsecutiveGatewayFailure:
		return d.cfg.EnforcingConsecutiveGatewayFailure
	case Consecutive5xx:
		return d.cfg.EnforcingConsecutive5xx
	}
	return d.cfg.EnforcingConsecutiveLocalOriginFailure
}

// Enforcing is the percentage that decides whether a detection of this type ejects.
func (d *Detector) Enforcing(t Type) uint32 { return d.enforcing(t) }

// Detected decides what becomes of a detection when the main thread gets it.
// The sample, 0..99, decides when the enforcing percentage is neither 0 nor 100.
//
// The counter of the detection restarts although the ejection was refused: the
// host needs another full run of failures.
//
// Rule: RuleEjectedDropped, RuleCounterRestarts.
func (d *Detector) Detected(now int64, h int32, t Type, sample uint32) Verdict {
	host := &d.hosts[h]
	if host.Ejected {
		return Dropped // and the counter keeps its value
	}
	d.stats.Detected[t]++
	v := d.eject(now, host, t, sample)
	host.Consecutive[t] = 0
	return v
}

func (d *Detector) eject(now int64, host *Host, t Type, sample uint32) Verdict {
	// The cap is asked before the sampler, so that a detector that is never
	// enforced still adds to the overflow counter.
	// Rule: RuleCapBeforeSampler, RuleEnforcing.
	if !d.Allows() {
		d.stats.Overflow++
		return Overflow
	}
	if sample >= d.enforcing(t) {
		return Unenforced
	}
	d.active++
	d.stats.Enforced[t]++
	host.Ejected = true
	host.Ejections++
	host.LastEjected = now
	// Rule: RuleEjectionTime, RuleMultiplierCap.
	base, limit := int64(d.cfg.BaseEjectionTime), int64(d.maxEjectionTime())
	if int64(host.Multiplier)*base < limit+base {
		host.Multiplier++
	}
	host.Eligible = now + min(int64(host.Multiplier)*base, limit)
	return Ejected
}

// maxEjectionTime is never below the base.
func (d *Detector) maxEjectionTime() time.Duration {
	return max(d.cfg.MaxEjectionTime, d.cfg.BaseEjectionTime)
}

// Allows reports whether max_ejection_percent lets one more host go. The
// percentage is of all hosts of the cluster, over all priorities, healthy or
// not, and counts the host that is about to go - since Envoy 1.28; before, only
// those that were out already.
func (d *Detector) Allows() bool {
	return Allowed(d.active, len(d.hosts), d.cfg.MaxEjectionPercent, d.cfg.AlwaysEjectOneHost, d.rules.FirstEjectionAlwaysAllowed)
}

// Allowed is the rule of max_ejection_percent: may one of n hosts be ejected
// while active are out?
//
// Rule: RuleMaxEjectionPercent, RuleStrictMaxEjectionPercent, RuleAlwaysEjectOneHost.
func Allowed(active, n int, percent uint32, alwaysOne, firstFree bool) bool {
	if n == 0 {
		return false
	}
	limit := float64(min(percent, 100))
	if firstFree {
		return 100*float64(active)/float64(n) < limit
	}
	if alwaysOne && active == 0 {
		return true
	}
	return 100*float64(active+1)/float64(n) <= limit
}

// Returning appends to buf the hosts that the next tick lets return, in the
// order of the configuration.
//
// Rule: RuleReturnAtTick.
func (d *Detector) Returning(buf []int32) []int32 {
	for h := range d.hosts {
		if host := &d.hosts[h]; host.Ejected && d.next >= host.Eligible {
			buf = append(buf, int32(h))
		}
	}
	return buf
}

// OnInterval is the interval tick at d.NextTick(). The hosts of d.Returning
// return one by one, in the order given - Envoy's is that of a hash table - and
// back is told of each before the next one does, because what the workers hear
// first shows the first of them alone.
//
// early says whether a host that returned at the tick before has been back for
// a whole interval: the two instants are one interval apart give or take what
// the machine adds, so that either can be.
//
// Rule: RuleReturnClearsCounters, RuleReturnsOneByOne.
func (d *Detector) OnInterval(returning []int32, early bool, back func(h int32)) {
	d.ticks++
	for _, h := range returning {
		host := &d.hosts[h]
		d.active--
		host.Ejected = false
		host.Consecutive = [types]uint32{}
		host.returnedAt = d.ticks
		back(h)
	}
	for h := range d.hosts {
		d.decay(&d.hosts[h], early)
	}
	d.next += int64(d.cfg.Interval)
}

// MayDecayEarly reports whether the next tick is the first one after a return,
// so that early matters to OnInterval. Before Envoy 1.28 there was no doubt.
func (d *Detector) MayDecayEarly() bool {
	if !d.rules.DecayNeedsHealthyInterval {
		return false
	}
	for h := range d.hosts {
		if host := &d.hosts[h]; !host.Ejected && host.returnedAt != 0 && host.returnedAt == d.ticks && host.Multiplier > 0 {
			return true
		}
	}
	return false
}

// decay takes one from the multiplier at each tick for a host that has been
// back for at least one interval, whether or not it gets traffic; at the tick
// of the return itself it has not.
//
// Rule: RuleDecay, RuleDecayNeedsInterval.
func (d *Detector) decay(host *Host, early bool) {
	if host.Ejected || host.returnedAt == 0 || host.Multiplier == 0 {
		return
	}
	since := d.ticks - host.returnedAt
	if since > 1 || since == 1 && (early || !d.rules.DecayNeedsHealthyInterval) {
		host.Multiplier--
	}
}

// ReturnTick is the tick at which an ejected host returns.
func (d *Detector) ReturnTick(h int32) int64 {
	e := d.hosts[h].Eligible
	if e <= d.next {
		return d.next
	}
	iv := int64(d.cfg.Interval)
	return d.next + (e-d.next+iv-1)/iv*iv
}
