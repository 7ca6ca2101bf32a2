package live

import (
	"context"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// stallText begins the note of a stall.
const stallText = "stalled for "

const (
	stallTick  = 5 * time.Millisecond
	stallLimit = 20 * time.Millisecond
)

// watchStalls notes when this process, or the machine, stood still: what was
// measured then is not the mesh's doing.
func (d *drive) watchStalls(ctx context.Context) {
	timer := time.NewTimer(stallTick)
	defer timer.Stop()
	for {
		last := time.Now()
		timer.Reset(stallTick)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		late := time.Since(last) - stallTick
		d.mu.Lock()
		d.report.Stall = max(d.report.Stall, late)
		d.mu.Unlock()
		if late > stallLimit {
			d.sink.Event(trace.Note{At: d.since(), Text: stallText + late.Round(100*time.Microsecond).String()})
		}
	}
}

// Stalled is the longest stall that the trace notes.
func Stalled(t *trace.Trace) time.Duration {
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

const (
	calmFor  = 4               // this many sleeps in a row have to end on time
	calmEnds = 5 * time.Second // after that the drill begins in any case
)

// calm waits until sleeps end when they should: many drills that start at once
// keep each other from being on time.
func calm(ctx context.Context) error {
	deadline := time.Now().Add(calmEnds)
	timer := time.NewTimer(stallTick)
	defer timer.Stop()
	for good := 0; good < calmFor && time.Now().Before(deadline); {
		last := time.Now()
		timer.Reset(stallTick)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		good++
		if time.Since(last) > 2*stallTick {
			good = 0
		}
	}
	return nil
}
