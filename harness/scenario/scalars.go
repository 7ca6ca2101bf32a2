package scenario

import "time"

// Duration is a length of time, written as Go and Istio write it: 500ms, 15s, 1m, 2h; not negative.
type Duration time.Duration

// Rate is a number of requests in a time, written 50/s or 600/m.
type Rate struct {
	N   float64
	Per time.Duration
}

// Bound is what a number or a share may be: `5`, `"<= 3"`, `100%`, `">= 30%"`, `"20%..40%"`.
// A plain value means exactly that value.
type Bound struct {
	Min, Max float64 // inclusive; Max is +Inf when open
	Percent  bool    // of the requests in the window, 0..100
	Text     string  // as written
}

// DurationBound is what a time may be: "5s", "<= 5s", ">= 60s", "60s..75s".
type DurationBound struct {
	Min, Max time.Duration // inclusive; Max is 1<<63-1 when open
	Text     string
}
