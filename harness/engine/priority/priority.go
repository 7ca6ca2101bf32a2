// Package priority spreads traffic over the priorities of a cluster the way
// Envoy does: by how many hosts of each level are healthy.
//
//	var l priority.Loads
//	l.Compute([]priority.Level{{Hosts: 2, Healthy: 1}, {Hosts: 2, Healthy: 2}}, 140, 0)
//	l.Percent(0), l.Percent(1)        // 70, 30
//	level, degraded := l.Choose(71)   // 1, false
//
// All of it is integer arithmetic that truncates, as in Envoy; a rounding
// remainder goes to the first level that can take it.
//
// Rules: Envoy's documentation, "Priority levels", "Panic threshold" and
// "Degraded endpoints"; source/extensions/load_balancing_policies/common/load_balancer_impl.cc.
// Not here: weighted_priority_health.
package priority

import "math"

// Level counts the hosts of one priority.
type Level struct {
	Hosts    int // all of them
	Healthy  int
	Degraded int
	Excluded int // not counted at all: draining, or waiting for a first health check

	Weights *Weights // weighted_priority_health; nil: hosts count alike
}

// Weights are the sums of the weights of a level's hosts.
type Weights struct {
	Hosts    uint64 // all but the excluded ones
	Healthy  uint64
	Degraded uint64
}

// Loads is how traffic spreads over the levels.
type Loads struct {
	healthy  []uint32
	degraded []uint32
	panicky  []bool
}

// Levels is the number of levels.
func (l *Loads) Levels() int { return len(l.healthy) }

// Percent is the share of level p, healthy and degraded hosts together.
func (l *Loads) Percent(p int) uint32 { return l.healthy[p] + l.degraded[p] }

// Panic reports whether picks that land on level p ignore health.
func (l *Loads) Panic(p int) bool { return l.panicky[p] }

// Equal reports whether two loads are the same.
func (l *Loads) Equal(o *Loads) bool {
	if len(l.healthy) != len(o.healthy) {
		return false
	}
	for p := range l.healthy {
		if l.healthy[p] != o.healthy[p] || l.degraded[p] != o.degraded[p] || l.panicky[p] != o.panicky[p] {
			return false
		}
	}
	return true
}

// Clone returns an independent copy.
func (l *Loads) Clone() Loads {
	return Loads{
		healthy:  append([]uint32(nil), l.healthy...),
		degraded: append([]uint32(nil), l.degraded...),
		panicky:  append([]bool(nil), l.panicky...),
	}
}

// Availability is the health and the degraded health of one level, 0..100 each:
// the share of its hosts times the overprovisioning factor, in percent. It is the
// share of their weight where the level is weighted; panic counts hosts even then.
//
// Rule: RuleAvailability, RuleWeightedPriorityHealth.
func Availability(v Level, factor uint32) (health, degraded uint32) {
	n := v.Hosts - v.Excluded
	if n <= 0 {
		return 0, 0
	}
	f := uint64(factor)
	if w := v.Weights; w != nil {
		return uint32(min(100, f*w.Healthy/w.Hosts)), uint32(min(100, f*w.Degraded/w.Hosts))
	}
	return uint32(min(100, f*uint64(v.Healthy)/uint64(n))), uint32(min(100, f*uint64(v.Degraded)/uint64(n)))
}

// Compute sets the loads for these levels. The threshold is
// healthy_panic_threshold in percent, which Envoy rounds to an integer; 0
// switches panic off.
func (l *Loads) Compute(levels []Level, factor uint32, threshold float64) {
	n := len(levels)
	if len(l.healthy) != n {
		l.healthy, l.degraded, l.panicky = make([]uint32, n), make([]uint32, n), make([]bool, n)
	}
	norm := uint32(0)
	for _, v := range levels {
		h, d := Availability(v, factor)
		norm += h + d
	}
	norm = min(100, norm)
	if norm != 0 {
		l.distribute(levels, factor, norm)
	}
	l.panic(levels, norm, threshold)
}

// distribute gives the healthy hosts of all levels their share first, then the
// degraded ones.
//
// Rule: RuleLoadDistribution, RuleHealthyBeforeDegraded, RuleLoadRemainder.
func (l *Loads) distribute(levels []Level, factor, norm uint32) {
	remaining := uint32(100)
	take := func(avail uint32) uint32 {
		t := min(remaining, avail*100/norm)
		remaining -= t
		return t
	}
	for p, v := range levels {
		h, _ := Availability(v, factor)
		l.healthy[p] = take(h)
	}
	for p, v := range levels {
		_, d := Availability(v, factor)
		l.degraded[p] = take(d)
	}
	for p, v := range levels {
		if h, _ := Availability(v, factor); h > 0 {
			l.healthy[p] += remaining
			return
		}
	}
	for p, v := range levels {
		if _, d := Availability(v, factor); d > 0 {
			l.degraded[p] += remaining
			return
		}
	}
}

// panic decides which levels ignore health, and spreads by host count when all
// of them do.
//
// Rule: RulePanicNeedsLoss, RulePanicOff.
func (l *Loads) panic(levels []Level, norm uint32, threshold float64) {
	if rounded(threshold) == 0 && norm == 0 {
		// Nobody is left and panic is off: level 0 is picked and has no host.
		// Envoy leaves what the other levels had, which is never reached; here
		// it is cleared, so that the loads always add up to 100.
		l.onlyFirst()
		return
	}
	all := len(levels) > 0
	for p, v := range levels {
		l.panicky[p] = norm != 100 && Below(v, threshold)
		all = all && l.panicky[p]
	}
	if all {
		l.totalPanic(levels)
	}
}

// Below reports whether fewer hosts can serve than the threshold in percent.
//
// Rule: RulePanicThreshold.
func Below(v Level, threshold float64) bool { return usable(v) < rounded(threshold) }

func rounded(threshold float64) float64 { return min(100, math.Round(threshold)) }

// usable is the percentage of hosts that can serve, without overprovisioning.
func usable(v Level) float64 {
	n := v.Hosts - v.Excluded
	if n <= 0 {
		return 0
	}
	return 100*float64(v.Healthy)/float64(n) + 100*float64(v.Degraded)/float64(n)
}

// Rule: RuleTotalPanic.
func (l *Loads) totalPanic(levels []Level) {
	total := 0
	for _, v := range levels {
		total += v.Hosts
	}
	l.onlyFirst()
	if total == 0 {
		return
	}
	remaining := uint32(100)
	for p, v := range levels {
		l.healthy[p] = uint32(100 * v.Hosts / total)
		remaining -= l.healthy[p]
	}
	for p, v := range levels {
		if v.Hosts > 0 {
			l.healthy[p] += remaining
			return
		}
	}
}

// Without sets the loads that a retry uses which avoids some levels, as the
// retry priority plugin previous_priorities does. It reports false, and leaves
// the loads as they are, if no other level has a host that can serve.
//
// Rule: RulePreviousPriorities.
func (l *Loads) Without(levels []Level, factor uint32, avoid []bool) bool {
	n := len(levels)
	health, degraded := make([]uint32, n), make([]uint32, n)
	norm := uint32(0)
	for p, v := range levels {
		if !avoid[p] {
			health[p], degraded[p] = Availability(v, factor)
			norm += health[p] + degraded[p]
		}
	}
	norm = min(100, norm)
	if norm == 0 {
		return false
	}
	*l = Loads{healthy: make([]uint32, n), degraded: make([]uint32, n), panicky: l.panicky}
	// What truncation leaves over is handed out in further rounds.
	for remaining := uint32(100); remaining > 0; {
		for _, kind := range []struct{ load, available []uint32 }{{l.healthy, health}, {l.degraded, degraded}} {
			for p := range levels {
				more := min(remaining, kind.available[p]*100/norm)
				kind.load[p] += more
				remaining -= more
			}
		}
	}
	return true
}

// onlyFirst gives everything to level 0.
func (l *Loads) onlyFirst() {
	for p := range l.healthy {
		l.healthy[p], l.degraded[p] = 0, 0
	}
	if len(l.healthy) > 0 {
		l.healthy[0] = 100
	}
}

// Choose returns the level for r, 1..100, and whether its degraded hosts are meant.
//
// Rule: RuleChoosePriority.
func (l *Loads) Choose(r uint32) (level int, degraded bool) {
	sum := uint32(0)
	for p, v := range l.healthy {
		if sum += v; r <= sum {
			return p, false
		}
	}
	for p, v := range l.degraded {
		if sum += v; r <= sum {
			return p, true
		}
	}
	return 0, false
}
