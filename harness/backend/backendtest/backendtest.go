// Package backendtest is the test that every backend passes.
//
//	func TestBackend(t *testing.T) {
//		backendtest.Run(t, func() backend.Backend { return inproc.New() }, backendtest.Options{})
//	}
//
// It plays small schedules, each of which stands for a rule that its case
// explains, and holds the trace against the rule, against what every trace has
// to be, and against the engine's prediction of the same schedule: the same
// endpoint changes in the same order, and the same answers in every phase.
//
// Machines are late, so that what is due within the slack after a step or a
// predicted change is not compared, and a run during which the process stood
// still for long is played again. It leaves out load, large configurations and
// everything that only one backend can do.
package backendtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Options say what the test may expect of a backend.
type Options struct {
	// Virtual: the backend does not play by the wall clock, so that nothing is
	// late and a play cannot be interrupted in the middle.
	Virtual bool
	// Slack is how late things may be; 0 means 120 ms, or none if Virtual.
	Slack time.Duration
}

const (
	usualSlack = 120 * time.Millisecond
	// plays is how often a schedule is played while the machine stands still.
	plays = 4
)

// Run tests a backend; open is called for each play.
func Run(t *testing.T, open func() backend.Backend, o Options) {
	if o.Slack == 0 && !o.Virtual {
		o.Slack = usualSlack
	}
	// These look at the whole process, so that they come before the parallel ones.
	t.Run("a context that is done", func(t *testing.T) { testDone(t, open()) })
	if !o.Virtual {
		t.Run("interrupted", func(t *testing.T) { testInterrupted(t, open()) })
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log("the rule: " + c.rule)
			p := play(t, open(), o, c)
			p.wellFormed()
			p.witnessed()
			p.asPredicted()
			c.check(p)
			if t.Failed() {
				t.Log("observed:\n" + story(p.tr))
				t.Log("predicted:\n" + story(p.want))
			}
		})
	}
}

// played is one play of a case.
type played struct {
	*testing.T
	s     *schedule.Schedule
	slack trace.Sec
	sink  *backend.Collector
	tr    *trace.Trace // in order
	first trace.Event
	last  trace.Event
	want  *trace.Trace // the prediction
}

// play plays the case's schedule, again if the machine did not let it.
func play(t *testing.T, b backend.Backend, o Options, c testCase) *played {
	t.Helper()
	s := recipe(t, c.options)
	if m := b.Missing(s); len(m) > 0 {
		if !c.optional {
			t.Fatalf("%s lacks what every backend has to have: %v", b.Name(), m)
		}
		t.Skipf("%s lacks %s: %s", b.Name(), m[0].Feature, m[0].Why)
	}
	for n := 1; ; n++ {
		p := &played{T: t, s: s, slack: trace.Sec(o.Slack), want: engine.Play(s)}
		p.sink = &backend.Collector{OnEvent: func(e trace.Event) {
			if p.first == nil {
				p.first = e
			}
			p.last = e
		}}
		if err := b.Play(t.Context(), s, p.sink); err != nil {
			t.Fatalf("playing %s: %v", t.Name(), err)
		}
		p.tr = &p.sink.Trace
		if stall := live.Stalled(p.tr); o.Virtual || stall < o.Slack/2 || n == plays {
			p.ordered()
			backend.InOrder(p.tr)
			return p
		}
		t.Logf("play %d: the process stood still for %v; again", n, live.Stalled(p.tr))
	}
}

// testDone: a play that must not begin.
func testDone(t *testing.T, b backend.Backend) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var sink backend.Collector
	if err := b.Play(ctx, recipe(t, cases[0].options), &sink); err != context.Canceled { //nolint:errorlint // the very error
		t.Errorf("got %v, want context.Canceled", err)
	}
	if sink.Trace.Ended || len(sink.Trace.Requests) > 0 {
		t.Errorf("something was played: %s", story(&sink.Trace))
	}
}

// story is a trace in lines, for failures.
func story(tr *trace.Trace) string {
	var b strings.Builder
	for _, e := range lines(tr) {
		b.WriteString(e + "\n")
	}
	return b.String()
}
