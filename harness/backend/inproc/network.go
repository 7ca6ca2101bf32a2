package inproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

// network is what lies behind the proxies: the fake upstreams, where on
// loopback each address of the schedule is, and which of them is a blackhole.
type network struct {
	s         *schedule.Schedule
	upstreams []*mockupstreams.Server
	nobody    *mockupstreams.Server // holds a port that refuses
	at        map[string]endpoint   // by ip:port of the schedule

	mu    sync.Mutex
	holes []hole
}

// endpoint is a listener of an upstream.
type endpoint struct {
	upstream int
	ip       int // index into IPs
	port     uint32
	loopback string
}

// loses reports whether the fault loses SYNs.
func loses(f *schedule.Fault) bool {
	return f.Behaviour == schedule.Blackhole || f.Behaviour == schedule.Stop
}

// hole is a fault at work that loses SYNs.
type hole struct {
	fault *schedule.Fault
	until time.Time // zero: until it is healed
}

const anyPort = "127.0.0.1:0"

// idleGrace lets a request be answered that a proxy has sent just before its
// upstream refuses. The proxies close the idle connections themselves.
const idleGrace = 250 * time.Millisecond

// start starts every upstream, healthy.
func (n *network) start() (err error) {
	n.at = map[string]endpoint{}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	n.nobody, err = mockupstreams.Start(mockupstreams.Config{Name: "nobody", Listen: []string{anyPort}})
	if err != nil {
		return err
	}
	if err := n.nobody.Apply(mockupstreams.Fault{Name: "nothing-listens", Refuse: true}); err != nil {
		return err
	}
	for i := range n.s.Upstreams {
		if err := n.startUpstream(i); err != nil {
			return fmt.Errorf("upstream %s: %w", n.s.Upstreams[i].Name, err)
		}
	}
	return nil
}

func (n *network) startUpstream(i int) error {
	u := &n.s.Upstreams[i]
	var here []endpoint
	for ip := range u.IPs {
		for _, port := range u.Ports {
			here = append(here, endpoint{upstream: i, ip: ip, port: port})
		}
	}
	if len(here) == 0 {
		n.upstreams = append(n.upstreams, nil) // it serves nothing
		return nil
	}
	srv, err := live.StartMock(n.s, i, mockupstreams.Config{Listen: slices.Repeat([]string{anyPort}, len(here)), IdleGrace: idleGrace})
	if err != nil {
		return err
	}
	n.upstreams = append(n.upstreams, srv)
	for k, address := range srv.Addrs() {
		here[k].loopback = address
		n.at[netip.AddrPortFrom(u.IPs[here[k].ip], uint16(here[k].port)).String()] = here[k]
	}
	return nil
}

func (n *network) stop() {
	for _, u := range append(slices.Clone(n.upstreams), n.nobody) {
		if u != nil {
			u.Close()
		}
	}
}

// dial connects to an address of the schedule.
func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	e, ok := n.at[address]
	switch {
	case !ok:
		e.loopback = n.nobody.Addrs()[0]
	case n.silent(e):
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return new(net.Dialer).DialContext(ctx, "tcp", e.loopback)
}

// silent reports whether a SYN to the endpoint is lost now.
func (n *network) silent(e endpoint) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	return slices.ContainsFunc(n.holes, func(h hole) bool {
		return int(h.fault.Upstream) == e.upstream && (h.fault.Port == 0 || h.fault.Port == e.port) && (h.until.IsZero() || now.Before(h.until))
	})
}

// apply begins the fault of a step.
func (n *network) apply(step int) error {
	f := n.s.Steps[step].Fault
	srv := n.upstreams[f.Upstream]
	if loses(f) {
		h := hole{fault: f}
		if f.For > 0 {
			h.until = time.Now().Add(f.For.D())
		}
		n.mu.Lock()
		n.holes = append(n.holes, h)
		n.mu.Unlock()
		if f.Behaviour == schedule.Stop && srv != nil {
			srv.BreakOff()
		}
		return nil
	}
	if srv == nil {
		return nil
	}
	for _, ip := range fanOut(f, &n.s.Upstreams[f.Upstream]) {
		if err := srv.Apply(live.MockFault(f, mockName(step, ip), n.portOf(f, ip))); err != nil {
			return err
		}
	}
	return nil
}

// portOf is the loopback port that a fault on one address is limited to.
func (n *network) portOf(f *schedule.Fault, ip int) int {
	if ip < 0 {
		return 0
	}
	address := n.at[netip.AddrPortFrom(n.s.Upstreams[f.Upstream].IPs[ip], uint16(f.Port)).String()].loopback
	return int(netip.MustParseAddrPort(address).Port())
}

// heal ends the fault that a step began.
func (n *network) heal(step int) error {
	f := n.s.Steps[step].Fault
	if loses(f) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.holes = slices.DeleteFunc(n.holes, func(h hole) bool { return h.fault == f })
		return nil
	}
	srv := n.upstreams[f.Upstream]
	if srv == nil {
		return nil
	}
	var errs []error
	for _, ip := range fanOut(f, &n.s.Upstreams[f.Upstream]) {
		errs = append(errs, srv.Heal(mockName(step, ip)))
	}
	return errors.Join(errs...)
}

// met is how many requests have met the fault of a step.
func (n *network) met(step int) int {
	f := n.s.Steps[step].Fault
	srv := n.upstreams[f.Upstream]
	if srv == nil {
		return 0
	}
	hits, by := 0, srv.Counts().ByFault
	for _, ip := range fanOut(f, &n.s.Upstreams[f.Upstream]) {
		hits += by[mockName(step, ip)]
	}
	return hits
}

// atWork reports whether the fault of a step is applied.
func (n *network) atWork(step int) bool {
	f := n.s.Steps[step].Fault
	if loses(f) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return slices.ContainsFunc(n.holes, func(h hole) bool { return h.fault == f })
	}
	if srv := n.upstreams[f.Upstream]; srv != nil {
		for _, ip := range fanOut(f, &n.s.Upstreams[f.Upstream]) {
			name := mockName(step, ip)
			if slices.ContainsFunc(srv.Faults(), func(f mockupstreams.Fault) bool { return f.Name == name }) {
				return true
			}
		}
	}
	return false
}
