package live

import (
	"context"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

const (
	// patience bounds how long a step may take until it is seen.
	patience = 10 * time.Second
	// restartPatience is that of a restart: a new process starts, and the proxies find it.
	restartPatience = 90 * time.Second
)

// witness waits, apart from the timeline, until the step was seen to have taken
// effect, and records it then. A fault that only traffic can show is waited for
// until it is healed or the drill ends.
func (d *drive) witness(ctx context.Context, e trace.Step) {
	step := int(e.Index)
	byTraffic := NeedsTraffic(&d.s.Steps[step])
	wctx, cancel := d.watch(ctx, step, byTraffic)
	d.witnesses.Go(func() {
		defer cancel()
		seen, err := d.p.Witness(wctx, step)
		if ctx.Err() != nil && d.stopped(ctx) {
			return // interrupted: nobody looked long enough
		}
		if err != nil {
			e.Error = err.Error()
		} else if seen != "" {
			e.Witness, e.Witnessed = seen, d.since()
			if byTraffic {
				// The request that shows it has met it already.
				e.Witnessed = e.Done
			}
		}
		d.sink.Event(e)
	})
}

// watch is the context of a witness.
func (d *drive) watch(ctx context.Context, step int, byTraffic bool) (context.Context, context.CancelFunc) {
	switch {
	case d.s.Steps[step].Kind == schedule.KindRestart:
		return context.WithTimeout(ctx, restartPatience)
	case !byTraffic:
		return context.WithTimeout(ctx, patience)
	}
	wctx, cancel := context.WithCancel(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watched[d.s.Steps[step].Fault.Name] = cancel
	return wctx, cancel
}

// healed ends the wait for the witness of a fault.
func (d *drive) healed(fault string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if cancel := d.watched[fault]; cancel != nil {
		cancel()
	}
}

// NeedsTraffic reports whether a step shows only when a request meets it.
func NeedsTraffic(st *schedule.Step) bool {
	return st.Kind == schedule.KindFault && !st.Fault.MeetsConnections()
}
