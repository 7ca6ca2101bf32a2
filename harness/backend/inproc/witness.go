package inproc

import (
	"context"

	"github.com/faildrill/faildrill/harness/live"
)

// Witness waits until the step shows from the clients' side.
func (p *player) Witness(ctx context.Context, step int) (string, error) {
	w := live.Witness{Schedule: p.s, Dial: p.net.dial, AtWork: p.atWork, Met: p.met, Taken: p.taken}
	return w.See(ctx, step)
}

// taken reports whether every proxy has the configuration: a step gives it to all at once.
func (p *player) taken(_ context.Context, step int) (bool, error) {
	p.w.lock()
	defer p.w.unlock()
	for i, pr := range p.w.proxies {
		if pr.config != &p.s.Configs[p.s.Steps[step].Config][i] {
			return false, nil
		}
	}
	return true, nil
}

// atWork reports whether the fault of a step is there.
func (p *player) atWork(step int) bool {
	if p.s.Steps[step].Fault.IsDNS() {
		p.w.lock()
		defer p.w.unlock()
		return p.w.names.AtWork(step)
	}
	return p.net.atWork(step)
}

// met reports whether somebody has met the fault of a step.
func (p *player) met(step int) bool {
	if p.s.Steps[step].Fault.IsDNS() {
		p.w.lock()
		defer p.w.unlock()
		return p.w.answered[step]
	}
	return p.net.met(step) > 0
}
