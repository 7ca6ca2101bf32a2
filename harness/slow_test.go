package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// A run that cannot be held against the model is played again when the machine
// stood still in it, and stays inconclusive when it did not.
func TestBlame(t *testing.T) {
	for _, c := range []struct {
		stall time.Duration
		slow  bool
	}{{0, false}, {time.Millisecond, false}, {40 * time.Millisecond, true}} {
		tr := &trace.Trace{}
		if c.stall > 0 {
			tr.Add(trace.Stall(0, c.stall))
		}
		p := Played{Run: result.Run{Verdict: result.Inconclusive, Reason: blame("there are many explanations", tr)}}
		if p.TooSlow() != c.slow || !strings.Contains(p.Reason, "many explanations") {
			t.Errorf("a stall of %v: %q, too slow %v, want %v", c.stall, p.Reason, p.TooSlow(), c.slow)
		}
	}
}
