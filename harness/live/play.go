package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Report is what a run says about its own accuracy. It is evidence, too: live.json.
type Report struct {
	Start    time.Duration                 // how long the environment took to build
	Stop     time.Duration                 // how long it took to collect what it knew, and to end
	Stall    time.Duration                 // the longest time for which the process stood still
	Lateness map[string]probe.Distribution // by client: how late requests were sent
}

const (
	// lead is how far ahead the origin lies when everything is built, so that
	// what is due at 0 s is not late.
	lead = 20 * time.Millisecond
	// lateAnswers is how long after the last answer was to be expected it is waited
	// for, in case the machine was late.
	lateAnswers = 250 * time.Millisecond
	// lateRequests is how long they are waited for while requests are still
	// to be sent that were due in the drill's time.
	lateRequests = 2 * time.Second
	// stopWithin bounds how long an environment may take to end.
	stopWithin = 30 * time.Second
)

// errOver ends what still runs when the drill's time is up.
var errOver = errors.New("the drill is over")

// Play plays the schedule: start, load and timeline side by side, stop. It
// returns the context's error when that ended it; then the player was stopped
// all the same, and the trace has no end mark. A player that breaks in the middle ends
// the context with a cause of its own, which is then the error.
func Play(ctx context.Context, s *schedule.Schedule, p Player, sink backend.Sink) (Report, error) {
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	d := &drive{
		s: s, p: p, sink: sink, end: lastAnswer(s), gate: newGate(), entries: entriesOf(s),
		watched: map[string]context.CancelFunc{}, report: Report{Lateness: map[string]probe.Distribution{}},
	}
	sink.Event(engine.RunOf(s, p.Name()))
	err := d.play(ctx)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	stopping := time.Now()
	e := p.Stop(stopCtx)
	d.report.Stop = time.Since(stopping)
	if e != nil {
		e = fmt.Errorf("stopping %s: %w", p.Name(), e)
		err = errors.Join(err, e)
	}
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return d.report, errors.Join(cause, e)
	}
	if ctx.Err() != nil {
		sink.Event(trace.Note{At: min(d.since(), s.Duration), Text: "interrupted"})
		return d.report, ctx.Err()
	}
	if err != nil {
		return d.report, err
	}
	d.evidence()
	sink.Event(trace.End{At: s.Duration})
	return d.report, nil
}

// drive is a schedule that is being played.
type drive struct {
	s       *schedule.Schedule
	p       Player
	sink    backend.Sink
	end     trace.Sec // when the last answer is to be expected
	origin  time.Time
	gate    *gate
	entries []entry

	witnesses sync.WaitGroup
	flight    flight

	mu      sync.Mutex // guards what follows
	watched map[string]context.CancelFunc
	report  Report
}

// play runs the load of all clients beside the timeline. The timeline ends
// the drill.
func (d *drive) play(ctx context.Context) error {
	begin := time.Now()
	if err := d.p.Start(ctx); err != nil {
		return fmt.Errorf("starting %s: %w", d.p.Name(), err)
	}
	d.report.Start = time.Since(begin)
	if err := calm(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	d.origin = time.Now().Add(lead)
	d.p.Begin(d.origin)

	var running, loads sync.WaitGroup
	running.Go(func() { d.watchStalls(ctx) })
	failed := make([]error, len(d.s.Clients))
	for i := range d.s.Clients {
		loads.Go(func() {
			if failed[i] = d.load(ctx, i); failed[i] != nil {
				stop(failed[i])
			}
		})
	}
	err := d.timeline(ctx)
	if err == nil {
		d.catchUp(ctx)
		err = errOver
	}
	stop(err)
	loads.Wait()
	running.Wait()
	d.witnesses.Wait()
	if err = errors.Join(failed...); err == nil && !errors.Is(context.Cause(ctx), errOver) {
		err = context.Cause(ctx)
	}
	return err
}

// lastAnswer is when the last request of the drill is answered, according to the
// model: at the drill's end, or later if one that was due before it waits so long.
func lastAnswer(s *schedule.Schedule) trace.Sec {
	end := s.Duration
	for r := range engine.Predict(s).AllRequests() {
		if r.Status != 0 || r.Flags&trace.FlagDC != 0 {
			end = max(end, r.Done)
		}
	}
	return end
}

// catchUp waits for what the machine made late: for requests to be sent that
// were due, then for their answers.
func (d *drive) catchUp(ctx context.Context) {
	due := dueBefore(d.s, d.s.Duration)
	late, cancel := context.WithTimeout(ctx, lateRequests)
	defer cancel()
	d.flight.wait(late, func(sent, _ int) bool { return sent >= due })
	last, cancel := context.WithDeadline(ctx, d.origin.Add(d.end.D()+lateAnswers))
	defer cancel()
	d.flight.wait(last, func(_, ended int) bool { return ended >= due })
}

// stopped reports whether the context ended before the drill did.
func (d *drive) stopped(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errOver)
}

// since is the time since the origin, at least 0. A machine that stood still as the drill
// ended makes it more than the duration.
func (d *drive) since() trace.Sec {
	if d.origin.IsZero() {
		return 0
	}
	return max(0, trace.Sec(time.Since(d.origin)))
}

// evidence writes down how accurate the run was.
func (d *drive) evidence() {
	type late struct {
		P50, P99, Max float64 // milliseconds
	}
	out := struct {
		StartMs    float64         `json:"startMs"`
		StopMs     float64         `json:"stopMs"`
		StallMs    float64         `json:"stallMs"`
		LatenessMs map[string]late `json:"latenessMs"`
		Pacer      string          `json:"pacer"`
	}{millis(d.report.Start), millis(d.report.Stop), millis(d.report.Stall), map[string]late{}, probe.Precise().Name()}
	for name, l := range d.report.Lateness {
		out.LatenessMs[name] = late{millis(l.P50), millis(l.P99), millis(l.Max)}
	}
	if b, err := json.MarshalIndent(out, "", " "); err == nil {
		d.sink.Evidence("live.json", append(b, '\n'))
	}
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
