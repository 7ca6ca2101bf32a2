package trace

import (
	"strings"
	"time"
)

// stallText begins the note of a stall.
const stallText = "stalled for "

// Stall is the note that a live run stood still for a while.
func Stall(at Sec, d time.Duration) Note {
	return Note{At: at, Text: stallText + d.Round(100*time.Microsecond).String()}
}

// busyText begins the note of a proxy that had something else to do.
const busyText = "the proxy's main thread was busy for "

// Busy is the note that the main thread of a proxy was asked for something, and was
// done with it at an instant: what it should have decided meanwhile it decided late.
func Busy(at Sec, d time.Duration) Note {
	return Note{At: at, Text: busyText + d.Round(100*time.Microsecond).String()}
}

// A Standstill is a while in which a machine or a thread did nothing of what it should.
type Standstill struct {
	End Sec
	For time.Duration
}

// Stalls are those that the run notes, in the order of its notes.
func (t *Trace) Stalls() []Standstill { return t.standstills(stallText) }

// BusyTimes are when the main threads of proxies were busy, in the order of the notes.
func (t *Trace) BusyTimes() []Standstill { return t.standstills(busyText) }

func (t *Trace) standstills(words string) []Standstill {
	var out []Standstill
	for _, n := range t.Notes {
		if text, ok := strings.CutPrefix(n.Text, words); ok {
			if d, err := time.ParseDuration(text); err == nil {
				out = append(out, Standstill{n.At, d})
			}
		}
	}
	return out
}

// LongestStall is the longest stall that the run notes; 0: none.
func (t *Trace) LongestStall() time.Duration {
	longest := time.Duration(0)
	for _, s := range t.Stalls() {
		longest = max(longest, s.For)
	}
	return longest
}
