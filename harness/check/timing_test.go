package check

import "testing"

// Real proxies are read by their logs and counters, wherever they play: what is not known
// to have none has some.
func TestTimingOf(t *testing.T) {
	for backend, want := range map[string]Timing{"model": Inproc, "inproc": Inproc, "envoy": Envoy, "kind": Envoy, "cluster": Envoy, "another": Envoy} {
		if got := TimingOf(backend); got != want {
			t.Errorf("%s: got %+v", backend, got)
		}
	}
}
