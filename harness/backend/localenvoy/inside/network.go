package inside

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/firewall"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/mockupstreams"
)

// network is the fake upstreams at their real addresses, their names, and which
// SYNs are lost.
type network struct {
	p         *player
	upstreams []*mockupstreams.Server // nil: it serves nothing
	dns       *dnsserver.Server

	names *live.Names

	mu     sync.Mutex // guards what follows
	holes  map[int][]netip.AddrPort
	away   netip.AddrPort // where everybody is turned away; unset: nowhere
	timers []*time.Timer
}

func newNetwork(p *player) *network {
	return &network{p: p, names: live.NewNames(p.s), holes: map[int][]netip.AddrPort{}}
}

func (n *network) start() error {
	s := n.p.s
	for i := range s.Upstreams {
		srv, err := n.startUpstream(i)
		if err != nil {
			return fmt.Errorf("upstream %s: %w", s.Upstreams[i].Name, err)
		}
		n.upstreams = append(n.upstreams, srv)
	}
	var err error
	n.dns, err = dnsserver.Start(n.p.place.nameserver().String(), n.answer)
	return err
}

func (n *network) startUpstream(i int) (*mockupstreams.Server, error) {
	u := &n.p.s.Upstreams[i]
	var cfg mockupstreams.Config
	for _, ip := range u.IPs {
		for _, port := range u.Ports {
			address, err := n.p.place.serve(netip.AddrPortFrom(ip, uint16(port)))
			if err != nil {
				return nil, err
			}
			if u.TLS.Speaks(port) {
				cfg.ListenTLS = append(cfg.ListenTLS, address.String())
			} else {
				cfg.Listen = append(cfg.Listen, address.String())
			}
		}
	}
	if len(cfg.Listen)+len(cfg.ListenTLS) == 0 {
		return nil, nil
	}
	if len(cfg.ListenTLS) > 0 {
		shown, err := n.p.certificates.Upstream(u.TLS)
		if err != nil {
			return nil, err
		}
		if cfg.TLS, err = shown.TLS(); err != nil {
			return nil, err
		}
	}
	return live.StartMock(n.p.s, i, cfg)
}

func (n *network) stop() error {
	n.mu.Lock()
	timers := n.timers
	n.mu.Unlock()
	for _, t := range timers {
		t.Stop()
	}
	var errs []error
	for _, u := range n.upstreams {
		if u != nil {
			u.Close()
		}
	}
	if n.dns != nil {
		errs = append(errs, n.dns.Close())
	}
	return errors.Join(errs...)
}

// answer is the scenario's DNS. The services' own hosts have an address, too: any
// that is routed will do, since the proxy takes the connection.
func (n *network) answer(name string) dnsserver.Answer {
	a, step := n.names.Answer(name, trace.Sec(n.p.since()))
	if step < 0 && len(a.Addresses) == 0 && n.isService(name) {
		return dnsserver.Answer{Addresses: []netip.Addr{n.p.place.nameserver().Addr()}}
	}
	out := dnsserver.Answer{Code: dnsserver.CodeOf(a.Code), TTL: a.TTL}
	for _, ip := range a.Addresses {
		out.Addresses = append(out.Addresses, n.p.place.ip(ip))
	}
	return out
}

func (n *network) isService(name string) bool {
	return slices.ContainsFunc(n.p.s.Clients, func(c schedule.Client) bool { return schedule.SameAddress(c.Load.Host, name) })
}

// step carries out a fault or a heal.
func (n *network) step(step int) error {
	st := &n.p.s.Steps[step]
	begun := live.BegunBy(n.p.s, step)
	if begun < 0 {
		return nil
	}
	f := n.p.s.Steps[begun].Fault
	switch {
	case f.IsDNS():
		n.names.Step(step)
		return nil
	case blocks(f):
		return n.blocked(begun, st.Kind == schedule.KindFault)
	}
	srv := n.upstreams[f.Upstream]
	if srv == nil {
		return nil
	}
	if st.Kind == schedule.KindHeal {
		return srv.Heal(live.MockName(begun))
	}
	if err := srv.Apply(live.MockFault(f, live.MockName(begun), n.port(f))); err != nil {
		return err
	}
	if f.Behaviour == schedule.Refuse || f.Behaviour == schedule.TLSFault {
		n.noticed()
	}
	return nil
}

// port is the one of its own that an upstream's fault is limited to, or 0. It has
// one number at all addresses.
func (n *network) port(f *schedule.Fault) int {
	if f.Port == 0 || len(n.p.s.Upstreams[f.Upstream].IPs) == 0 {
		return int(f.Port)
	}
	return int(n.p.place.at(netip.AddrPortFrom(n.p.s.Upstreams[f.Upstream].IPs[0], uint16(f.Port))).Port())
}

// noticed gives the proxies the moment that they need to see a connection end:
// a request that is sent on it meanwhile would be lost.
func (n *network) noticed() { time.Sleep(2 * time.Millisecond) }

// blocks reports whether the fault is the firewall's.
func blocks(f *schedule.Fault) bool {
	return f.Behaviour == schedule.Blackhole || f.Behaviour == schedule.Stop || f.Behaviour == schedule.Partition
}

// blocked begins or ends what the firewall does. A region that is gone answers nothing
// on connections that are there, either: they end when it begins, of a server that is
// stopped those with a request, too. A partition leaves them alone.
func (n *network) blocked(step int, begin bool) error {
	f := n.p.s.Steps[step].Fault
	srv := n.upstreams[f.Upstream]
	n.mu.Lock()
	defer n.mu.Unlock()
	if !begin {
		return n.heal(step, srv)
	}
	n.holes[step] = live.Addresses(&n.p.s.Upstreams[f.Upstream], f.Port)
	if err := n.block(); err != nil {
		return err
	}
	if srv != nil && f.Behaviour != schedule.Partition {
		refuse := mockupstreams.Fault{Name: live.MockName(step), Refuse: true, Match: mockupstreams.Match{Port: int(f.Port)}}
		if err := srv.Apply(refuse); err != nil {
			return err
		}
	}
	if srv != nil && f.Behaviour == schedule.Stop {
		srv.BreakOff()
	}
	if f.For > 0 {
		n.timers = append(n.timers, time.AfterFunc(f.For.D(), func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			_ = n.heal(step, srv) // what is still lost then, the witness of the next step sees
		}))
	}
	n.noticed()
	return nil
}

// heal listens again, then lets packets through. The caller holds the lock.
func (n *network) heal(step int, srv *mockupstreams.Server) error {
	if _, ok := n.holes[step]; !ok {
		return nil
	}
	delete(n.holes, step)
	if srv != nil && n.p.s.Steps[step].Fault.Behaviour != schedule.Partition {
		if err := srv.Heal(live.MockName(step)); err != nil {
			return err
		}
	}
	return n.block()
}

// turnAway resets every packet to an address; unset: none.
func (n *network) turnAway(at netip.AddrPort) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = at
	return n.block()
}

// block has the firewall do what the faults at work say.
func (n *network) block() error {
	var r firewall.Rules
	if n.away.IsValid() {
		r.Reject = append(r.Reject, n.away)
	}
	for step, as := range n.holes {
		switch n.p.s.Steps[step].Fault.Partition {
		case schedule.PartitionDrop:
			r.Drop = append(r.Drop, as...)
		case schedule.PartitionReject:
			r.Reject = append(r.Reject, as...)
		default:
			r.Lose = append(r.Lose, as...)
		}
	}
	return n.p.place.block(r)
}

// atWork reports whether the fault of a step is there.
func (n *network) atWork(step int) bool {
	f := n.p.s.Steps[step].Fault
	if f.IsDNS() {
		return n.names.AtWork(step)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.holes[step]; ok {
		return true
	}
	srv := n.upstreams[f.Upstream]
	return srv != nil && slices.ContainsFunc(srv.Faults(), func(m mockupstreams.Fault) bool { return m.Name == live.MockName(step) })
}

// met reports whether somebody has met the fault of a step.
func (n *network) met(step int) bool {
	if srv := n.upstreams[n.p.s.Steps[step].Fault.Upstream]; srv != nil && srv.Counts().ByFault[live.MockName(step)] > 0 {
		return true
	}
	return n.names.Met(step)
}
