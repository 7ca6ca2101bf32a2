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

// LongestStall is the longest stall that the run notes; 0: none.
func (t *Trace) LongestStall() time.Duration {
	longest := time.Duration(0)
	for _, n := range t.Notes {
		if text, ok := strings.CutPrefix(n.Text, stallText); ok {
			if d, err := time.ParseDuration(text); err == nil {
				longest = max(longest, d)
			}
		}
	}
	return longest
}
