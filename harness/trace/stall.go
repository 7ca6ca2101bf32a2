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

// A Standstill is a stall that a run noted.
type Standstill struct {
	End Sec
	For time.Duration
}

// Stalls are those that the run notes, in the order of its notes.
func (t *Trace) Stalls() []Standstill {
	var out []Standstill
	for _, n := range t.Notes {
		if text, ok := strings.CutPrefix(n.Text, stallText); ok {
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
