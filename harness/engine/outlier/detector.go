package outlier

import (
	"slices"

	"github.com/faildrill/faildrill/harness/xds"
)

// Type is a kind of detection.
type Type uint8

// The detectors. The order of the consecutive ones is the order in which one
// response posts them.
const (
	ConsecutiveGatewayFailure Type = iota
	Consecutive5xx
	ConsecutiveLocalOriginFailure
	SuccessRate
	LocalOriginSuccessRate
	FailurePercentage
	LocalOriginFailurePercentage
	Degradation // takes nobody out
	types

	consecutiveTypes = SuccessRate // those that count failures in a row
)

// typeNames are what Envoy calls the detectors in its statistics and in its event log.
var typeNames = [types]struct{ stat, event string }{
	{"consecutive_gateway_failure", "CONSECUTIVE_GATEWAY_FAILURE"},
	{"consecutive_5xx", "CONSECUTIVE_5XX"},
	{"consecutive_local_origin_failure", "CONSECUTIVE_LOCAL_ORIGIN_FAILURE"},
	{"success_rate", "SUCCESS_RATE"},
	{"local_origin_success_rate", "SUCCESS_RATE_LOCAL_ORIGIN"},
	{"failure_percentage", "FAILURE_PERCENTAGE"},
	{"local_origin_failure_percentage", "FAILURE_PERCENTAGE_LOCAL_ORIGIN"},
	{"degradation", "DEGRADED"},
}

// String is the name that Envoy's statistics use.
func (t Type) String() string { return typeNames[t].stat }

// AtTick reports whether the detector compares hosts when the interval timer
// fires; the others act on a single result.
func (t Type) AtTick() bool { return t >= SuccessRate && t <= LocalOriginFailurePercentage }

// Verdict is what became of a host.
type Verdict uint8

// The verdicts.
const (
	Dropped    Verdict = iota // the host was out already: nothing came of it
	Overflow                  // max_ejection_percent refused
	Unenforced                // the enforcing percentage let it go
	Ejected
	Returned
	Degraded // used only when the healthy hosts are too few
	Undegraded
)

// Event is something that became of a host.
type Event struct {
	Verdict Verdict
	At      int64
	Host    int32
	Type    Type  // all but Returned and Undegraded
	Until   int64 // Ejected, Degraded: the first tick at which it can be over

	// What Envoy's event log adds; see Log.
	Ejections uint32 // of the host so far, this one included
	SinceLast int64  // since the host's last return, or for a return since its last ejection; below 0: there was none
	Rates     Rates  // of the detectors that compare hosts
}

// Chance decides what Envoy draws a number for, or leaves to the order of a hash
// table, or to the scheduler of the machine.
type Chance interface {
	// Enforce says whether a detection is enforced, at a percentage of 1 to 99.
	Enforce(percent uint32) bool
	// Jitter is any of the numbers below n.
	Jitter(n uint64) uint64
	// Early says whether at the first tick after a return a whole interval has passed.
	Early() bool
	// FirstReturn is the index of the host that the tick comes to first.
	FirstReturn(hosts []int32) int
	// FirstOutlier is the index of the host that the detector ejects first.
	FirstOutlier(t Type, hosts []int32) int
}

// Host is all that outlier detection knows of one host. The zero value is a new
// one. Times of 0 never were: a tick is later than the construction.
type Host struct {
	Consecutive [consecutiveTypes]uint32 // failures in a row, by detector
	External    Window                   // what answered, since the last tick; without the split everything
	LocalOrigin Window                   // what connected

	Ejected           bool
	Degraded          bool
	Ejections         uint32 // over its life; for display only
	Multiplier        uint32 // of base_ejection_time, at the last ejection
	DegradeMultiplier uint32 // the same of the last degradation
	LastEjected       int64  // says nothing before the first ejection
	LastReturned      int64
	LastDegraded      int64
	LastUndegraded    int64

	jitter jitter // of the last ejection or degradation, whichever was later
}

// Detector watches the hosts of one cluster. It is a plain value: Clone gives an
// independent copy.
type Detector struct {
	cfg   xds.OutlierDetection
	rules xds.Rules
	hosts []Host
	n     int // of the hosts, that there are; the others have gone
	// active is the gauge ejections_active. It is more than the hosts that are
	// out after one was ejected twice in one tick.
	active   int
	degraded int // hosts
	next     int64
	doubt    int64 // how far from its instant a tick can be
	stats    Stats
}

// New watches n hosts from the instant at which the cluster is constructed;
// the first interval tick comes one interval after it.
//
// Rule: RuleTickPhase.
func New(cfg xds.OutlierDetection, rules xds.Rules, n int, constructed int64) Detector {
	return Detector{cfg: cfg, rules: rules, hosts: make([]Host, n), n: n, next: constructed + int64(cfg.Interval)}
}

// Clone returns an independent copy.
func (d *Detector) Clone() Detector {
	c := *d
	c.hosts = append([]Host(nil), d.hosts...)
	return c
}

// Remap changes whom the detector watches: host h is the one that was at from[h]
// before, or a new one where from[h] is negative; n of them there are, the
// others have gone. Who is left out gives its place among the ejected free.
//
// Rule: RuleMembersEjected.
func (d *Detector) Remap(from []int32, n int) {
	hosts := make([]Host, len(from))
	for h, f := range from {
		if f >= 0 {
			hosts[h] = d.hosts[f]
		}
	}
	out, degraded := marked(d.hosts)
	stillOut, stillDegraded := marked(hosts)
	d.active -= out - stillOut
	d.degraded -= degraded - stillDegraded
	d.hosts, d.n = hosts, n
}

func marked(hosts []Host) (ejected, degraded int) {
	for h := range hosts {
		if hosts[h].Ejected {
			ejected++
		}
		if hosts[h].Degraded {
			degraded++
		}
	}
	return ejected, degraded
}

// Equal reports whether two detectors are in the same state; counters of
// statistics aside, and windows that nobody will look at.
func (d *Detector) Equal(o *Detector) bool {
	same := func(a, b Host) bool {
		if !d.ComparesHosts() {
			a.External, a.LocalOrigin, b.External, b.LocalOrigin = Window{}, Window{}, Window{}, Window{}
		}
		return a == b
	}
	return d.active == o.active && d.n == o.n && d.next == o.next && slices.EqualFunc(d.hosts, o.hosts, same)
}

// Host returns the state of host h.
func (d *Detector) Host(h int32) *Host { return &d.hosts[h] }

// Active is the gauge ejections_active.
func (d *Detector) Active() int { return d.active }

// NextTick is when the interval timer fires next.
func (d *Detector) NextTick() int64 { return d.next }

// Retick moves the next interval tick, and with it those that follow: Envoy arms
// the timer anew at each tick, and a run can show when it fired, give or take the
// doubt in nanoseconds.
func (d *Detector) Retick(at, doubt int64) { d.next, d.doubt = at, doubt }

// Follow marks a host as somebody else's detector did. Times and counters stay.
func (d *Detector) Follow(h int32, v Verdict) {
	switch host := &d.hosts[h]; v {
	case Ejected:
		host.Ejected = true
	case Returned:
		host.Ejected = false
	case Degraded:
		host.Degraded = true
	case Undegraded:
		host.Degraded = false
	case Dropped, Overflow, Unenforced:
	}
}
