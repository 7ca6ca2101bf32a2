package live

import (
	"context"
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
	for ctx.Err() == nil {
		last := time.Now()
		timer.Reset(stallTick)
		select {
		case <-ctx.Done(): // it can have stood still until then
		case <-timer.C:
		}
		late := time.Since(last) - stallTick
		d.mu.Lock()
		d.report.Stall = max(d.report.Stall, late)
		d.mu.Unlock()
		if late > stallLimit {
			d.sink.Event(trace.Stall(d.since(), late))
		}
	}
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
