package detour

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/faildrill/faildrill/harness/needs"
)

var (
	east, west, nobody = netip.MustParseAddr("10.10.0.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.10.0.9")
	at4, at6           = netip.MustParseAddr("172.18.0.5"), netip.MustParseAddr("fd00::5")
)

// In a network of its own: connections take the detour, and so does nothing else.
func TestSet(t *testing.T) {
	own(t)
	r := Rules{To: map[netip.Addr]netip.Addr{east: at4, west: at6}, Nobody: []netip.Addr{nobody}}
	for range 2 { // a second time replaces the first
		if err := r.Set(); err != nil {
			t.Fatal(err)
		}
	}
	greet(t, netip.AddrPortFrom(at4, 80), "east")
	greet(t, netip.AddrPortFrom(at6, 80), "west")
	for to, want := range map[netip.AddrPort]string{
		netip.AddrPortFrom(east, 80): "east", netip.AddrPortFrom(west, 80): "west", netip.AddrPortFrom(at4, 80): "east",
		netip.AddrPortFrom(east, 81): "refused", netip.AddrPortFrom(nobody, 80): "refused",
	} {
		if got := dial(to); got != want {
			t.Errorf("%v: got %q, want %q", to, got, want)
		}
	}
}

// What is redirected to a proxy before takes no detour.
func TestRedirectedBefore(t *testing.T) {
	own(t)
	if err := (Rules{To: map[netip.Addr]netip.Addr{east: at4}}).Set(); err != nil {
		t.Fatal(err)
	}
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	other := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "nat"})
	chain := c.AddChain(&nftables.Chain{Name: "OUTPUT", Table: other, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityNATDest})
	c.AddRule(&nftables.Rule{Table: other, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(15001)},
		&expr.Redir{RegisterProtoMin: 1},
	}})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	greet(t, netip.MustParseAddrPort("0.0.0.0:15001"), "proxy")
	greet(t, netip.AddrPortFrom(at4, 80), "east")
	if got := dial(netip.AddrPortFrom(east, 80)); got != "proxy" {
		t.Errorf("got %q, want the proxy", got)
	}
}

func TestFamilies(t *testing.T) {
	err := Rules{To: map[netip.Addr]netip.Addr{east: at6}}.Set()
	if err == nil || !strings.Contains(err.Error(), "one family") {
		t.Errorf("got %v", err)
	}
}

// own gives the test a network namespace in which every address is this machine's.
func own(t *testing.T) {
	t.Helper()
	if unix.Geteuid() != 0 {
		needs.Missing(t, "a network namespace needs root")
	}
	runtime.LockOSThread() // not unlocked: the thread ends with the test's goroutine
	ns, err := netns.New()
	if err != nil {
		needs.Missing(t, err)
	}
	t.Cleanup(func() { ns.Close() })
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	for _, ip := range []netip.Addr{at4, at6} {
		if err == nil {
			err = netlink.AddrAdd(lo, &netlink.Addr{IPNet: bits(ip, ip.BitLen()), Flags: unix.IFA_F_NODAD})
		}
	}
	// What no rule leads elsewhere is lost on the way: nobody answers for it.
	for _, ip := range []netip.Addr{east, west} {
		if err == nil {
			err = netlink.RouteAdd(&netlink.Route{Dst: bits(ip, 24), LinkIndex: lo.Attrs().Index})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func bits(ip netip.Addr, n int) *net.IPNet {
	mask := net.CIDRMask(n, ip.BitLen())
	return &net.IPNet{IP: net.IP(ip.AsSlice()).Mask(mask), Mask: mask}
}

// greet says a word to whoever connects.
func greet(t *testing.T, at netip.AddrPort, word string) {
	t.Helper()
	ln, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(nc, word)
			nc.Close()
		}
	}()
}

func dial(to netip.AddrPort) string {
	d := net.Dialer{Timeout: 5 * time.Second}
	nc, err := d.Dial("tcp", to.String())
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "refused"
	}
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	b, _ := io.ReadAll(nc)
	return string(b)
}
