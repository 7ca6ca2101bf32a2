package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// fake is a player without an environment: it writes down what is asked of it.
type fake struct {
	s *schedule.Schedule

	mu    sync.Mutex
	calls []string

	startErr error
	stepErr  error
	hang     bool          // requests have no answer
	slow     time.Duration // a step takes this long
	witness  func(context.Context, int) (string, error)
}

func (f *fake) call(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fake) Name() string { return "fake" }

func (f *fake) Start(context.Context) error { f.call("start"); return f.startErr }

func (f *fake) Begin(time.Time) { f.call("begin") }

func (f *fake) Do(int) probe.Do {
	return probe.Blocking(func(ctx context.Context, n int) probe.Outcome {
		f.call("request %d", n)
		if f.hang {
			<-ctx.Done()
			return probe.Outcome{Err: ctx.Err(), Kind: probe.KindOf(ctx.Err())}
		}
		return probe.Outcome{Status: 200}
	})
}

func (f *fake) Complete(r *trace.Request) { r.Attempts = 1 }

func (f *fake) Step(_ context.Context, i int) error {
	time.Sleep(f.slow)
	f.call("step %d", i)
	return f.stepErr
}

func (f *fake) Witness(ctx context.Context, i int) (string, error) {
	if f.witness == nil {
		return "seen", nil
	}
	return f.witness(ctx, i)
}

func (f *fake) Observe(context.Context) ([]trace.Row, error) { f.call("observe"); return nil, nil }

func (f *fake) Stop(context.Context) error { f.call("stop"); return nil }

// timeline is a schedule of 300 ms with a request every 100 ms.
func timeline(steps ...schedule.Step) *schedule.Schedule {
	return &schedule.Schedule{
		Name: "fake", Duration: trace.Sec(300 * ms), Steps: steps, Upstreams: []schedule.Upstream{{Name: "east"}},
		Clients: []schedule.Client{{Name: "sleep", Load: schedule.Load{Every: trace.Sec(100 * ms), Count: 3}}}, Configs: [][]xds.Config{{{}}},
	}
}

func status(at time.Duration, name string) schedule.Step {
	return schedule.Step{At: trace.Sec(at), Kind: schedule.KindFault, Fault: &schedule.Fault{Name: name, Behaviour: schedule.Status}}
}

func run(t *testing.T, f *fake) (*backend.Collector, Report, error) {
	t.Helper()
	var c backend.Collector
	r, err := Play(t.Context(), f.s, f, &c)
	backend.InOrder(&c.Trace)
	return &c, r, err
}

// At one instant: steps, then the observation, then the request; though the
// step is slow and the request is late for it.
func TestOrderAtOneInstant(t *testing.T) {
	s := timeline(status(100*ms, "a"), status(100*ms, "b"))
	s.Observe = []trace.Sec{trace.Sec(100 * ms), trace.Sec(300 * ms)}
	f := &fake{s: s, slow: 30 * ms}
	c, report, err := run(t, f)
	if err != nil {
		t.Fatal(err)
	}
	want := "start, begin, request 0, step 0, step 1, observe, request 1, request 2, observe, stop"
	if got := strings.Join(f.calls, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	tr := &c.Trace
	if r := tr.Requests[1]; r.At != trace.Sec(100*ms) || r.Sent < tr.Steps[1].Done {
		t.Errorf("request 1 was due at %v and sent at %v, the step was done at %v", r.At.D(), r.Sent.D(), tr.Steps[1].Done.D())
	}
	if !tr.Ended || len(tr.Endpoints) != 2 || len(tr.Steps) != 2 {
		t.Errorf("got ended %v, %d tables, %d steps", tr.Ended, len(tr.Endpoints), len(tr.Steps))
	}
	if l := report.Lateness["sleep"]; l.Max < 60*ms {
		t.Errorf("lateness %v, want the 60ms that the steps took", l.Max)
	}
	if !strings.Contains(string(c.Files["live.json"]), `"sleep"`) {
		t.Errorf("live.json: %s", c.Files["live.json"])
	}
}

// A fault that only traffic shows counts from when it was applied, however late
// it is seen; one that nobody meets is recorded at the end, without a witness.
func TestWitnessByTraffic(t *testing.T) {
	f := &fake{s: timeline(status(50*ms, "met"), status(60*ms, "unmet"))}
	met := make(chan struct{})
	time.AfterFunc(150*ms, func() { close(met) })
	f.witness = func(ctx context.Context, i int) (string, error) {
		if i == 0 {
			<-met
			return "counted one", nil
		}
		<-ctx.Done()
		return "", nil
	}
	c, _, err := run(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Trace.Steps[0]; s.Witness != "counted one" || s.Witnessed != s.Done {
		t.Errorf("got %+v, want witnessed from when it was done", s)
	}
	if s := c.Trace.Steps[1]; s.Witness != "" || s.Witnessed != 0 || s.Error != "" {
		t.Errorf("got %+v, want no witness", s)
	}
}

// The wait for a witness ends when the fault is healed, not only at the end.
func TestHealEndsTheWait(t *testing.T) {
	heal := schedule.Step{At: trace.Sec(100 * ms), Kind: schedule.KindHeal, Heal: "a"}
	f := &fake{s: timeline(status(50*ms, "a"), heal)}
	var waited time.Duration
	f.witness = func(ctx context.Context, i int) (string, error) {
		if i == 1 {
			return "gone", nil
		}
		begin := time.Now()
		<-ctx.Done()
		waited = time.Since(begin)
		return "", nil
	}
	c, _, err := run(t, f)
	if err != nil {
		t.Fatal(err)
	}
	if waited > 200*ms {
		t.Errorf("waited %v, want until the heal 50ms later", waited)
	}
	if s := c.Trace.Steps[1]; s.Upstream != 0 || s.Witness != "gone" || s.Witnessed < s.Done {
		t.Errorf("got %+v", s)
	}
}

func TestUnansweredAtTheEnd(t *testing.T) {
	f := &fake{s: timeline(), hang: true}
	c, _, err := run(t, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Trace.Requests {
		if r.Status != 0 || r.Done != f.s.Duration || !strings.Contains(r.Error, "end of the drill") {
			t.Errorf("got %+v", r)
		}
	}
	if len(c.Trace.Requests) != 3 {
		t.Errorf("got %d requests, want 3", len(c.Trace.Requests))
	}
}

func TestClientTimeout(t *testing.T) {
	f := &fake{s: timeline(), hang: true}
	f.s.Clients[0].Load.Timeout = trace.Sec(20 * ms)
	c, _, err := run(t, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Trace.Requests {
		if r.Status != 0 || r.Error != "timeout" {
			t.Errorf("got %+v", r)
		}
	}
}

// Whatever breaks, the player is stopped, and the trace has no end mark.
func TestErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		f    *fake
		want string
	}{
		{"start", &fake{s: timeline(), startErr: broken}, "starting fake: broken"},
		{"step", &fake{s: timeline(status(50*ms, "a")), stepErr: broken}, `carrying out step "" at 50ms: broken`},
	} {
		t.Run(c.name, func(t *testing.T) {
			sink, _, err := run(t, c.f)
			if !errors.Is(err, broken) || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if sink.Trace.Ended || !slices.Contains(c.f.calls, "stop") {
				t.Errorf("ended %v, calls %v", sink.Trace.Ended, c.f.calls)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	s := timeline(status(50*ms, "a"))
	s.Duration = trace.Sec(time.Hour)
	f := &fake{s: s, hang: true}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var c backend.Collector
	f.witness = func(ctx context.Context, _ int) (string, error) {
		cancel()
		<-ctx.Done()
		return "", nil
	}
	_, err := Play(ctx, s, f, &c)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if c.Trace.Ended || len(c.Trace.Requests) != 0 || !slices.Contains(f.calls, "stop") {
		t.Errorf("ended %v, %d requests, calls %v", c.Trace.Ended, len(c.Trace.Requests), f.calls)
	}
	if n := len(c.Trace.Notes); n == 0 || c.Trace.Notes[n-1].Text != "interrupted" {
		t.Errorf("notes: %v", c.Trace.Notes)
	}
}

func TestStalled(t *testing.T) {
	tr := &trace.Trace{Notes: []trace.Note{{Text: "stalled for 21.5ms"}, {Text: "interrupted"}, {Text: "stalled for 1.5s"}, {Text: "stalled for long"}}}
	if got := tr.LongestStall(); got != 1500*ms {
		t.Errorf("got %v, want 1.5s", got)
	}
}

// When a step was done is told as it was, also where the drill should have been over by
// then: what the proxies did in between was under the configuration of before.
func TestDoneAfterTheEnd(t *testing.T) {
	c, _, err := run(t, &fake{s: timeline(status(200*ms, "a")), slow: 250 * ms})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Trace.Steps) != 1 || c.Trace.Steps[0].Done < trace.Sec(450*ms) {
		t.Errorf("got %+v", c.Trace.Steps)
	}
}
