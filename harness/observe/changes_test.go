package observe

import (
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// A line that comes 13 ms after its result is not given the result that is nearer and
// has a line of its own. Times in tenths of a millisecond; which attempt each line gets.
func TestLinesGetTheirAttemptsInOrder(t *testing.T) {
	const tenth = trace.Sec(100 * time.Microsecond)
	for _, c := range []struct {
		name          string
		results       []trace.Sec
		lines, expect []int
	}{
		{"each at once", []trace.Sec{100, 200, 300}, []int{100, 200, 300}, []int{0, 1, 2}},
		{"the second is heard late", []trace.Sec{129, 230, 364, 420, 520, 584}, []int{129, 358, 364, 418, 518, 578}, []int{0, 1, 2, 3, 4, 5}},
		{"one line for three results", []trace.Sec{100, 110, 120}, []int{121}, []int{2}},
		{"each second result sets it off", []trace.Sec{100, 150, 200, 250}, []int{150, 250}, []int{1, 3}},
		{"in the millisecond of the line", []trace.Sec{100, 104, 108}, []int{100}, []int{2}},
		{"later than the line", []trace.Sec{100, 115}, []int{100}, []int{0}},
		{"more lines than results", []trace.Sec{200}, []int{195, 200, 205}, []int{-1, 0, -1}},
		{"too long ago", []trace.Sec{100}, []int{301}, []int{-1}},
		{"late, and not too late", []trace.Sec{100}, []int{300}, []int{0}},
	} {
		as := make([]trace.Attempt, len(c.results))
		for i, at := range c.results {
			as[i] = trace.Attempt{At: at*tenth - 1, Done: at * tenth, Charged: true, Result: trace.Answered, Status: 503}
		}
		// Another host's results, a detector's lines at ticks, and what is not charged do not take part.
		as = append(as, trace.Attempt{Host: 1, Done: c.results[0] * tenth, Charged: true}, trace.Attempt{Done: c.results[0] * tenth})
		var changes []trace.Change
		caused := map[int]bool{}
		for i, at := range c.lines {
			changes = append(changes, trace.Change{At: trace.Sec(at) * tenth, Event: trace.Detected, Cause: "consecutive_5xx"})
			caused[i] = true
		}
		changes = append(changes, trace.Change{At: c.results[0] * tenth, Event: trace.Ejected, Cause: "success_rate"})
		got := causesOf(changes, caused, as)
		for i, want := range c.expect {
			is := -1
			for k := range as {
				if got[i] == &as[k] {
					is = k
				}
			}
			if is != want {
				t.Errorf("%s: line %d has attempt %d, want %d", c.name, i, is, want)
			}
		}
		if got[len(c.lines)] != nil {
			t.Errorf("%s: a tick's line has an attempt", c.name)
		}
	}
}
