package outlier

// failurePercentageOutliers are the hosts that failed at least so many of a
// hundred requests, whatever the others did.
//
// Rule: RuleFailurePercentage, RuleMinimumHosts.
func (d *Detector) failurePercentageOutliers(hosts []candidate) (o outliers) {
	if len(hosts) == 0 || len(hosts) < int(d.cfg.FailurePercentageMinimumHosts) {
		return o
	}
	for _, c := range hosts {
		if 100-c.window.rate() >= float64(d.cfg.FailurePercentageThreshold) {
			o.list = append(o.list, c)
		}
	}
	return o
}
