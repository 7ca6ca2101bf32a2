package live

import (
	"context"
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// unlimited is how many requests are in flight at most when the load sets no limit.
const unlimited = 1 << 16

// mostThreads is how many clients get a thread of their own to be on time with: more
// of them keep each other, and the proxies, from running.
const mostThreads = 16

// load sends the requests of one client, and records each when it has ended.
func (d *drive) load(ctx context.Context, client int) error {
	l := &d.s.Clients[client].Load
	if l.Count == 0 {
		return nil
	}
	pacer := probe.Precise()
	if len(d.s.Clients) > mostThreads {
		pacer = probe.Timers()
	}
	clock := probe.Clock{Origin: d.origin, Pacer: gated{pacer, d}}
	do := d.p.Do(client)
	counted := func(ctx context.Context, n int, done func(probe.Outcome)) {
		do(ctx, n, func(o probe.Outcome) {
			d.flight.add(0, 1)
			done(o)
		})
		d.flight.add(1, 0)
	}
	sum, err := probe.Run(ctx, clock, loadOf(l), counted, func(r probe.Result) { d.ended(ctx, client, l, r) })
	d.mu.Lock()
	d.report.Lateness[d.s.Clients[client].Name] = sum.Lateness
	d.mu.Unlock()
	if ctx.Err() == nil && err != nil {
		return fmt.Errorf("sending the requests of %s: %w", d.s.Clients[client].Name, err)
	}
	return nil
}

func loadOf(l *schedule.Load) probe.Load {
	p := probe.Load{
		Every: l.Every.D(), Start: l.Start.D(), Count: l.Count, Concurrency: l.Concurrency, Timeout: l.Timeout.D(), KeepAlive: l.KeepAlive,
	}
	if p.Every <= 0 {
		p.Every = time.Second // a single request
	}
	if p.Concurrency == 0 {
		p.Concurrency = unlimited
	}
	return p
}

// ended records a request. What had no answer when the time was up counts as
// unanswered, unless that was the machine's fault.
func (d *drive) ended(ctx context.Context, client int, l *schedule.Load, r probe.Result) {
	if d.stopped(ctx) {
		return // interrupted in the middle of it
	}
	e := trace.Request{
		At: trace.Sec(r.Due), Sent: trace.Sec(r.Sent), Done: trace.Sec(r.Done), Client: int32(client), N: int32(r.N),
		Status: int32(r.Status), Host: -1, Upstream: -1,
	}
	switch {
	case r.Err != nil && ctx.Err() != nil, e.Done > d.end && !d.excused(&e):
		e.Status, e.Done, e.Error = 0, max(e.Sent, d.end), "unanswered at the end of the drill"
	case r.Err == nil:
	case l.Timeout > 0 && r.Kind == probe.KindTimeout:
		e.Error = "timeout"
	case r.Status != 0:
		e.Error = "the answer broke off"
	default:
		e.Error = r.Err.Error()
	}
	if e.Error != "" {
		e.Status = 0
	}
	d.p.Complete(&e)
	d.sink.Event(e)
}

// excused reports whether a request whose answer came after the last one was to
// be expected would have had it in time, had the machine not been late.
func (d *drive) excused(e *trace.Request) bool {
	if e.At <= d.s.Duration-soon && isPrompt(d.s, len(d.s.Steps)) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return e.Done <= d.end+(e.Sent-e.At)+trace.Sec(d.report.Stall)+soon
}
