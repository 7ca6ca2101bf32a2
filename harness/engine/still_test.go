package engine

import (
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// A server that stood still sends what was due at once, takes as long as ever for what
// it reads then, and what is not due yet is not early.
func TestPauseAnswersLater(t *testing.T) {
	d := newDrill(t)
	ms := time.Millisecond
	d.do([]string{"upstream", "a", "198.18.0.1", "latency=500ms"})
	d.do([]string{"endpoints", "a:80"})
	d.do([]string{"client", "every=900ms", "count=6"})
	d.do([]string{"at", "2", "fault", "still", "a", "pause"})
	d.do([]string{"at", "3.8", "heal", "still"})
	w, _, _ := d.play("8s")
	want := map[int32]time.Duration{0: 500 * ms, 1: 1400 * ms, 2: 3800 * ms, 3: 4300 * ms, 4: 4300 * ms, 5: 5000 * ms}
	for _, r := range w.tr.Unpack().Requests {
		if off := r.Done.D() - want[r.N]; off < 0 || off > ms || r.Status != 200 {
			t.Errorf("request %d: got %d at %v, want 200 at %v", r.N, r.Status, r.Done.D(), want[r.N])
		}
	}
}

// A pause leaves what is in flight where it is when that is not due within it.
func TestPauseIsOverBeforeTheAnswer(t *testing.T) {
	d := newDrill(t)
	d.do([]string{"upstream", "a", "198.18.0.1", "latency=3s"})
	d.do([]string{"endpoints", "a:80"})
	d.do([]string{"client", "every=1s", "count=1"})
	d.do([]string{"at", "1", "fault", "still", "a", "pause", "for=1s"})
	w, _, _ := d.play("8s")
	if r := w.tr.Unpack().Requests[0]; r.Done < trace.Sec(3*time.Second) || r.Done > trace.Sec(3*time.Second+time.Millisecond) {
		t.Errorf("answered at %v, want at 3s", r.Done.D())
	}
}

// After a partition what was lost is sent again when the kernel next tries: 200 ms after
// the first time, then 400 ms later, 800 ms, and so on.
func TestPartitionAnswersWhenSentAgain(t *testing.T) {
	for heal, want := range map[string]time.Duration{"1.15": 1200 * time.Millisecond, "1.5": 1600 * time.Millisecond, "4.1": 7200 * time.Millisecond} {
		d := newDrill(t)
		d.do([]string{"upstream", "a", "198.18.0.1"})
		d.do([]string{"endpoints", "a:80"})
		d.do([]string{"client", "every=1s", "count=2"})
		d.do([]string{"at", "0.5", "fault", "cut", "a", "partition", "partition=drop"})
		d.do([]string{"at", heal, "heal", "cut"})
		w, _, _ := d.play("9s")
		r := w.tr.Unpack().Requests[1]
		if off := r.Done.D() - want; off < 0 || off > 5*time.Millisecond {
			t.Errorf("healed at %s s, answered at %v, want at %v", heal, r.Done.D(), want)
		}
	}
}
