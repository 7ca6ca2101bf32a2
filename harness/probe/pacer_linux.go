package probe

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// slice bounds one sleep in the kernel, which no context can interrupt.
const slice = 50 * time.Millisecond

// Precise waits as precisely as this system can: on Linux in clock_nanosleep,
// on a thread of its own, for absolute instants of the monotonic clock.
func Precise() Pacer { return nanosleep{} }

type nanosleep struct{}

func (nanosleep) Name() string { return "clock_nanosleep" }

// Begin takes the thread for the goroutine and asks the kernel not to put its
// wake-ups together with others, which costs 50 microseconds by default.
func (nanosleep) Begin() func() {
	runtime.LockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	}
	return func() {
		if err == nil {
			_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0) // worked before
		}
		runtime.UnlockOSThread()
	}
}

func (nanosleep) Wait(ctx context.Context, until time.Time) error {
	for ctx.Err() == nil {
		d := time.Until(until)
		if d <= 0 {
			return nil
		}
		if err := sleep(min(d, slice)); err != nil {
			return timers{}.Wait(ctx, until) // a sandbox that forbids the call
		}
	}
	return ctx.Err()
}

// sleep waits until d from now has come; a signal may end it early.
func sleep(d time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	until := unix.NsecToTimespec(now.Nano() + int64(d))
	err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil)
	if err == unix.EINTR {
		return nil
	}
	return err
}
