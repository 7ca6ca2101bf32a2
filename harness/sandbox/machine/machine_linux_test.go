package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/firewall"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/sandbox"
)

const inside = "FAILDRILL_TEST_INSIDE"

var (
	east    = netip.MustParseAddrPort("203.0.113.7:80")
	network = Network{netip.MustParsePrefix("100.127.0.0/16")}
)

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := live(os.Getenv(inside)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Print("ok")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// enter runs a part of live in a machine.
func enter(t *testing.T, part string) {
	t.Helper()
	needs.Namespaces(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := sandbox.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inside+"="+part)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "ok") {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestAddresses(t *testing.T) { enter(t, "addresses") }
func TestDrop(t *testing.T)      { enter(t, "drop") }
func TestRedirect(t *testing.T)  { enter(t, "redirect") }
func TestFiles(t *testing.T)     { enter(t, "files") }

// Nothing of it is seen outside.
func TestOutside(t *testing.T) {
	before, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	enter(t, "files")
	after, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("the mounts changed:\n%s\n%s", before, after)
	}
}

func live(part string) error {
	s, err := Enter(Options{Network: network, Nameserver: network.Outer()})
	if err != nil {
		return err
	}
	if part == "files" {
		return files(s)
	}
	if err := s.AddAddress(east.Addr()); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", east.String())
	if err != nil {
		return err
	}
	go greet(ln, "east")
	c, err := s.AddClient()
	if err != nil {
		return err
	}
	switch part {
	case "addresses":
		d, err := s.AddClient()
		return errors.Join(err, wants(c, east, "east"), wants(d, east, "east"), wants(c, netip.MustParseAddrPort("203.0.113.8:80"), "unreachable"))
	case "drop":
		other := netip.AddrPortFrom(east.Addr(), 81)
		return errors.Join(
			s.Block(firewall.Rules{Lose: []netip.AddrPort{east}}), wants(c, east, "timeout"), wants(c, other, "refused"),
			s.Block(firewall.Rules{Lose: []netip.AddrPort{other}}), wants(c, east, "east"), wants(c, other, "timeout"),
			s.Block(firewall.Rules{Drop: []netip.AddrPort{east}}), wants(c, east, "timeout"), wants(c, other, "refused"),
			s.Block(firewall.Rules{Reject: []netip.AddrPort{east}}), wants(c, east, "refused"),
			s.Block(firewall.Rules{}), wants(c, other, "refused"), established(s, c))
	case "redirect":
		return redirect(c)
	}
	return errors.New("no such part")
}

func greet(ln net.Listener, text string) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(nc, text)
		nc.Close()
	}
}

// established sees what becomes of a connection that is there when rules come.
func established(s *Machine, c *Client) error {
	at := netip.AddrPortFrom(east.Addr(), 82)
	ln, err := net.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(nc, nc) }()
		}
	}()
	// What was lost before is sent again, too.
	says := func(nc net.Conn, limit time.Duration, answers int) error {
		if _, err := nc.Write([]byte("x")); err != nil {
			return err
		}
		_ = nc.SetReadDeadline(time.Now().Add(limit))
		_, err := io.ReadFull(nc, make([]byte, answers))
		return err
	}
	nc, err := c.Dial(context.Background(), "tcp", at.String())
	if err != nil {
		return err
	}
	for _, step := range []struct {
		rules   firewall.Rules
		limit   time.Duration
		answers int
		want    error
	}{
		{firewall.Rules{Lose: []netip.AddrPort{at}}, 5 * time.Second, 1, nil},
		{firewall.Rules{Drop: []netip.AddrPort{at}}, 300 * time.Millisecond, 1, os.ErrDeadlineExceeded},
		{firewall.Rules{}, 5 * time.Second, 2, nil},
		{firewall.Rules{Reject: []netip.AddrPort{at}}, 5 * time.Second, 1, syscall.ECONNRESET},
	} {
		if err := s.Block(step.rules); err != nil {
			return err
		}
		if err := says(nc, step.limit, step.answers); !errors.Is(err, step.want) {
			return fmt.Errorf("with %+v a connection that was there got %v, want %v", step.rules, err, step.want)
		}
	}
	return nil
}

// wants dials and says when something else comes of it.
func wants(c *Client, to netip.AddrPort, want string) error {
	limit := 10 * time.Second // a busy machine is no reason to fail
	if want == "timeout" || want == "unreachable" {
		limit = 300 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	got := ""
	nc, err := c.Dial(ctx, "tcp", to.String())
	var timeout net.Error
	switch {
	case err == nil:
		b, _ := io.ReadAll(nc)
		got = string(b)
	case errors.Is(err, syscall.ECONNREFUSED):
		got = "refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		got = "unreachable"
	case errors.As(err, &timeout) && timeout.Timeout():
		got = "timeout"
	}
	// An address that nobody has may be silent, too.
	if got != want && !(want == "unreachable" && got == "timeout") {
		return fmt.Errorf("%v: got %q (%v), want %q", to, got, err, want)
	}
	return nil
}

func redirect(c *Client) error {
	err := c.Do(func() error {
		ln, err := net.Listen("tcp", "127.0.0.1:15001")
		if err == nil {
			go greet(ln, "proxy")
		}
		return err
	})
	if err := errors.Join(err, c.Redirect(15001, 1337)); err != nil {
		return err
	}
	var got []byte
	nc, err := c.DialMarked(context.Background(), "tcp", east.String(), 1337)
	if err == nil {
		got, err = io.ReadAll(nc)
	}
	if string(got) != "east" {
		err = errors.Join(err, fmt.Errorf("the proxy's own connection went to %q", got))
	}
	return errors.Join(err, wants(c, east, "proxy"), wants(c, netip.MustParseAddrPort("203.0.113.99:443"), "proxy"),
		wants(c, netip.MustParseAddrPort("127.0.0.1:15001"), "proxy"), wants(c, netip.MustParseAddrPort("127.0.0.1:15002"), "refused"))
}

func files(s *Machine) error {
	b, err := os.ReadFile("/etc/resolv.conf")
	if err != nil || !strings.Contains(string(b), network.Outer().String()) {
		return fmt.Errorf("resolv.conf: %q, %v", b, err)
	}
	if err := os.WriteFile(s.Dir+"/file", nil, 0o600); err != nil {
		return err
	}
	links, err := net.Interfaces()
	if err != nil || len(links) == 0 {
		return fmt.Errorf("links: %v, %v", links, err)
	}
	for _, l := range links {
		if l.Flags&net.FlagUp != 0 && l.Name != "lo" {
			return fmt.Errorf("the machine has the link %s", l.Name)
		}
	}
	if out, err := exec.Command("/bin/ls", "/proc/1/exe").CombinedOutput(); err != nil {
		return fmt.Errorf("/proc: %s", out)
	}
	return nil
}

func TestPlan(t *testing.T) {
	n, err := Plan([]netip.Addr{netip.MustParseAddr("100.127.3.4"), netip.MustParseAddr("::ffff:198.19.0.1"), netip.MustParseAddr("2001:db8::1")})
	if err != nil || n.Outer().String() != "100.126.0.1" {
		t.Errorf("got %v, %v", n, err)
	}
	if _, err := Plan([]netip.Addr{
		netip.MustParseAddr("100.127.3.4"), netip.MustParseAddr("198.19.0.1"), netip.MustParseAddr("100.126.0.9"), netip.MustParseAddr("10.255.0.1"),
	}); err == nil {
		t.Error("want an error when nothing is left")
	}
}
