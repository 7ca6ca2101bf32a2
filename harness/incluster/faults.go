package incluster

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Step carries out a step.
func (p *player) Step(ctx context.Context, step int) error {
	st := &p.s.Steps[step]
	switch st.Kind {
	case schedule.KindRestart:
		return p.restart(ctx, step)
	case schedule.KindConfig:
	default:
		return p.fault(ctx, step)
	}
	for _, x := range p.clients {
		if err := x.Mark(step); err != nil {
			return err
		}
	}
	return p.configure(ctx, st.Config)
}

func (p *player) fault(ctx context.Context, step int) error {
	begun := live.BegunBy(p.s, step)
	if begun < 0 {
		return nil
	}
	f := p.s.Steps[begun].Fault
	if f.IsDNS() {
		p.names.Step(step)
		return nil
	}
	if b := p.breaker(f); b != nil {
		if p.s.Steps[step].Kind == schedule.KindHeal {
			return b.Mend(ctx, f.Upstream, live.MockName(begun))
		}
		return b.Break(ctx, f.Upstream, live.MockName(begun), f)
	}
	switch {
	case FromOutside(f) && f.Behaviour != schedule.Pause: // a fake upstream stands still by itself, too
		return fmt.Errorf("fault %s: nobody can %s a server of %s", f.Name, f.Behaviour, p.o.Backend)
	case p.s.Steps[step].Kind == schedule.KindHeal:
		return p.o.Upstreams.Heal(ctx, f.Upstream, live.MockName(begun))
	}
	return p.o.Upstreams.Apply(ctx, f.Upstream, live.MockFault(f, live.MockName(begun), int(f.Port)))
}

// breaker is who does a fault to a server from outside; nil if it is the server's own, or nobody can.
func (p *player) breaker(f *schedule.Fault) Breaker {
	b, ok := p.o.Upstreams.(Breaker)
	if !ok || !FromOutside(f) {
		return nil
	}
	return b
}

// FromOutside reports whether a fault is what somebody does to a server, rather than
// what it does itself.
func FromOutside(f *schedule.Fault) bool {
	return f.StandsStill() || f.Behaviour == schedule.Partition
}

// Witness waits until a step shows, from a pod without a proxy.
func (p *player) Witness(ctx context.Context, step int) (string, error) {
	w := live.Witness{Schedule: p.s, Every: pollEvery, Dial: p.dial, AtWork: p.atWork, Met: p.met, Taken: p.taken, ShowsTLS: p.showsTLS, Silent: p.silent, Restarted: p.restarted}
	return w.See(ctx, step)
}

// dial connects from the pod of the DNS server, which has no proxy.
func (p *player) dial(ctx context.Context, address string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	at := netip.AddrPortFrom(p.where(a.Addr()), a.Port()).String()
	if err := p.dns.Dial(ctx, at); err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	far.Close()
	return dialed{near, at}, nil
}

// dialed is a connection that was made elsewhere, and is over.
type dialed struct {
	net.Conn
	to string
}

func (p *player) showsTLS(fault string, nc net.Conn) bool {
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	shown, err := p.dns.ShowsTLS(ctx, nc.(dialed).to, fault)
	return err == nil && shown
}

func (p *player) silent(nc net.Conn) bool {
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	silent, err := p.dns.Silent(ctx, nc.(dialed).to)
	return err == nil && silent
}

func (p *player) atWork(step int) bool {
	f := p.s.Steps[step].Fault
	if f.IsDNS() {
		return p.names.AtWork(step)
	}
	if b := p.breaker(f); b != nil {
		return b.Broken(live.MockName(step))
	}
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	return p.o.Upstreams.AtWork(ctx, f.Upstream, live.MockName(step))
}

func (p *player) met(step int) bool {
	f := p.s.Steps[step].Fault
	if f.IsDNS() {
		return p.names.Met(step)
	}
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	return p.o.Upstreams.Met(ctx, f.Upstream, live.MockName(step)) > 0
}

func (p *player) taken(ctx context.Context, step int) (bool, error) {
	for _, x := range p.clients {
		if err := x.TakenSince(ctx, p.await(x), step, quiet); err != nil {
			return false, err
		}
		if err := p.book.Configuration(x.Proxy, p.s.Steps[step].Config); err != nil {
			return false, err
		}
	}
	return true, nil
}
