package probe

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTimerSlackIsRestored(t *testing.T) {
	runtime.LockOSThread() // the slack is the thread's
	defer runtime.UnlockOSThread()
	slack := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		if err != nil {
			t.Skip("no timer slack here: ", err)
		}
		return n
	}
	before := slack()
	end := Precise().Begin()
	if got := slack(); got != 1 {
		t.Errorf("while pacing: got %d ns, want 1", got)
	}
	end()
	if got := slack(); got != before {
		t.Errorf("afterwards: got %d ns, want %d", got, before)
	}
}

// However early a sleep is aimed to end, the wait ends no earlier than asked.
func TestNeverEarly(t *testing.T) {
	p := &nanosleep{lead: maxLead}
	defer p.Begin()()
	until := time.Now()
	for range 200 {
		until = until.Add(300 * time.Microsecond)
		p.lead = maxLead
		if err := p.Wait(t.Context(), until); err != nil || time.Now().Before(until) {
			t.Fatalf("got %v, %v before the instant", err, time.Until(until))
		}
	}
	for range 1000 {
		p.learn(true)
	}
	if p.lead != 0 {
		t.Errorf("after 1000 early wake-ups the lead is %v, want 0s", p.lead)
	}
	for range 1000 {
		p.learn(false)
	}
	if p.lead != maxLead {
		t.Errorf("after 1000 late wake-ups the lead is %v, want %v", p.lead, maxLead)
	}
}
