package probe

import (
	"context"
	"time"
)

// A Pacer waits for instants. One goroutine uses it at a time: Begin, any number
// of Waits, then the function that Begin returned.
type Pacer interface {
	// Name says how it waits, for reports: "clock_nanosleep" or "timer".
	Name() string
	// Begin prepares the calling goroutine; the function undoes that.
	Begin() (end func())
	// Wait returns nil at the instant, at once if it has passed, or the error of
	// ctx soon after that is done (within 10 ms).
	Wait(ctx context.Context, until time.Time) error
}

// Timers waits with the runtime's timers, which every system has and which
// know the fake time of testing/synctest. They are some tens of microseconds
// late on an idle machine and a millisecond or more on some systems.
func Timers() Pacer { return timers{} }

type timers struct{}

func (timers) Name() string { return "timer" }

func (timers) Begin() func() { return func() {} }

func (timers) Wait(ctx context.Context, until time.Time) error {
	d := time.Until(until)
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
