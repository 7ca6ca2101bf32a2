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
// Machines are late, so that what is due within the slack of a step or a
// predicted change is not compared, and a play during which the machine was
// late by more than half of it is repeated. It leaves out load, large configurations and
// everything that only one backend can do.
package backendtest

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/engine"
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
	// Outside: the backend sees its proxies from outside. They do not tell it how long
	// an ejection is to last, nor when each ejection was refused.
	Outside bool
	// SideBySide is how many schedules are played at once; 0 means 8.
	SideBySide int
	// Profile is the one that the backend plays; "" is 1.31. A case about another is
	// skipped where the backend lacks that.
	Profile string
}

const (
	usualSlack = 120 * time.Millisecond
	// plays is how often a schedule is played while the machine is too late.
	plays = 6
	// usualSideBySide is how many schedules are played at once.
	usualSideBySide = 8
)

// Run tests a backend; open is called for each play. All schedules are played
// side by side; then each is looked at.
func Run(t *testing.T, open func() backend.Backend, o Options) {
	if o.Slack == 0 && !o.Virtual {
		o.Slack = usualSlack
	}
	// These look at the whole process, so that they come first and alone.
	t.Run("a context that is done", func(t *testing.T) { testDone(t, open(), o) })
	if !o.Virtual {
		t.Run("interrupted", func(t *testing.T) { testInterrupted(t, open(), o) })
	}
	all := make([]*played, len(cases))
	var playing sync.WaitGroup
	turns := make(chan struct{}, cmp.Or(o.SideBySide, usualSideBySide))
	for i, c := range cases {
		s := recipe(t, c.options.with(o))
		playing.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			all[i] = play(t.Context(), open(), s, o)
		})
	}
	playing.Wait()
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Log("the rule: " + c.rule)
			all[i].T = t
			all[i].judge(c)
		})
	}
}

// played is one play of a schedule.
type played struct {
	*testing.T
	s       *schedule.Schedule
	slack   trace.Sec
	outside bool
	missing []backend.Missing
	err     error
	tr      *trace.Trace
	first   trace.Event
	last    trace.Event
	want    *trace.Trace    // the prediction
	late    []time.Duration // how late the machine was, by play
}

// play plays a schedule, again if the machine did not let it.
func play(ctx context.Context, b backend.Backend, s *schedule.Schedule, o Options) *played {
	p := &played{s: s, slack: trace.Sec(o.Slack), outside: o.Outside, missing: b.Missing(s)}
	if len(p.missing) > 0 {
		return p
	}
	p.want = engine.Play(s)
	for range plays {
		sink := &backend.Collector{}
		p.first, p.last, p.tr = nil, nil, &sink.Trace
		sink.OnEvent = func(e trace.Event) {
			if p.first == nil {
				p.first = e
			}
			p.last = e
		}
		if p.err = b.Play(ctx, s, sink); p.err != nil {
			return p
		}
		late := p.lateness()
		p.late = append(p.late, late)
		if o.Virtual || late < o.Slack/2 {
			return p
		}
	}
	return p
}

// machine is what the machine did to a play: how long it stood still, or how
// late it sent a request.
func (p *played) machine() time.Duration {
	late := p.tr.LongestStall()
	for _, r := range p.tr.Requests {
		late = max(late, (r.Sent - r.At).D())
	}
	return late
}

// lateness is how much later than predicted a request had its answer, or what
// the machine did. A backend that is slow by itself is so every time.
func (p *played) lateness() time.Duration {
	late := p.machine()
	type key struct{ client, n int32 }
	predicted := map[key]trace.Sec{}
	for _, r := range p.want.Requests {
		predicted[key{r.Client, r.N}] = r.Done
	}
	for _, r := range p.tr.Requests {
		late = max(late, (r.Done - predicted[key{r.Client, r.N}]).D())
	}
	return late
}

// judge holds the play against everything.
func (p *played) judge(c testCase) {
	switch {
	case len(p.missing) > 0 && c.optional:
		p.Skipf("lacks %s: %s", p.missing[0].Feature, p.missing[0].Why)
	case len(p.missing) > 0:
		p.Fatalf("lacks what every backend has to have: %v", p.missing)
	case p.err != nil:
		p.Fatalf("playing: %v", p.err)
	}
	p.Logf("the machine was late by %v", p.late)
	if len(p.late) == plays && p.machine() >= p.slack.D()/2 {
		p.Skipf("inconclusive: the machine was too late in every one of %d plays", plays)
	}
	p.ordered()
	backend.InOrder(p.tr)
	p.wellFormed()
	p.witnessed()
	p.asPredicted()
	c.check(p)
	if p.Failed() {
		p.Log("observed:\n" + story(p.tr))
		p.Log("predicted:\n" + story(p.want))
	}
}

// testDone: a play that must not begin.
func testDone(t *testing.T, b backend.Backend, o Options) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var sink backend.Collector
	if err := b.Play(ctx, recipe(t, cases[0].options.with(o)), &sink); err != context.Canceled { //nolint:errorlint // the very error
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
