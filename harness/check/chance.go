package check

import "gonum.org/v1/gonum/stat/distuv"

// ErrorRate is the chance with which one expectation may be judged wrongly
// because of chance alone.
const ErrorRate = 1e-6

// WidestBound is how wide, in percentage points, the bound of a share may be
// before its expectation is inconclusive: more requests are needed.
const WidestBound = 10.0

// interval is the exact (Clopper-Pearson) interval for the probability behind
// k of n, at ErrorRate.
func interval(k, n int) (low, high float64) { return intervalAt(k, n, ErrorRate) }

// intervalAt is the interval at another error rate.
func intervalAt(k, n int, rate float64) (low, high float64) {
	low, high = 0, 1
	if n == 0 {
		return low, high
	}
	if k > 0 {
		low = distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(rate / 2)
	}
	if k < n {
		// The mirror image of the other bound: so close to 1 the quantile function
		// gives up (0.99999 for none of 60, which is 0.21).
		high = 1 - distuv.Beta{Alpha: float64(n - k), Beta: float64(k + 1)}.Quantile(rate/2)
	}
	return low, high
}
