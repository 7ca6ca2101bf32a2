package backendtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// promptly bounds how long an interrupted play may take to end.
const promptly = 5 * time.Second

// testInterrupted: when the context ends, so does the play, with the context's
// error; nothing is left, and the trace says that it is not whole.
func testInterrupted(t *testing.T, b backend.Backend, o Options) {
	before := goleak.IgnoreCurrent()
	own := options{
		duration: time.Minute, every: 20 * time.Millisecond, interval: time.Second, base: time.Second, keepAlive: true,
		steps: []schedule.Step{
			{At: at(50 * time.Millisecond), Kind: schedule.KindFault, Name: "east hangs", Fault: &schedule.Fault{Name: "stuck", Behaviour: schedule.Hang, Hang: "headers", Percentage: 100}},
			{At: at(150 * time.Millisecond), Kind: schedule.KindFault, Name: "west refuses", Fault: &schedule.Fault{Name: "down", Upstream: west, Behaviour: schedule.Refuse, Percentage: 100}},
		},
	}
	s := recipe(t, own.with(o))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at time.Time
	sink := backend.Collector{OnEvent: func(e trace.Event) {
		if st, ok := e.(trace.Step); ok && st.Name == "west refuses" {
			at = time.Now()
			cancel()
		}
	}}
	err := b.Play(ctx, s, &sink)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if took := time.Since(at); at.IsZero() || took > promptly {
		t.Errorf("ended %v after the interruption, want at most %v", took, promptly)
	}
	if sink.Trace.Ended {
		t.Error("the trace has an end mark")
	}
	if len(sink.Trace.Requests) == 0 {
		t.Error("the trace holds nothing of what was played")
	}
	goleak.VerifyNone(t, before)
}
