package e2e

import (
	"sync"
	"testing"
	"testing/synctest"
)

// room is what a machine has for drills: a number of them, and so many cores.
type room struct {
	mu           sync.Mutex
	left         *sync.Cond
	drills, most int
	cores, all   float64
}

func newRoom(drills int, cores float64) *room {
	r := &room{most: drills, all: cores}
	r.left = sync.NewCond(&r.mu)
	return r
}

// enter waits until there is room for one more drill, which takes so much of a core. A
// drill that takes more than there is has the room to itself.
func (r *room) enter(share float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.drills > 0 && (r.drills == r.most || r.cores+share > r.all) {
		r.left.Wait()
	}
	r.drills++
	r.cores += share
}

// leave makes room again.
func (r *room) leave(share float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drills--
	r.cores -= share
	if r.drills == 0 {
		r.cores = 0 // no rounding stays
	}
	r.left.Broadcast()
}

// No more drills and no more cores than there are; what takes more plays alone.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(3, 1)
		in := make(chan string, 10)
		enter := func(name string, share float64) {
			go func() {
				r.enter(share)
				in <- name
			}()
			synctest.Wait()
		}
		entered := func(want string) {
			t.Helper()
			synctest.Wait()
			got := ""
			for len(in) > 0 {
				got += <-in
			}
			if got != want {
				t.Errorf("entered %q; want %q", got, want)
			}
		}
		enter("a", 0.6)
		entered("a")
		enter("b", 0.5)
		entered("") // no core is left
		r.leave(0.6)
		entered("b")
		enter("c", 0.1)
		enter("d", 0.1)
		entered("cd")
		enter("e", 0.1)
		entered("") // three are there
		r.leave(0.5)
		entered("e")
		enter("f", 7)
		r.leave(0.1)
		r.leave(0.1)
		entered("")
		r.leave(0.1)
		entered("f") // alone
	})
}

func TestColumn(t *testing.T) {
	for what, want := range map[string]string{"": "kind", "Envoy 1.40.0, Istio 1.31.0, Kubernetes v1.37.0, nodes in us-east1": "kind, Kubernetes v1.37.0"} {
		if got := column(&suite{name: "kind", what: what}); got != want {
			t.Errorf("%q: got %q, want %q", what, got, want)
		}
	}
}
