package e2e

import "sync"

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
