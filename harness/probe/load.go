package probe

import (
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	defaultConcurrency = 64
	maxRate            = 1e6                        // requests per second; beyond it nanoseconds are too coarse
	maxOffset          = 100 * 365 * 24 * time.Hour // keeps sums of durations from overflowing
)

// A Load says when requests are due. Request n, counted from 0, is due at
// Start + n*Every, or at Start + n/Rate seconds, after the origin: each offset
// is computed from n, so that no error adds up.
type Load struct {
	// Every is the time between two requests; Rate is how many a second, up to
	// one million. Exactly one of them is set.
	Every time.Duration
	Rate  float64
	// Start is the offset of the first request from the origin.
	Start time.Duration
	// Count and Duration end the load, whichever comes first; at least one is
	// set. Duration counts from Start: requests are due in [Start, Start+Duration).
	Count    int
	Duration time.Duration
	// Concurrency is how many requests may be in flight at once; 0 means 64.
	// When it is used up, a request that is due waits for its turn: it is sent
	// late, its latency runs, it is never dropped.
	Concurrency int
	// Timeout ends the context of a request this long after it was sent; 0 means
	// never, and then a request that hangs holds up the end of Run.
	Timeout time.Duration
	// KeepAlive says whether requests share connections. Run does not look at
	// it; it is for whoever makes the Do (see HTTPOptions).
	KeepAlive bool
}

// Validate returns every mistake in the load, joined, or nil.
func (l Load) Validate() error {
	var errs []error
	wrong := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("load: "+format, args...))
		}
	}
	wrong((l.Every != 0) != (l.Rate != 0), "found every %v and rate %v, expected exactly one of them", l.Every, l.Rate)
	wrong(l.Every >= 0, "every: found %v, expected a positive duration", l.Every)
	wrong(l.Rate >= 0 && l.Rate <= maxRate, "rate: found %v, expected up to %d a second", l.Rate, int(maxRate))
	wrong(l.Start >= 0 && l.Start < maxOffset, "start: found %v, expected 0s or more", l.Start)
	wrong(l.Count >= 0, "count: found %d, expected 1 or more", l.Count)
	wrong(l.Duration >= 0 && l.Duration < maxOffset, "duration: found %v, expected a positive duration", l.Duration)
	wrong(l.Count != 0 || l.Duration != 0, "found neither count nor duration, expected at least one of them")
	wrong(l.Concurrency >= 0, "concurrency: found %d, expected 1 or more", l.Concurrency)
	wrong(l.Timeout >= 0, "timeout: found %v, expected a positive duration", l.Timeout)
	if len(errs) == 0 && l.Duration == 0 {
		wrong(l.period()*float64(l.Count) < float64(maxOffset), "count: found %d, expected an end within 100 years", l.Count)
	}
	return errors.Join(errs...)
}

// Due is when request n is due, since the origin. The load must be valid and n
// less than Len.
func (l Load) Due(n int) time.Duration {
	if l.Every > 0 {
		return l.Start + time.Duration(n)*l.Every
	}
	return l.Start + time.Duration(math.Round(float64(n)*l.period()))
}

// Len is how many requests a valid load has.
func (l Load) Len() int {
	if l.Duration == 0 {
		return l.Count
	}
	n := math.MaxInt
	if estimate := float64(l.Duration) / l.period(); estimate < math.MaxInt/2 {
		// Rounding may put the estimate beside the mark; the definition decides.
		n = int(estimate)
		for n > 0 && l.Due(n-1)-l.Start >= l.Duration {
			n--
		}
		for l.Due(n)-l.Start < l.Duration {
			n++
		}
	}
	if l.Count > 0 {
		n = min(n, l.Count)
	}
	return n
}

// period is the time between two requests in nanoseconds.
func (l Load) period() float64 {
	if l.Every > 0 {
		return float64(l.Every)
	}
	return float64(time.Second) / l.Rate
}
