package live

import (
	"context"
	"time"

	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/trace"
)

// A Player is what a live backend supplies: verbs for one schedule. Play calls
// Start, Begin, then the others from several goroutines, and Stop last, always.
type Player interface {
	// Name is the backend's name, for the head of the trace.
	Name() string
	// Start builds everything that the drill needs at 0 s. It returns when a
	// request could be sent; nothing has happened yet as far as the trace goes.
	Start(context.Context) error
	// Begin sets the clock going: 0 s is at the origin, which may lie a few
	// milliseconds ahead.
	Begin(origin time.Time)
	// Do returns what sends the requests of a client.
	Do(client int) probe.Do
	// Complete adds to an ended request what the proxy knows about it: host,
	// upstream, attempts, flags.
	Complete(*trace.Request)
	// Step carries out a step of the schedule. It hands the change over and
	// returns; that it has taken effect is for Witness to say. An error ends the run.
	Step(ctx context.Context, step int) error
	// Witness waits until a step is seen to have taken effect and says what was
	// seen; "" if nothing was when the context was done. Then it looks once more.
	Witness(ctx context.Context, step int) (string, error)
	// Observe is the endpoint table of all clients, now.
	Observe(context.Context) ([]trace.Row, error)
	// Stop heals and ends everything, from whatever state.
	Stop(context.Context) error
}
