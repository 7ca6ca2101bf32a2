package live

import (
	"sync"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/dns"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Names are the drill's names while it is played, and which of its DNS faults somebody
// met. Its methods may be called from several goroutines.
type Names struct {
	mu    sync.Mutex
	names engine.Names
	met   map[int]bool
}

// NewNames are the names at the start of a drill.
func NewNames(s *schedule.Schedule) *Names {
	return &Names{names: engine.NewNames(s), met: map[int]bool{}}
}

// Step carries out a step that is about a name.
func (n *Names) Step(step int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names.Step(step)
}

// Answer is what a name has at an instant; step is the fault that says so, -1 if none does.
func (n *Names) Answer(name string, at trace.Sec) (a dns.Answer, step int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, step = n.names.Answer(name, int64(at))
	if step >= 0 {
		n.met[step] = true
	}
	return a, step
}

// AtWork reports whether the fault of a step is there.
func (n *Names) AtWork(step int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names.AtWork(step)
}

// Met reports whether somebody has met the fault of a step.
func (n *Names) Met(step int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.met[step]
}
