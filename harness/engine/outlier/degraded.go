package outlier

// detectsDegraded reports whether x-envoy-degraded in an answer marks its host.
//
// Rule: RuleDegraded.
func (d *Detector) detectsDegraded() bool {
	return d.cfg.DetectDegradedHosts && d.rules.DetectsDegradedHosts
}

// degrade marks a host when the main thread hears of an answer with
// x-envoy-degraded: one is enough, there is no cap and no enforcing percentage.
// It lasts as long as an ejection would, by a multiplier of its own, but with
// the host's only jitter: a later ejection draws it anew for both, and the other
// way round.
//
// Rule: RuleDegraded, RuleSharedJitter.
func (d *Detector) degrade(now int64, h int32) Event {
	host := &d.hosts[h]
	if host.Degraded {
		return Event{Verdict: Dropped, At: now, Host: h, Type: Degradation}
	}
	d.stats.Detected[Degradation]++
	d.degraded++
	host.Degraded = true
	host.LastDegraded = now
	host.jitter = d.anyJitter()
	host.DegradeMultiplier = d.grown(host.DegradeMultiplier)
	return Event{
		Verdict: Degraded, At: now, Host: h, Type: Degradation, Until: d.tickAt(now + d.lasts(host.DegradeMultiplier)),
		Ejections: host.Ejections, SinceLast: since(now, host.LastReturned),
	}
}

// degradationOver reports whether a tick takes the mark away. Answers without
// the header do not.
//
// Rule: RuleDegradedUntilTick.
func (d *Detector) degradationOver(host *Host, now int64, chance Chance) bool {
	return host.jitter.over(now-host.LastDegraded-d.lasts(host.DegradeMultiplier), chance)
}

func (d *Detector) undegrade(now int64, h int32) Event {
	host := &d.hosts[h]
	d.degraded--
	host.Degraded = false
	host.LastUndegraded = now
	e := Event{Verdict: Undegraded, At: now, Host: h, Ejections: host.Ejections, SinceLast: -1}
	if host.Ejections > 0 {
		e.SinceLast = now - host.LastEjected
	}
	return e
}
