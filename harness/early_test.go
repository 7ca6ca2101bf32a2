package harness

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// The longest is what a pod of a cluster takes; each lead is played with seeds of its
// own, for what hangs on chance.
const (
	leadStep    = 200 * time.Millisecond
	longestLead = 5 * time.Second
	seedsALead  = 5
)

// A real proxy has read its clusters some time before the drill begins, and its ticks
// and look-ups count from there. No scenario expects what a slower start or another
// seed would change.
func TestExpectationsHoldWheneverTheProxyStarted(t *testing.T) {
	inputs, err := scenario.Load(scenario.Disk(), []string{"../scenarios"})
	if err != nil {
		t.Fatal(err)
	}
	drills, err := Drills(inputs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range drills {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			if len(Rejections(d.Compile())) > 0 {
				return
			}
			failed := map[string][]string{}
			seed := d.Seed
			for lead := leadStep; lead <= longestLead; lead += leadStep {
				for range seedsALead {
					s := early(d.Compile().Schedule, trace.Sec(lead))
					s.Seed = seed
					seed++
					tr := engine.Predict(s)
					for _, e := range check.Judge(later(expectations(d), scenario.Duration(lead)), tr, tr) {
						if e.Verdict == result.Fail {
							failed[e.Name] = append(failed[e.Name], fmt.Sprintf("started %v before, seed %d: %s", lead, s.Seed, e.Observed))
						}
					}
				}
			}
			for name, at := range failed {
				t.Errorf("%s: %d times: %q", name, len(at), at[:min(3, len(at))])
			}
		})
	}
}

// early is the schedule with so much time before all that happens in it.
func early(s *schedule.Schedule, lead trace.Sec) *schedule.Schedule {
	out := *s
	out.Duration += lead
	out.Clients = slices.Clone(s.Clients)
	for i := range out.Clients {
		out.Clients[i].Load.Start += lead
	}
	out.Steps = slices.Clone(s.Steps)
	for i := range out.Steps {
		if st := &out.Steps[i]; st.At > 0 {
			st.At += lead
		}
	}
	out.Observe = slices.Clone(s.Observe)
	for i := range out.Observe {
		out.Observe[i] += lead
	}
	return &out
}

// celInstant is an instant in an expression, as window and endpoint take it.
var celInstant = regexp.MustCompile(`'[0-9.]+(ms|s|m)'`)

// later are the expectations so much later.
func later(es []scenario.Expectation, by scenario.Duration) []scenario.Expectation {
	out := slices.Clone(es)
	for i := range out {
		e := &out[i]
		e.CEL = celInstant.ReplaceAllStringFunc(e.CEL, func(at string) string {
			d, err := time.ParseDuration(strings.Trim(at, "'"))
			if err != nil {
				return at
			}
			return fmt.Sprintf("'%s'", d+time.Duration(by))
		})
		e.During = slices.Clone(e.During)
		for j := range e.During {
			e.During[j] += by
		}
		for _, at := range []**scenario.Duration{&e.At, &e.After} {
			if *at != nil {
				v := **at + by
				*at = &v
			}
		}
	}
	return out
}
