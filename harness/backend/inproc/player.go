package inproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// player plays one schedule once.
type player struct {
	s    *schedule.Schedule
	net  *network
	w    *world
	stop context.CancelFunc

	closeIdle []func() // of the clients
}

func newPlayer(s *schedule.Schedule, sink backend.Sink) *player {
	p := &player{s: s, net: &network{s: s}}
	p.w = newWorld(s, sink, p.net)
	p.w.dialing, p.stop = context.WithCancel(context.Background())
	return p
}

// Name is the backend's.
func (p *player) Name() string { return Backend{}.Name() }

// Start opens every listener.
func (p *player) Start(context.Context) error {
	if err := p.net.start(); err != nil {
		return err
	}
	for i := range p.s.Clients {
		pr, err := p.w.listen(i)
		if err != nil {
			return fmt.Errorf("the proxy of %s: %w", p.s.Clients[i].Name, err)
		}
		p.w.proxies = append(p.w.proxies, pr)
	}
	return nil
}

// Begin gives every proxy the configuration that it has at 0 s.
func (p *player) Begin(origin time.Time) {
	w := p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.origin = origin
	for i, pr := range w.proxies {
		w.configure(pr, &p.s.Configs[0][i])
	}
	w.running.Go(func() { w.run(w.dialing) })
}

// Do sends the requests of a client to its proxy, whatever their host.
func (p *player) Do(client int) probe.Do {
	to := p.w.proxies[client].ln.Addr().String()
	do, closeIdle := live.HTTP(&p.s.Clients[client].Load, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, to)
	})
	p.w.lock()
	defer p.w.unlock()
	p.closeIdle = append(p.closeIdle, closeIdle)
	return do
}

// notice is how long a proxy may take to notice that its client has left.
const notice = time.Second

// Complete adds what the proxy knows.
func (p *player) Complete(e *trace.Request) {
	w := p.w
	w.lock()
	defer w.unlock()
	pr := w.proxies[e.Client]
	rq := pr.log[e.N]
	if rq == nil {
		return // it never got to the proxy
	}
	delete(pr.log, e.N)
	if !rq.ended && !w.over {
		w.unlock()
		select {
		case <-rq.done:
		case <-time.After(notice):
		}
		w.lock()
	}
	e.Attempts, e.Flags = rq.attempts, rq.flags
	if rq.by >= 0 && e.Status != 0 {
		e.Host, e.Upstream = rq.by, w.hosts[rq.by].Upstream
	}
}

// Step carries out a step.
func (p *player) Step(_ context.Context, step int) error {
	st := &p.s.Steps[step]
	switch st.Kind {
	case schedule.KindConfig:
		p.w.lock()
		defer p.w.unlock()
		for i, pr := range p.w.proxies {
			p.w.configure(pr, &p.s.Configs[st.Config][i])
		}
	case schedule.KindFault:
		return p.fault(step)
	case schedule.KindHeal:
		begun := live.BegunBy(p.s, step)
		if begun >= 0 && p.s.Steps[begun].Fault.IsDNS() {
			p.w.lock()
			defer p.w.unlock()
			p.w.names.Step(step)
			return nil
		}
		if begun >= 0 {
			return p.net.heal(begun)
		}
	}
	return nil
}

// fault begins a fault. When a server goes away, no proxy uses one of its
// connections for another request.
func (p *player) fault(step int) error {
	f := p.s.Steps[step].Fault
	if f.IsDNS() {
		p.w.lock()
		defer p.w.unlock()
		p.w.names.Step(step)
		return nil
	}
	if live.NeedsTraffic(&p.s.Steps[step]) {
		return p.net.apply(step)
	}
	p.w.lock()
	defer p.w.unlock()
	if err := p.net.apply(step); err != nil {
		return err
	}
	if !f.Holds() {
		p.w.leave(f.Upstream)
	}
	return nil
}

// Observe is the endpoint table of all proxies.
func (p *player) Observe(context.Context) ([]trace.Row, error) {
	p.w.lock()
	defer p.w.unlock()
	return p.w.rows(), nil
}

// Stop ends everything and waits for it.
func (p *player) Stop(ctx context.Context) error {
	w := p.w
	w.lock()
	w.stopped = true
	closeIdle := slices.Clone(p.closeIdle)
	w.unlock()
	for _, f := range closeIdle {
		f()
	}
	var errs []error
	for _, pr := range w.proxies {
		errs = append(errs, pr.srv.Close())
	}
	p.net.stop()
	p.stop()
	w.hangUp()
	ended := make(chan struct{})
	go func() {
		w.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		errs = append(errs, errors.New("a connection does not end"))
	}
	return errors.Join(errs...)
}
