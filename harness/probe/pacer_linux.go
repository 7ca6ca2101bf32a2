package probe

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// near is how long before the instant the sleep in the kernel begins, which no
	// context can interrupt. Until then one of the runtime's timers waits: the
	// runtime's monitor stays awake, about a thousand times a second, for as long as
	// a thread is in a system call.
	near = 10 * time.Millisecond
	// A thread that sleeps wakes some tens of microseconds after the instant it
	// named, so it names one that lies that much earlier: lead, learned from the
	// sleeps so far. One in earlyOne of them may end before the instant and is
	// followed by another for the rest; there is no spinning.
	firstLead = 20 * time.Microsecond
	maxLead   = 100 * time.Microsecond
	leadStep  = 500 * time.Nanosecond
	earlyOne  = 10
)

// Precise waits as precisely as this system can: on Linux in clock_nanosleep,
// on a thread of its own, for absolute instants of the monotonic clock.
func Precise() Pacer { return &nanosleep{lead: firstLead} }

type nanosleep struct {
	lead time.Duration
	// The same instant on Go's clock and, in nanoseconds, on the kernel's
	// monotonic one; kernel is 0 where that cannot be read.
	origin time.Time
	kernel int64
}

func (*nanosleep) Name() string { return "clock_nanosleep" }

// Begin takes the thread for the goroutine and asks the kernel not to put its
// wake-ups together with others, which costs 50 microseconds by default.
func (p *nanosleep) Begin() func() {
	runtime.LockOSThread()
	p.align()
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

// align reads both clocks several times and keeps the two readings that lay
// closest together.
func (p *nanosleep) align() {
	best := time.Duration(1<<63 - 1)
	for range 8 {
		var ts unix.Timespec
		before := time.Now()
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
			return
		}
		if gap := time.Since(before); gap < best {
			best, p.origin, p.kernel = gap, before, ts.Nano()
		}
	}
}

func (p *nanosleep) Wait(ctx context.Context, until time.Time) error {
	if time.Until(until) > near {
		if err := (timers{}).Wait(ctx, until.Add(-near)); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		target := until
		if left > p.lead {
			target = until.Add(-p.lead)
		}
		if err := p.sleep(target); err != nil {
			return timers{}.Wait(ctx, until) // a sandbox that forbids the call
		}
		if target != until {
			p.learn(time.Until(until) > 0)
		}
	}
	return ctx.Err()
}

// learn moves the lead to where one sleep in earlyOne ends early.
func (p *nanosleep) learn(early bool) {
	if early {
		p.lead = max(0, p.lead-(earlyOne-1)*leadStep)
	} else {
		p.lead = min(maxLead, p.lead+leadStep)
	}
}

// sleep waits until the instant has come; a signal may end it early.
func (p *nanosleep) sleep(until time.Time) error {
	if p.kernel == 0 {
		return unix.ENOSYS
	}
	at := unix.NsecToTimespec(p.kernel + int64(until.Sub(p.origin)))
	err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
	if err == unix.EINTR {
		return nil
	}
	return err
}
