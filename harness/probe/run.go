package probe

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A Clock says where a load's offsets start and who waits for them.
type Clock struct {
	// Origin is t0, with a monotonic reading (as time.Now gives it); the zero
	// time means the instant at which Run is called. Requests that are due
	// before Run is called are sent at once, and late.
	Origin time.Time
	// Pacer waits; nil means the most precise one of this system, Precise().
	Pacer Pacer
}

// A Do sends request n, counted from 0. The goroutine that keeps the time calls
// it, so it returns at once and waits for nothing. It calls done once, from any
// goroutine, when the answer has been read or ctx is done.
type Do func(ctx context.Context, n int, done func(Outcome))

// Blocking is a Do that makes each request in a goroutine of its own.
func Blocking(do func(ctx context.Context, n int) Outcome) Do {
	return func(ctx context.Context, n int, done func(Outcome)) {
		go func() { done(do(ctx, n)) }()
	}
}

// An Outcome is what became of one request.
type Outcome struct {
	Status   int         // 0: there was no answer
	Err      error       // nil: the whole answer was read, whatever its status
	Kind     Kind        // what Err was; "" without one
	Upstream string      // who answered, as it says itself; "" when it does not
	Bytes    int64       // read of the body
	Header   http.Header // of the answer; nil without one
}

// A Result is one request with its times, all since the origin.
type Result struct {
	N    int           // counted from 0 in the order in which they are due
	Due  time.Duration // when it should have been sent
	Sent time.Duration // when it was
	Done time.Duration // when its outcome was known
	Outcome
}

// Latency is what a client felt that wanted to send at Due.
func (r Result) Latency() time.Duration { return r.Done - r.Due }

// Lateness is how late the request was sent: the fault of the probe or of its
// limit on concurrency, not of what it probes.
func (r Result) Lateness() time.Duration { return r.Sent - r.Due }

// Run sends a load and returns when every request has been answered. Each
// result goes to sink as its request ends, one at a time; sink may be nil.
//
// The error is a mistake in the load, or that of ctx: then no more requests are
// sent, those in flight are cancelled, and the summary holds what there was.
func Run(ctx context.Context, clock Clock, load Load, do Do, sink func(Result)) (Summary, error) {
	if err := load.Validate(); err != nil {
		return Summary{}, err
	}
	if clock.Origin.IsZero() {
		clock.Origin = time.Now()
	}
	if clock.Pacer == nil {
		clock.Pacer = Precise()
	}
	r := newRun(clock, load, do, sink)
	err := r.send(ctx)
	r.inFlight.Wait()
	return r.tally.summary(load.Len(), clock.Pacer.Name()), err
}

type run struct {
	clock Clock
	load  Load
	do    Do

	slots    chan struct{} // holds one for each request in flight
	inFlight sync.WaitGroup

	sinking sync.Mutex // guards what follows
	sink    func(Result)

	mu    sync.Mutex // guards what follows
	tally tally
}

func newRun(clock Clock, load Load, do Do, sink func(Result)) *run {
	concurrency := load.Concurrency
	if concurrency == 0 {
		concurrency = defaultConcurrency
	}
	return &run{clock: clock, load: load, do: do, sink: sink, slots: make(chan struct{}, concurrency), tally: newTally()}
}

// send starts every request when it is due.
func (r *run) send(ctx context.Context) error {
	end := r.clock.Pacer.Begin()
	defer end()
	for n := range r.load.Len() {
		due := r.load.Due(n)
		if err := r.clock.Pacer.Wait(ctx, r.clock.Origin.Add(due)); err != nil {
			return err
		}
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.one(ctx, n, due)
	}
	return nil
}

// one sends a request whose turn it is.
func (r *run) one(ctx context.Context, n int, due time.Duration) {
	cancel := context.CancelFunc(func() {})
	if r.load.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, r.load.Timeout)
	}
	r.inFlight.Add(1)
	result := Result{N: n, Due: due, Sent: time.Since(r.clock.Origin)}
	r.do(ctx, n, func(o Outcome) {
		result.Outcome, result.Done = o, time.Since(r.clock.Origin)
		cancel()
		<-r.slots // before the sink, which may be slow
		r.ended(result)
	})
}

// ended counts a result. The sink does not hold up whoever read the answer.
func (r *run) ended(result Result) {
	r.mu.Lock()
	r.tally.add(result)
	r.mu.Unlock()
	if r.sink == nil {
		r.inFlight.Done()
		return
	}
	go func() {
		defer r.inFlight.Done()
		r.sinking.Lock()
		defer r.sinking.Unlock()
		r.sink(result)
	}()
}
