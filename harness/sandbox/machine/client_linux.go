package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Client is a network namespace of a client.
type Client struct {
	Address netip.Addr // its own
	Gateway netip.Addr // the outer namespace's on the link

	ns, outer netns.NsHandle
}

// ipv6 is the second half of a link's addresses: fd00:fa11::c:1 and ::c:2.
func ipv6(client, end int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 2: 0xfa, 3: 0x11, 13: byte(client + 1), 15: byte(end)})
}

// AddClient makes a network namespace with a link to the outer one.
func (s *Machine) AddClient() (*Client, error) {
	if s.clients == mostClients {
		return nil, fmt.Errorf("%d clients; a machine has room for %d", s.clients+1, mostClients)
	}
	n := s.clients
	c := &Client{Address: s.Network.inner(n), Gateway: s.Network.gateway(n)}
	if err := c.make(n); err != nil {
		return nil, fmt.Errorf("making the network of client %d: %w", n, err)
	}
	s.clients++
	return c, nil
}

func (c *Client) make(n int) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if c.outer, err = netns.Get(); err != nil {
		return err
	}
	if c.ns, err = netns.New(); err != nil { // the thread is in it now
		return err
	}
	if err := netns.Set(c.outer); err != nil {
		// This thread must not run anything else: it ends with the goroutine.
		runtime.LockOSThread()
		return err
	}
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("client%d", n)}, PeerName: "eth0", PeerNamespace: netlink.NsFd(c.ns),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	outer, err := netlink.NewHandleAt(c.outer)
	if err != nil {
		return err
	}
	defer outer.Close()
	inner, err := netlink.NewHandleAt(c.ns)
	if err != nil {
		return err
	}
	defer inner.Close()
	if err := addresses(outer, veth.Name, c.Gateway, ipv6(n, 1)); err != nil {
		return err
	}
	if err := errors.Join(addresses(inner, "lo"), addresses(inner, "eth0", c.Address, ipv6(n, 2))); err != nil {
		return err
	}
	if err := inner.RouteAdd(&netlink.Route{Gw: c.Gateway.AsSlice()}); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	// A kernel without IPv6 has no such route, and no such endpoint either.
	_ = inner.RouteAdd(&netlink.Route{Gw: ipv6(n, 1).AsSlice()})
	return nil
}

// addresses gives a link its addresses and sets it up. IPv6 may be off.
func addresses(h *netlink.Handle, name string, ips ...netip.Addr) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		bits := 24
		if ip.Is6() {
			bits = 112
		}
		if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(ip, bits), Flags: noDAD(ip)}); err != nil && ip.Is4() {
			return fmt.Errorf("address %v: %w", ip, err)
		}
	}
	return h.LinkSetUp(link)
}

func ipNet(ip netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(bits, ip.BitLen())}
}

// Do calls f on a thread that is in the client's namespace. What f opens or
// starts there stays there; what it starts as goroutines does not.
func (c *Client) Do(f func() error) error {
	runtime.LockOSThread()
	if err := netns.Set(c.ns); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err := f()
	if e := netns.Set(c.outer); e != nil {
		return errors.Join(err, e) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// Dial connects from the client's namespace to an address (not a name).
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return c.dial(ctx, new(net.Dialer), network, address)
}

func (c *Client) dial(ctx context.Context, d *net.Dialer, network, address string) (nc net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dialing %s: %w", address, err)
	}
	e := c.Do(func() error {
		nc, err = d.DialContext(ctx, network, address)
		return nil
	})
	return nc, errors.Join(e, err)
}

// DialMarked is Dial with the mark that exempts from a redirection.
func (c *Client) DialMarked(ctx context.Context, network, address string, mark uint32) (nc net.Conn, err error) {
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) (err error) {
		e := rc.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)) })
		return errors.Join(e, err)
	}}
	return c.dial(ctx, &d, network, address)
}

// Start starts a program in the client's namespace.
func (c *Client) Start(cmd *exec.Cmd) error { return c.Do(cmd.Start) }

// Redirect sends every TCP connection that leaves the client to a port of its
// proxy, except for those to 127.0.0.0/8 and those of the proxy itself, which
// are told by the mark of their packets (SO_MARK).
func (c *Client) Redirect(port uint16, mark uint32) error {
	return c.Do(func() error {
		n, err := nftables.New()
		if err != nil {
			return fmt.Errorf("redirecting to port %d: %w", port, err)
		}
		for _, f := range []struct {
			family nftables.TableFamily
			offset uint32
			local  []byte
		}{
			{nftables.TableFamilyIPv4, dst4, []byte{127}},
			{nftables.TableFamilyIPv6, dst6, net.IPv6loopback},
		} {
			t := n.AddTable(&nftables.Table{Family: f.family, Name: "faildrill"})
			ch := n.AddChain(&nftables.Chain{
				Name: "output", Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest,
			})
			n.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal(unix.IPPROTO_TCP),
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: f.offset, Len: uint32(len(f.local))},
				&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: f.local},
				&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
				&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(mark)},
				&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
				&expr.Redir{RegisterProtoMin: 1},
			}})
		}
		if err := n.Flush(); err != nil {
			return fmt.Errorf("redirecting to port %d: %w", port, err)
		}
		return nil
	})
}

// Where a header has the destination (RFC 791, RFC 8200).
const dst4, dst6 = 16, 24

func equal(data ...byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }
