package check_test

import (
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

func TestSameStory(t *testing.T) {
	o := recipe()
	slow := o.schedule()
	if why := check.SameStory(engine.Play(slow), engine.Play(slow.Scaled(5))); why != "" {
		t.Errorf("the recipe five times as fast: %s", why)
	}
	// A response takes 40 ms and the route gives up after 3 s: at 100 times the
	// speed after 30 ms.
	o.steps = []schedule.Step{fault(5250*time.Millisecond, 0, schedule.Fault{Behaviour: schedule.Status, Status: 200})}
	slow = o.schedule()
	slow.Upstreams[0].Latency = trace.Sec(40 * time.Millisecond)
	why := check.SameStory(engine.Play(slow), engine.Play(slow.Scaled(100)))
	if !strings.Contains(why, "what does not scale is the time that connections and answers take") {
		t.Errorf("a timeout that scales and an answer that does not: got %q", why)
	}
}

func TestSameStoryOfChance(t *testing.T) {
	o := recipe()
	o.priorities = []uint32{0, 0}
	o.every = 100 * time.Millisecond
	o.steps = nil
	s := o.schedule()
	if why := check.SameStory(engine.Play(s), engine.Play(s.Scaled(10))); why != "" {
		t.Errorf("two equal upstreams: %s", why)
	}
	slow, fast := engine.Play(s), engine.Play(s.Scaled(10))
	for i := range fast.Requests {
		fast.Requests[i].Host, fast.Requests[i].Upstream = 0, 0
	}
	if why := check.SameStory(slow, fast); !strings.Contains(why, "up0 answers") {
		t.Errorf("one of them takes all: got %q", why)
	}
	fast.Requests = fast.Requests[1:]
	if why := check.SameStory(slow, fast); !strings.Contains(why, "399 requests are sent, and scaled 398") {
		t.Errorf("a request less: got %q", why)
	}
}
