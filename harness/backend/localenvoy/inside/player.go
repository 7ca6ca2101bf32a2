package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/kept"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

// distinct are the proxies, each once.
func (p *player) distinct() []*proxy {
	var xs []*proxy
	for _, x := range p.proxies {
		if !slices.Contains(xs, x) {
			xs = append(xs, x)
		}
	}
	return xs
}

// Start builds everything; then a request could be sent.
func (p *player) Start(ctx context.Context) error {
	if err := p.net.start(); err != nil {
		return err
	}
	for i := range p.s.Clients {
		if i > 0 && p.o.Packed {
			p.proxies = append(p.proxies, p.proxies[0])
			continue
		}
		x, err := p.newProxy(i)
		if err != nil {
			return err
		}
		p.proxies = append(p.proxies, x)
	}
	p.place.tell(p.sink)
	return p.plane.start(ctx)
}

// Begin sets the clock going.
func (p *player) Begin(origin time.Time) {
	p.mu.Lock()
	p.origin = origin
	p.mu.Unlock()
	p.book.Begin()
	ctx, stop := context.WithCancel(context.Background())
	p.stopWatching = stop
	p.watching.Go(func() {
		err := p.plane.begin(ctx, origin)
		p.mu.Lock()
		p.refused = err
		p.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			p.fail(err)
		}
		close(p.begun)
	})
	p.watching.Go(func() {
		if err := p.plane.broke(ctx); err != nil {
			p.fail(err)
		}
	})
	for _, x := range p.distinct() {
		// Not before: what the proxies have from istiod should be as young as can be.
		p.watching.Go(func() {
			if err := p.evidence(x, 0); err != nil {
				p.sink.Event(trace.Note{At: trace.Sec(p.since()), Text: err.Error()})
			}
		})
		p.watching.Go(func() { x.Watch(ctx, pollCounters, !p.o.Packed) })
		p.watching.Go(func() {
			select {
			case <-x.exited:
				p.fail(x.death("the drill was over"))
			case <-ctx.Done():
			}
		})
	}
}

// pollCounters is how often the counters are read.
const pollCounters = 200 * time.Millisecond

// Do sends the requests of a client from its own network, to its proxy.
func (p *player) Do(client int) probe.Do {
	x, to := p.proxies[client], p.plane.target(client)
	do, closeIdle := live.HTTP(&p.s.Clients[client].Load, func(ctx context.Context, network, _ string) (net.Conn, error) {
		select {
		case <-p.begun:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := p.began(ctx); err != nil {
			return nil, err
		}
		return x.net.dial(ctx, network, to)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = append(p.closing, closeIdle)
	return do
}

// Complete does nothing: what the proxies did with a request is known at the end.
func (*player) Complete(*trace.Request) {}

// Step carries out a step.
func (p *player) Step(ctx context.Context, step int) error {
	if err := p.began(ctx); err != nil {
		return err
	}
	st := &p.s.Steps[step]
	switch st.Kind {
	case schedule.KindRestart:
		return p.plane.restart(ctx, step)
	case schedule.KindConfig:
	default:
		return p.net.step(step)
	}
	for _, x := range p.distinct() {
		if err := x.Mark(step); err != nil {
			return err
		}
	}
	return p.plane.configure(ctx, st.Config)
}

// restarts is how often a drill restarts the control plane.
func restarts(s *schedule.Schedule) int {
	n := 0
	for i := range s.Steps {
		if s.Steps[i].Kind == schedule.KindRestart {
			n++
		}
	}
	return n
}

// began waits until the proxies have what they have at 0 s.
func (p *player) began(ctx context.Context) error {
	select {
	case <-p.begun:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.refused
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Observe is the endpoint table of all proxies.
func (p *player) Observe(ctx context.Context) ([]trace.Row, error) {
	if err := p.began(ctx); err != nil {
		return nil, err
	}
	var rows []trace.Row
	var answers []answer
	for _, x := range p.distinct() {
		b, err := x.Get(sidecar.ClustersPath)
		if err != nil {
			return nil, x.silent(err)
		}
		more, err := p.rows(x, b)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
		answers = append(answers, answer{x, b})
	}
	p.mu.Lock()
	p.answers = append(p.answers, answers)
	p.mu.Unlock()
	return rows, nil
}

// flush is how long Envoy may keep a line of a log, twice.
const flush = 100 * time.Millisecond

// Stop ends everything, unless it is to be kept, and tells what the proxies wrote down.
func (p *player) Stop(ctx context.Context) error {
	if p.stopWatching != nil {
		time.Sleep(flush) // what is on its way to a log is the drill's, too
		p.stopWatching()
		p.watching.Wait()
	}
	p.mu.Lock()
	closing := p.closing
	p.mu.Unlock()
	for _, f := range closing {
		f()
	}
	for _, x := range p.distinct() {
		if x.exited != nil {
			p.last(x)
		}
	}
	if p.o.Keep == nil {
		for _, x := range p.distinct() {
			x.stop()
		}
		p.plane.stop()
	}
	if p.o.ControlPlane == localenvoy.Istiod {
		p.keep("istiod.log", p.path("istiod", "istiod.log"))
		for n := 2; n <= 1+restarts(p.s); n++ {
			p.keep(fmt.Sprintf("istiod-%d.log", n), p.path(fmt.Sprintf("istiod-%d", n), "istiod.log"))
		}
	}
	p.secondView(ctx)
	err := p.tell()
	if p.o.Keep == nil {
		err = errors.Join(err, p.net.stop())
	}
	return err
}

// evidence keeps the configuration that a proxy has from istiod.
func (p *player) evidence(x *proxy, config int) error {
	if p.o.ControlPlane != localenvoy.Istiod {
		return nil
	}
	return p.book.Configuration(x.Proxy, config)
}

// last keeps what a proxy says at the end.
func (p *player) last(x *proxy) {
	if err := x.Dump(); err != nil {
		p.sink.Event(trace.Note{At: trace.Sec(p.since()), Text: fmt.Sprintf("the Envoy of %s did not answer at the end: %v", x.Name, err)})
		return
	}
	x.Last(p.sink)
}

// tell merges what the clients and the proxies saw, and hands it on.
func (p *player) tell() error {
	p.mu.Lock()
	origin := p.origin
	p.mu.Unlock()
	if origin.IsZero() {
		return nil // nothing was sent
	}
	var clients []observe.Client
	var errs []error
	read := map[*proxy]observe.Client{}
	for i, x := range p.proxies {
		left, ok := read[x]
		if !ok {
			var err error
			if left, err = x.left(p.plane.accessLog(i), p.plane.upstreamLog(i)); err != nil {
				errs = append(errs, fmt.Errorf("reading the logs of %s: %w", x.Name, err))
			}
			read[x] = left
		}
		if p.o.Packed {
			left = p.own(i, left)
		}
		clients = append(clients, left)
	}
	out := p.book.Tell(origin, clients)
	for client := range p.proxies {
		p.shares = append(p.shares, kept.LastShares(out.Requests, int32(client)))
	}
	for _, x := range p.distinct() {
		p.keep(backend.ClientFile(x.Name, "envoy.log"), x.path("envoy.log"))
		p.keep(backend.ClientFile(x.Name, "outlier.log"), x.path("outlier.log"))
		if !p.o.Packed {
			p.keep(backend.ClientFile(x.Name, "access.log"), p.plane.accessLog(x.Client))
			if u := p.plane.upstreamLog(x.Client); u != "" {
				p.keep(backend.ClientFile(x.Name, "upstream.log"), u)
			}
		}
	}
	return errors.Join(errs...)
}

// own is what the proxy of a packed play, which is built in, wrote down about a client's clusters.
func (p *player) own(client int, c observe.Client) observe.Client {
	mine := map[string]bool{}
	for i := range p.s.Configs {
		for _, k := range p.s.Configs[i][client].Clusters {
			mine[k.Name] = true
		}
	}
	c.Access = slices.DeleteFunc(slices.Clone(c.Access), func(l observe.Line) bool { return !mine[l.Cluster] })
	c.Upstream = slices.DeleteFunc(slices.Clone(c.Upstream), func(l observe.Line) bool { return !mine[l.Cluster] })
	c.Outlier = slices.DeleteFunc(slices.Clone(c.Outlier), func(e observe.Event) bool { return !mine[e.Cluster] })
	c.Built = slices.DeleteFunc(p.plane.(*builtin).together(c.Built), func(b observe.Built) bool { return !mine[b.Cluster] })
	return c
}
