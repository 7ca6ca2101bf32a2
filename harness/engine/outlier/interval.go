package outlier

// OnInterval is the interval timer, at d.NextTick(): hosts return, the windows
// close and are judged, and then the multipliers decay. tell hears of each event
// before the next one happens, because what the workers hear first shows the
// first of them alone.
//
// A host that returns is judged in the same tick by what it answered while it
// was out, which is something when panic sent it requests.
//
// Rule: RuleReturnsOneByOne, RuleTickOrder.
func (d *Detector) OnInterval(chance Chance, tell func(Event)) {
	now := d.next
	d.next += int64(d.cfg.Interval)
	d.comeBack(now, chance, tell)
	external, local := d.closeWindows()
	d.judge(now, external, SuccessRate, FailurePercentage, chance, tell)
	d.judge(now, local, LocalOriginSuccessRate, LocalOriginFailurePercentage, chance, tell)
	d.decay(now, chance)
}

// comeBack lets the hosts return whose time is up. Envoy comes to them in the
// order of a hash table; for each, the ejection ends before the degradation.
func (d *Detector) comeBack(now int64, chance Chance, tell func(Event)) {
	if d.active == 0 && d.degraded == 0 {
		return
	}
	var back []int32
	for h := range d.hosts {
		host := &d.hosts[h]
		returns := host.Ejected && d.ejectionOver(host, now, chance)
		recovers := host.Degraded && d.degradationOver(host, now, chance)
		if returns || recovers {
			back = append(back, int32(h))
		}
	}
	if len(back) > 1 {
		first := chance.FirstReturn(back)
		back[0], back[first] = back[first], back[0]
	}
	for _, h := range back {
		host := &d.hosts[h]
		if host.Ejected && d.ejectionOver(host, now, chance) {
			tell(d.uneject(now, h))
		}
		if host.Degraded && d.degradationOver(host, now, chance) {
			tell(d.undegrade(now, h))
		}
	}
}

// decay takes one from the multiplier of each host that has been back for at
// least one interval, whether or not it gets traffic; at the tick of the return
// itself it has not. The first tick after it is one interval later give or take
// what the machine adds: chance decides. Degradations have a multiplier of their
// own, which goes the same way.
//
// Rule: RuleDecay, RuleDecayNeedsInterval.
func (d *Detector) decay(now int64, chance Chance) {
	asked, early := !d.rules.DecayNeedsHealthyInterval, true // before Envoy 1.28 there was no doubt
	rested := func(since int64) bool {
		switch back := now - since; {
		case since == 0 || back < int64(d.cfg.Interval)-d.doubt:
			return false
		case back > int64(d.cfg.Interval)+d.doubt:
			return true
		}
		if !asked {
			// One answer for all: hosts that returned together go the same way.
			asked, early = true, chance.Early()
		}
		return early
	}
	for h := range d.hosts {
		host := &d.hosts[h]
		if host.Multiplier > 0 && !host.Ejected && rested(host.LastReturned) {
			host.Multiplier--
		}
		if host.DegradeMultiplier > 0 && !host.Degraded && rested(host.LastUndegraded) {
			host.DegradeMultiplier--
		}
	}
}
