package probe

import (
	"runtime"
	"testing"

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
