package live

import (
	"context"
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

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
			d.sink.Event(trace.Note{At: d.since(), Text: fmt.Sprintf("stalled for %v", late.Round(100*time.Microsecond))})
		}
	}
}
