package inside

import (
	"context"
	"net"
	"net/netip"
	"os/exec"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/firewall"
	"github.com/faildrill/faildrill/harness/sandbox"
	"github.com/faildrill/faildrill/harness/sandbox/machine"
)

// place is where a drill is played: a machine of its own, or the loopback
// interface of this one.
type place interface {
	dir() string // of files that are gone with the play
	// serve makes an address of the schedule one at which somebody can listen, and says where it is.
	serve(netip.AddrPort) (netip.AddrPort, error)
	// at is where an address of the schedule is, and ip what the DNS gives for one of
	// its IPs; home says which address of the schedule is there.
	at(netip.AddrPort) netip.AddrPort
	ip(netip.Addr) netip.Addr
	home(netip.AddrPort) netip.AddrPort
	nameserver() netip.AddrPort // where the DNS listens; port 0: any
	block(firewall.Rules) error
	client() (clientNet, error)
	tell(backend.Sink) // that it is no machine of its own
	leave()
}

// clientNet is the network of one client.
type clientNet interface {
	admin() netip.AddrPort // where its proxy's admin interface listens; port 0: any
	dial(ctx context.Context, network, address string) (net.Conn, error)
	dialPast(ctx context.Context, network, address string) (net.Conn, error) // the proxy
	start(*exec.Cmd) error
	redirect(port uint16, mark uint32) error
}

// enter makes the place of a job.
func enter(j *localenvoy.Job) (place, error) {
	if j.Options.Loopback != "" {
		return newShared(j)
	}
	ips := addressesOf(j.Schedule)
	n, err := machine.Plan(ips)
	if err != nil {
		return nil, err
	}
	m, err := machine.Enter(machine.Options{Network: n, Nameserver: n.Outer()})
	if err != nil {
		return nil, sandbox.Explain(err)
	}
	for _, ip := range ips {
		if err := m.AddAddress(ip); err != nil {
			return nil, err
		}
	}
	return own{m}, nil
}

// own is a machine of its own: every address is where it says.
type own struct{ m *machine.Machine }

func (o own) dir() string                                  { return o.m.Dir }
func (own) serve(a netip.AddrPort) (netip.AddrPort, error) { return a, nil }
func (own) at(a netip.AddrPort) netip.AddrPort             { return a }
func (own) ip(ip netip.Addr) netip.Addr                    { return ip }
func (own) home(a netip.AddrPort) netip.AddrPort           { return a }
func (o own) nameserver() netip.AddrPort                   { return netip.AddrPortFrom(o.m.Network.Outer(), 53) }
func (o own) block(r firewall.Rules) error                 { return o.m.Block(r) }
func (own) tell(backend.Sink)                              {}
func (own) leave()                                         {} // it ends with its first process

func (o own) client() (clientNet, error) {
	c, err := o.m.AddClient()
	return ownClient{c}, err
}

type ownClient struct{ c *machine.Client }

func (c ownClient) admin() netip.AddrPort { return netip.AddrPortFrom(c.c.Address, adminPort) }
func (c ownClient) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.c.Dial(ctx, network, address)
}
func (c ownClient) dialPast(ctx context.Context, network, address string) (net.Conn, error) {
	return c.c.DialMarked(ctx, network, address, mark)
}
func (c ownClient) start(cmd *exec.Cmd) error               { return c.c.Start(cmd) }
func (c ownClient) redirect(port uint16, mark uint32) error { return c.c.Redirect(port, mark) }
