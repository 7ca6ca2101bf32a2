package mockupstreams

import (
	"sync"
	"time"
)

// pause has no answer: Server.shut closes the gates of the ports, and Server.open opens them.
var pause = Behaviour{
	Name:  "pause",
	Value: "true",
	Doc: "stands still, as `docker pause` has a process do: connects are accepted, nothing is read and nothing is written, " +
		"the end of a connection included; when it heals what waited is read and answered",
	Example: `{"name": "frozen", "pause": true, "for": "30s"}`,
	Keys:    []string{"port", "for"},

	set:   func(f Fault) bool { return f.Pause },
	check: func(Fault) error { return nil },
}

// A gate is closed while a port stands still. The zero gate is open.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // nil while it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened != nil
}

// pass waits until the gate is open, or something is over.
func (g *gate) pass(over <-chan struct{}) {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	if opened == nil {
		return
	}
	select {
	case <-opened:
	case <-over:
	}
}

// BreakOff closes every connection at once, those with a request too, as the kernel
// closes those of a process that is killed: with FIN, or with RST where something was
// not read yet. What listens goes on.
func (s *Server) BreakOff() {
	for _, p := range s.ports {
		p.mu.Lock()
		for c := range p.conns {
			_ = c.raw.SetDeadline(time.Now()) // nobody is to wait for it; it is closed
			c.raw.Close()
		}
		p.mu.Unlock()
	}
}
