package check

import "testing"

// Real proxies are read by their logs and counters, wherever they play.
func TestTimingOf(t *testing.T) {
	for backend, want := range map[string]Timing{"inproc": Inproc, "envoy": Envoy, "kind": Envoy} {
		if got := TimingOf(backend); got != want {
			t.Errorf("%s: got %+v", backend, got)
		}
	}
}
