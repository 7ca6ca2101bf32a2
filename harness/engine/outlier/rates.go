package outlier

// Window counts what one host did between two ticks. A result counts in the
// window in which it arrives, however long ago its request was sent.
type Window struct {
	Total, Success uint32
}

// rate is the share of success, in percent.
func (w Window) rate() float64 { return float64(w.Success) * 100 / float64(w.Total) }

// Rates are what a host was compared by, in percent. Failure percentage has no
// average and no threshold that depends on the others.
type Rates struct {
	Host, Average, Threshold float64
}

// candidate is a host with its closed window.
type candidate struct {
	host   int32
	window Window
}

// ComparesHosts reports whether the cluster has hosts enough for either of the
// detectors that compare them.
//
// Rule: RuleMinimumHosts.
func (d *Detector) ComparesHosts() bool {
	return d.n >= int(min(d.cfg.SuccessRateMinimumHosts, d.cfg.FailurePercentageMinimumHosts))
}

// closeWindows begins new windows, and returns those of the old ones that had
// requests enough for either detector.
//
// Rule: RuleWindows.
func (d *Detector) closeWindows() (external, local []candidate) {
	volume := max(1, min(d.cfg.SuccessRateRequestVolume, d.cfg.FailurePercentageRequestVolume))
	for h := range d.hosts {
		host := &d.hosts[h]
		if host.External.Total >= volume {
			external = append(external, candidate{int32(h), host.External})
		}
		if host.LocalOrigin.Total >= volume {
			local = append(local, candidate{int32(h), host.LocalOrigin})
		}
		host.External, host.LocalOrigin = Window{}, Window{}
	}
	return external, local
}

// judge compares the hosts by one kind of window, first by success rate, then by
// failure percentage. Hosts that are out are not compared. Both lists are drawn
// up before anybody is ejected, so that a host that is on both and not ejected
// yet can be ejected twice.
//
// Rule: RuleDoubleEjection.
func (d *Detector) judge(now int64, closed []candidate, bySuccess, byFailure Type, chance Chance, tell func(Event)) {
	if !d.ComparesHosts() {
		return
	}
	rated, counted := d.enough(closed, d.cfg.SuccessRateRequestVolume), d.enough(closed, d.cfg.FailurePercentageRequestVolume)
	d.ejectOutliers(now, d.successRateOutliers(rated), bySuccess, chance, tell)
	d.ejectOutliers(now, d.failurePercentageOutliers(counted), byFailure, chance, tell)
}

// enough are the hosts that are in with at least so many requests.
//
// Rule: RuleRequestVolume.
func (d *Detector) enough(closed []candidate, volume uint32) []candidate {
	var out []candidate
	for _, c := range closed {
		if c.window.Total >= volume && !d.hosts[c.host].Ejected {
			out = append(out, c)
		}
	}
	return out
}

// outliers are hosts to be ejected, and the average and the threshold that they
// were found by.
type outliers struct {
	list []candidate
	Rates
}

// ejectOutliers tries to eject one after another, in the order of a hash table:
// when max_ejection_percent does not let all of them go, anyone of them may be
// among those that go.
//
// Rule: RuleOutlierOrder.
func (d *Detector) ejectOutliers(now int64, o outliers, t Type, chance Chance, tell func(Event)) {
	scarce := !d.allows(len(o.list))
	for i := range o.list {
		rest := o.list[i:]
		// Who goes first matters to what the workers hear first; who goes next
		// only when not all can.
		if len(rest) > 1 && (i == 0 || scarce) && d.Allows() && d.enforcing(t) > 0 {
			k := chance.FirstOutlier(t, hostsOf(rest))
			rest[0], rest[k] = rest[k], rest[0]
		}
		r := o.Rates
		r.Host = rest[0].window.rate()
		tell(d.eject(now, rest[0].host, t, r, chance))
	}
}

func hostsOf(cs []candidate) []int32 {
	hs := make([]int32, len(cs))
	for i, c := range cs {
		hs[i] = c.host
	}
	return hs
}
