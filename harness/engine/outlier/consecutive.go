package outlier

// httpCode is one status. A gateway failure is a 5xx too, and is posted first;
// another 5xx ends a run of gateway failures; anything else ends both runs.
//
// Rule: RuleGatewayCodes, RuleGatewayFirst, RuleSuccessEndsRuns.
func (d *Detector) httpCode(h int32, code int, ds *Detections) {
	host := &d.hosts[h]
	host.External.Total++
	if code < 500 || code >= 600 {
		host.External.Success++
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

// localOrigin is one connection that was made, or an error of the local side.
// Every attempt that reaches a connection ends a run first, so that requests in
// turn which connect and then time out never make two in a row.
func (d *Detector) localOrigin(h int32, made bool, ds *Detections) {
	host := &d.hosts[h]
	host.LocalOrigin.Total++
	if made {
		host.LocalOrigin.Success++
		host.Consecutive[ConsecutiveLocalOriginFailure] = 0
		return
	}
	d.count(h, ConsecutiveLocalOriginFailure, ds)
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

// Detected decides what becomes of a detection of Report when the main thread
// gets it.
//
// The counter of the detection restarts although the ejection was refused, or
// not enforced: the host needs another full run of failures. The other counters
// go on until it returns.
//
// Rule: RuleEjectedDropped, RuleCounterRestarts.
func (d *Detector) Detected(now int64, h int32, t Type, chance Chance) Event {
	if t == Degradation {
		return d.degrade(now, h)
	}
	host := &d.hosts[h]
	if host.Ejected {
		return Event{Verdict: Dropped, At: now, Host: h, Type: t} // and the counter keeps its value
	}
	e := d.eject(now, h, t, Rates{}, chance)
	host.Consecutive[t] = 0
	return e
}
