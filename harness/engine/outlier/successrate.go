package outlier

import "math"

// successRateOutliers are the hosts whose success rate is below the average by
// more than a multiple of the standard deviation. Average and deviation are of
// the hosts, not of the requests, and the deviation is that of the whole
// population: of n hosts a single one cannot be further off than the root of
// n-1 deviations.
//
// Rule: RuleSuccessRate, RuleMinimumHosts.
func (d *Detector) successRateOutliers(hosts []candidate) (o outliers) {
	if len(hosts) == 0 || len(hosts) < int(d.cfg.SuccessRateMinimumHosts) {
		return o
	}
	n := float64(len(hosts))
	sum := 0.0
	for _, c := range hosts {
		sum += c.window.rate()
	}
	o.Average = sum / n
	variance := 0.0
	for _, c := range hosts {
		off := c.window.rate() - o.Average
		variance += float64(off * off) // a product of its own: every machine rounds alike
	}
	variance /= n
	factor := float64(d.cfg.SuccessRateStdevFactor) / 1000
	o.Threshold = o.Average - float64(factor*math.Sqrt(variance))
	for _, c := range hosts {
		if c.window.rate() < o.Threshold {
			o.list = append(o.list, c)
		}
	}
	return o
}
