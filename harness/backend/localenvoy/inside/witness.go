package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
)

const (
	lookEvery = 5 * time.Millisecond
	// lookPackedEvery is the same where a hundred drills have their steps at once.
	lookPackedEvery = 50 * time.Millisecond
	// silence is how long a connect has to go unanswered to be called lost: links
	// inside a machine answer in well under a millisecond.
	silence = 100 * time.Millisecond
	// knocks is how many addresses without a server are tried.
	knocks = 3
)

// Witness waits until the step shows from the clients' side.
func (p *player) Witness(ctx context.Context, step int) (string, error) {
	st := &p.s.Steps[step]
	if st.Kind == schedule.KindConfig {
		return p.witnessConfig(ctx, step)
	}
	every := lookEvery
	if p.o.Packed {
		every = lookPackedEvery
	}
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		if seen := p.look(step); seen != "" {
			return seen, nil
		}
		t.Reset(every)
		select {
		case <-t.C:
		case <-ctx.Done():
			return p.look(step), nil
		}
	}
}

// witnessConfig sees that every proxy has the configuration, and that where it
// names a port on which nobody listens a connect is refused.
func (p *player) witnessConfig(ctx context.Context, step int) (string, error) {
	p.mu.Lock()
	pushes := p.pushes[step]
	p.mu.Unlock()
	for _, u := range pushes {
		if err := u.x.pushed(ctx, u.taken, u.refused); err != nil {
			return "", err
		}
		if err := p.evidence(u.x, p.s.Steps[step].Config); err != nil {
			return "", err
		}
	}
	seen := []string{"every proxy has it"}
	for _, a := range p.unserved(p.s.Steps[step].Config) {
		if !p.knock([]netip.AddrPort{a}, refused) {
			return "", nil
		}
		seen = append(seen, a.String()+" refused a connect")
	}
	return strings.Join(seen, "; "), nil
}

// unserved are a few endpoints of a configuration at which nobody listens, though
// an upstream has the address.
func (p *player) unserved(config int) []netip.AddrPort {
	var as []netip.AddrPort
	seen := map[string]bool{}
	for i := range p.s.Clients {
		cs := p.s.Configs[config][i].Clusters
		for j := range cs {
			for _, h := range engine.HostsOf(&cs[j], p.s) {
				a, err := netip.ParseAddrPort(h.Address)
				if err != nil || seen[h.Address] || h.Upstream < 0 || p.s.Upstreams[h.Upstream].Listens(h.Port) {
					continue
				}
				seen[h.Address] = true
				if as = append(as, a); len(as) == knocks {
					return as
				}
			}
		}
	}
	return as
}

// look is what shows of a fault or a heal now; "" if nothing does.
func (p *player) look(step int) string {
	st := &p.s.Steps[step]
	if st.Kind == schedule.KindHeal {
		return p.lookHeal(step)
	}
	f := st.Fault
	switch f.Behaviour {
	case schedule.Refuse, schedule.Blackhole:
		return p.lookDead(f)
	case schedule.TLSFault:
		return p.lookTLS(f)
	case schedule.Answer, schedule.Addresses:
		if p.net.wasAsked(step) {
			return "the DNS was asked for " + f.DNS
		}
		return ""
	}
	if n := p.net.met(step); n > 0 {
		return fmt.Sprintf("%s counted a request that met it", p.s.Upstreams[f.Upstream].Name)
	}
	return ""
}

// lookDead sees that connects fail the way the fault says, on every address.
func (p *player) lookDead(f *schedule.Fault) string {
	as := p.net.addresses(f.Upstream, f.Port)
	switch {
	case len(as) == 0:
		return ""
	case f.Behaviour == schedule.Refuse && p.knock(as, refused):
		return "ECONNREFUSED from " + join(as)
	case f.Behaviour == schedule.Blackhole && p.knock(as, unanswered):
		return fmt.Sprintf("no answer within %v from %s", silence, join(as))
	}
	return ""
}

// lookTLS sees that every port that speaks TLS shows what the fault says.
func (p *player) lookTLS(f *schedule.Fault) string {
	seen := ""
	for _, a := range p.net.addresses(f.Upstream, f.Port) {
		if !p.s.Upstreams[f.Upstream].TLS.Speaks(uint32(a.Port())) {
			continue
		}
		if !p.shows(f.TLS, a.String()) {
			return ""
		}
		seen = a.String() + " shows it: " + f.TLS
	}
	return seen
}

// dialPlain connects from the first client's network, past its proxy.
func (p *player) dialPlain(address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	return p.proxies[0].net.DialMarked(ctx, "tcp", address, mark)
}

func join(as []netip.AddrPort) string {
	var words []string
	for _, a := range as {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}

// lookHeal sees that the fault is gone, and that connects succeed unless another
// fault forbids it.
func (p *player) lookHeal(step int) string {
	begun := begunBy(p.s, step)
	if begun < 0 || p.net.atWork(begun) {
		return ""
	}
	f := p.s.Steps[begun].Fault
	if f.IsDNS() {
		return "the DNS has it no more"
	}
	if live.NeedsTraffic(&p.s.Steps[begun]) || p.deadOtherwise(f.Upstream) {
		return p.s.Upstreams[f.Upstream].Name + " has it no more"
	}
	as := p.net.addresses(f.Upstream, f.Port)
	if !p.knock(as, answered) {
		return ""
	}
	return "a connect succeeded to " + join(as)
}

// deadOtherwise reports whether another fault keeps connects from succeeding.
func (p *player) deadOtherwise(upstream int32) bool {
	for i := range p.s.Steps {
		f := p.s.Steps[i].Fault
		if f != nil && !f.IsDNS() && f.Upstream == upstream && !live.NeedsTraffic(&p.s.Steps[i]) && p.net.atWork(i) {
			return true
		}
	}
	return false
}

// What a connect can come to.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
func unanswered(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
func answered(err error) bool { return err == nil }

// knock connects from the first client's network, past its proxy, to every address
// at once, and reports whether each came to what is wanted.
func (p *player) knock(as []netip.AddrPort, wanted func(error) bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	var knocking sync.WaitGroup
	var failed atomic.Bool
	for _, a := range as {
		knocking.Go(func() {
			nc, err := p.proxies[0].net.DialMarked(ctx, "tcp", a.String(), mark)
			if !wanted(err) {
				failed.Store(true)
			}
			if err == nil {
				nc.Close()
			}
		})
	}
	knocking.Wait()
	return !failed.Load()
}
