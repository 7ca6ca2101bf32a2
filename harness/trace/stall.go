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

// waitText begins the note of a proxy that others kept from running, and withinText goes on.
const (
	waitText   = "the proxy waited for a processor for "
	withinText = " of the last "
)

// Waited is the note that threads of a proxy were ready to run and did not, because
// others did, for so long of a while that ends at an instant.
func Waited(at Sec, d, of time.Duration) Note {
	return Note{At: at, Text: waitText + d.Round(100*time.Microsecond).String() + withinText + of.Round(time.Millisecond).String()}
}

// A Standstill is a while in which a machine or a thread did nothing of what it should.
type Standstill struct {
	Begin, End Sec
	For        time.Duration // how long of it
}

// Stalls are those that the run notes, in the order of its notes.
func (t *Trace) Stalls() []Standstill { return t.standstills(stallText) }

// BusyTimes are when the main threads of proxies were busy, or had no processor.
func (t *Trace) BusyTimes() []Standstill {
	return append(t.standstills(busyText), t.standstills(waitText)...)
}

func (t *Trace) standstills(words string) []Standstill {
	var out []Standstill
	for _, n := range t.Notes {
		text, ok := strings.CutPrefix(n.Text, words)
		if !ok {
			continue
		}
		text, of, _ := strings.Cut(text, withinText)
		d, err := time.ParseDuration(text)
		if err != nil {
			continue
		}
		over, err := time.ParseDuration(of)
		if err != nil || over < d {
			over = d
		}
		out = append(out, Standstill{n.At - Sec(over), n.At, d})
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
