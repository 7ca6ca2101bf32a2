package check_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// stored is a run of a folder of testdata.
func stored(t *testing.T, name string) (*schedule.Schedule, *trace.Trace) {
	t.Helper()
	open := func(file string) *os.File {
		f, err := os.Open(filepath.Join("testdata", name, file))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	s, err := schedule.Read(open("schedule.json"))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read(open("trace.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return s, tr
}

// A change arms the timers of both priorities, and that of the second, whose hosts are all
// out by then, fired first: until the first had its host back there was nobody, as request
// 49 of a run of Envoy 1.36 found. A while before that there was somebody.
func TestAcceptMergedOneByOne(t *testing.T) {
	for _, c := range []struct {
		name     string
		early    trace.Sec
		accepted bool
	}{{"as it was", 0, true}, {"before the window ended", sec(0.04), false}} {
		s, tr := stored(t, "merged-one-by-one")
		for i := range tr.Requests {
			if r := &tr.Requests[i]; r.N == 49 {
				r.At, r.Sent, r.Done = r.At-c.early, r.Sent-c.early, r.Done-c.early
			}
		}
		// The machine was starved, and all its notes with it widen what is permitted.
		if c.early > 0 {
			tr.Notes = nil
		}
		d, why := check.Accept(s, tr)
		if why != "" || (d == nil) != c.accepted {
			t.Errorf("%s: %+v %s", c.name, d, why)
		}
	}
}

// Runs of real proxies that were said to do what the model does not permit, and did:
// between two detections of one result the interval timer fired; fifteen ticks that
// nobody saw, each armed by the one before, had come 80 ms late; and in a cluster of the
// user a second failure was counted before the main thread had heard of the first, so that
// the one detector found 14 of 15 failures and the other every fifth, all refused.
func TestAcceptStoredRuns(t *testing.T) {
	for _, name := range []string{"tick-between-detections", "drift-of-unseen-ticks", "detection-lost"} {
		s, tr := stored(t, name)
		if d, why := check.Accept(s, tr); d != nil || why != "" {
			t.Errorf("%s: %+v %s", name, d, why)
		}
	}
}

// A cluster ticks with the first of the response that it came in: a run of a real proxy
// was said to return a host 166 ms early, which counted from when the cluster itself was
// built. It shows that it was not.
func TestAcceptTicksOfOneResponse(t *testing.T) {
	s, tr := stored(t, "ticks-of-one-response")
	if d, why := check.Accept(s, tr); d != nil || why != "" {
		t.Errorf("%+v %s", d, why)
	}
	tr.Loads[0].At, tr.Loads[0].Read = tr.Loads[0].Read, 0
	if d, why := check.Accept(s, tr); d == nil || d.Observed != trace.Returned || why != "" {
		t.Errorf("as if it had come alone: %+v %s", d, why)
	}
}
