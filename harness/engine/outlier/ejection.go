package outlier

import "time"

// eject is an attempt to take a host out. It does not ask whether the host is out
// already.
//
// The cap is asked before the sampler, so that a detector that is never enforced
// still adds to the overflow counter.
//
// Rule: RuleCapBeforeSampler.
func (d *Detector) eject(now int64, h int32, t Type, r Rates, chance Chance) Event {
	host := &d.hosts[h]
	d.stats.Detected[t]++
	e := Event{At: now, Host: h, Type: t, Rates: r, SinceLast: since(now, host.LastReturned)}
	if !d.Allows() {
		d.stats.Overflow++
		e.Verdict, e.Ejections = Overflow, host.Ejections
		return e
	}
	d.stats.allowed(t)
	if !d.enforces(t, chance) {
		e.Verdict, e.Ejections = Unenforced, host.Ejections
		return e
	}
	d.active++
	d.stats.Enforced[t]++
	host.Ejected = true
	host.Ejections++
	host.LastEjected = now
	host.jitter = d.anyJitter()
	host.Multiplier = d.grown(host.Multiplier)
	e.Verdict, e.Ejections, e.Until = Ejected, host.Ejections, d.ReturnTick(h)
	return e
}

// since is the time since an instant, -1 when it never was.
func since(now, last int64) int64 {
	if last == 0 {
		return -1
	}
	return now - last
}

// Allows reports whether max_ejection_percent lets one more host go. The
// percentage is of all hosts of the cluster, over all priorities, healthy or
// not, and counts the host that is about to go - since Envoy 1.28; before, only
// those that were out already.
func (d *Detector) Allows() bool { return d.allows(1) }

// allows reports whether n more hosts can go, one after another.
func (d *Detector) allows(n int) bool {
	for i := range n {
		if !Allowed(d.active+i, d.n, d.cfg.MaxEjectionPercent, d.cfg.AlwaysEjectOneHost, d.rules.FirstEjectionAlwaysAllowed) {
			return false
		}
	}
	return true
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

// enforces is the sampler of the enforcing percentages: 0 never, 100 always,
// between them a draw for each attempt.
//
// Rule: RuleEnforcing.
func (d *Detector) enforces(t Type, chance Chance) bool {
	switch p := d.enforcing(t); {
	case p == 0:
		return false
	case p >= 100:
		return true
	default:
		return chance.Enforce(p)
	}
}

func (d *Detector) enforcing(t Type) uint32 {
	return [types]uint32{
		ConsecutiveGatewayFailure:     d.cfg.EnforcingConsecutiveGatewayFailure,
		Consecutive5xx:                d.cfg.EnforcingConsecutive5xx,
		ConsecutiveLocalOriginFailure: d.cfg.EnforcingConsecutiveLocalOriginFailure,
		SuccessRate:                   d.cfg.EnforcingSuccessRate,
		LocalOriginSuccessRate:        d.cfg.EnforcingLocalOriginSuccessRate,
		FailurePercentage:             d.cfg.EnforcingFailurePercentage,
		LocalOriginFailurePercentage:  d.cfg.EnforcingFailurePercentageLocalOrigin,
	}[t]
}

// grown is the multiplier of the next ejection: one more, until it is one above
// what max_ejection_time allows. That last step changes no duration, and costs
// one tick more to decay.
//
// Rule: RuleMultiplierCap.
func (d *Detector) grown(multiplier uint32) uint32 {
	base, limit := int64(d.cfg.BaseEjectionTime), int64(d.maxEjectionTime())
	if int64(multiplier)*base < limit+base {
		multiplier++
	}
	return multiplier
}

// lasts is how long a multiplier takes a host out, the jitter aside.
//
// Rule: RuleEjectionTime.
func (d *Detector) lasts(multiplier uint32) int64 {
	return min(int64(multiplier)*int64(d.cfg.BaseEjectionTime), int64(d.maxEjectionTime()))
}

// maxEjectionTime is never below the base; Envoy refuses such a configuration.
func (d *Detector) maxEjectionTime() time.Duration {
	return max(d.cfg.MaxEjectionTime, d.cfg.BaseEjectionTime)
}

// jitter is what is known of a number of milliseconds that chance has drawn:
// it is not less than one bound and not more than the other. Envoy draws it when
// the host goes; here it is asked for where it decides, at a tick, and only
// whether it is over. That is the same chance, and what was observed can answer.
type jitter struct {
	least, most uint64
}

// anyJitter is a fresh draw, up to max_ejection_time_jitter.
//
// Rule: RuleJitter.
func (d *Detector) anyJitter() jitter {
	return jitter{0, uint64(max(0, d.cfg.MaxEjectionTimeJitter) / time.Millisecond)}
}

// over reports whether the jitter is over after a wait.
func (j *jitter) over(wait int64, chance Chance) bool {
	if wait < 0 {
		return false
	}
	ms := uint64(wait) / uint64(time.Millisecond)
	switch {
	case ms >= j.most:
		return true
	case ms < j.least:
		return false
	case j.least+chance.Jitter(j.most-j.least+1) <= ms:
		j.most = ms
		return true
	}
	j.least = ms + 1
	return false
}

// ejectionOver reports whether a tick lets an ejected host return.
//
// Rule: RuleReturnAtTick.
func (d *Detector) ejectionOver(host *Host, now int64, chance Chance) bool {
	return host.jitter.over(now-host.LastEjected-d.lasts(host.Multiplier), chance)
}

// uneject lets a host return. A host that was ejected twice in one tick counts
// as out once more than it should from now on.
//
// Rule: RuleReturnClearsCounters.
func (d *Detector) uneject(now int64, h int32) Event {
	host := &d.hosts[h]
	d.active--
	host.Ejected = false
	host.Consecutive = [consecutiveTypes]uint32{}
	host.LastReturned = now
	return Event{Verdict: Returned, At: now, Host: h, Ejections: host.Ejections, SinceLast: now - host.LastEjected}
}

// ReturnTick is the first tick at which an ejected host may return; jitter can
// keep it for some more.
func (d *Detector) ReturnTick(h int32) int64 {
	host := &d.hosts[h]
	return d.tickAt(host.LastEjected + d.lasts(host.Multiplier) + int64(host.jitter.least)*int64(time.Millisecond))
}

// tickAt is the first tick at or after an instant, and not before the next one.
func (d *Detector) tickAt(at int64) int64 {
	if at <= d.next {
		return d.next
	}
	iv := int64(d.cfg.Interval)
	return d.next + (at-d.next+iv-1)/iv*iv
}
