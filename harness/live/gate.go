package live

import (
	"context"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/probe"
)

// gate counts the entries of the timeline that were carried out, and lets
// others wait for a number of them.
type gate struct {
	mu      sync.Mutex
	passed  int
	changed chan struct{}
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

// pass counts one more entry.
func (g *gate) pass() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed++
	close(g.changed)
	g.changed = make(chan struct{})
}

// wait returns when n entries were carried out.
func (g *gate) wait(ctx context.Context, n int) error {
	for {
		g.mu.Lock()
		passed, changed := g.passed, g.changed
		g.mu.Unlock()
		if passed >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// gated is a pacer that lets a request go when it is due and every entry of
// the timeline up to then was carried out.
type gated struct {
	probe.Pacer
	d *drive
}

// Wait waits for the instant, then for the timeline.
func (p gated) Wait(ctx context.Context, until time.Time) error {
	if err := p.Pacer.Wait(ctx, until); err != nil {
		return err
	}
	return p.d.gate.wait(ctx, p.d.entriesUpTo(until.Sub(p.d.origin)))
}
