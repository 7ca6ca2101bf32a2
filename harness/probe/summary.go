package probe

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Summary is a load in numbers.
type Summary struct {
	Planned  int          // requests that the load has
	Count    int          // requests that were sent
	Errors   int          // of these, how many ended with an error; a status is none
	Latency  Distribution // from due to done, errors included
	Lateness Distribution // from due to sent
	Rate     float64      // achieved: sends a second, from the first to the last; 0 for less than two
	Pacer    string       // what waited; see Pacer
}

// A Distribution sums up times with three significant digits, capped at one hour.
type Distribution struct {
	P50, P90, P99, Max time.Duration
	// Histogram holds all of them, in nanoseconds.
	Histogram *hdrhistogram.Histogram
}

// A tally collects a summary.
type tally struct {
	latency, lateness *hdrhistogram.Histogram
	count, errors     int
	first, last       time.Duration // sent
}

func newTally() tally {
	return tally{latency: newHistogram(), lateness: newHistogram()}
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, int64(time.Hour), 3) }

func (t *tally) add(r Result) {
	if t.count == 0 {
		t.first, t.last = r.Sent, r.Sent
	}
	t.first, t.last = min(t.first, r.Sent), max(t.last, r.Sent)
	t.count++
	if r.Err != nil {
		t.errors++
	}
	record(t.latency, r.Latency())
	record(t.lateness, r.Lateness())
}

// record cannot fail: the value is within the histogram's range.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(int64(min(max(d, 0), time.Hour)))
}

func (t *tally) summary(planned int, pacer string) Summary {
	s := Summary{
		Planned: planned, Count: t.count, Errors: t.errors, Pacer: pacer,
		Latency: distribution(t.latency), Lateness: distribution(t.lateness),
	}
	if span := t.last - t.first; span > 0 {
		s.Rate = float64(t.count-1) / span.Seconds()
	}
	return s
}

func distribution(h *hdrhistogram.Histogram) Distribution {
	at := func(percentile float64) time.Duration { return time.Duration(h.ValueAtQuantile(percentile)) }
	return Distribution{P50: at(50), P90: at(90), P99: at(99), Max: time.Duration(h.Max()), Histogram: h}
}
