package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// Timing is how exactly the events of a run tell when they happened.
type Timing struct {
	// Slack is how far two clocks may be apart: what happened within it of a
	// change may have seen either side of the change.
	Slack trace.Sec
	// Cut is how much of the time of a change was cut off, at most.
	Cut trace.Sec
	// Hop is how long after a result the main thread can decide what follows.
	Hop trace.Sec
	// Early and Late are how far from their nominal instants interval ticks can be,
	// counted from the construction of the cluster, and Drift how much later each
	// tick can be than the one before it. All 0: not at all. The returns that were
	// observed say when a tick was.
	Early, Late, Drift trace.Sec
	// Step is how far the clock that timers are armed by goes at once: a timer counts from
	// the step before it was armed, and timers that end in one step fire in any order.
	Step trace.Sec
	// Built is how long after 0 s a proxy can take its first configuration, and
	// Ahead how long before.
	Built, Ahead trace.Sec
	// Overflow is how far a refused ejection can be from the instant that the
	// trace gives it, and on another host: a counter was read every so often.
	// 0: it was observed like any other change.
	Overflow trace.Sec
}

// Slack is the slack of backends that record what they do themselves.
const Slack = trace.Sec(2 * time.Millisecond)

// Inproc is the timing of a backend that records what it does itself.
var Inproc = Timing{Slack: Slack}

// Envoy is the timing of the logs of a real proxy: the event log has milliseconds,
// timers count from when the event loop last looked at the clock, each tick arms
// the timer anew, libevent's clock is CLOCK_MONOTONIC_COARSE, which with the kernel's
// usual 250 Hz has steps of 4 ms, and counters are read four times a second or more often.
var Envoy = Timing{
	Slack: trace.Sec(5 * time.Millisecond), Cut: trace.Sec(time.Millisecond),
	Built: trace.Sec(time.Second), Ahead: trace.Sec(time.Minute),
	Early: trace.Sec(20 * time.Millisecond), Late: trace.Sec(20 * time.Millisecond), Drift: trace.Sec(4 * time.Millisecond),
	Step:     trace.Sec(4 * time.Millisecond),
	Hop:      trace.Sec(20 * time.Millisecond),
	Overflow: trace.Sec(450 * time.Millisecond),
}

// TimingOf is the timing of a backend: where no proxy is real it records what it does
// itself, and everywhere else logs and counters tell.
func TimingOf(backend string) Timing {
	switch backend {
	case "", "model", "inproc":
		return Inproc
	}
	return Envoy
}

// around is how long before and after a stall a machine can be late without a note of
// it: threads of another process stood still at other moments of the same crowd.
const around = trace.Sec(time.Second)

// slack is how far apart two clocks may be at an instant: by as much more as the
// longest stall near it, or as the proxy's main thread was busy then.
func (a *acceptor) slack(at trace.Sec) trace.Sec {
	longest := time.Duration(0)
	for _, s := range a.stalls {
		if at >= s.Begin-around && at <= s.End+around {
			longest = max(longest, s.For)
		}
	}
	for _, s := range a.busy {
		if at >= s.Begin-a.timing.Hop && at <= s.End+a.timing.Hop {
			longest = max(longest, s.For)
		}
	}
	return a.timing.Slack + trace.Sec(longest)
}

// stood is for how long the machine or the proxy's main thread stood still in a while,
// which is how late its ticks can be at most by the end: each arms the timer of the
// next, so that what held one up moves all that follow it
// (outlier_detection_impl.cc, onIntervalTimer). What several notes tell of counts once;
// waits for a processor, which those of all threads are in, do not count.
func (a *acceptor) stood(from, to trace.Sec) (sum trace.Sec) {
	all := slices.DeleteFunc(slices.Concat(a.stalls, a.busy), func(s trace.Standstill) bool { return trace.Sec(s.For) < s.End-s.Begin })
	slices.SortFunc(all, func(x, y trace.Standstill) int { return cmp.Compare(x.Begin, y.Begin) })
	for _, s := range all {
		if begin, end := max(from, s.Begin), min(s.End, to); begin < end {
			sum, from = sum+end-begin, end
		}
	}
	return sum
}
