//go:build !linux

package machine

import (
	"context"
	"net"
	"net/netip"
	"os/exec"

	"github.com/faildrill/faildrill/harness/firewall"
	"github.com/faildrill/faildrill/harness/sandbox"
)

// Options say what the machine looks like.
type Options struct {
	Network    Network
	Nameserver netip.Addr
}

// Machine is one that this system cannot give.
type Machine struct {
	Dir     string
	Network Network
}

// Enter fails.
func Enter(Options) (*Machine, error) { return nil, sandbox.Check() }

// AddAddress fails.
func (*Machine) AddAddress(netip.Addr) error { return sandbox.Check() }

// AddClient fails.
func (*Machine) AddClient() (*Client, error) { return nil, sandbox.Check() }

// Block fails.
func (*Machine) Block(firewall.Rules) error { return sandbox.Check() }

// Client is a network namespace that this system cannot give.
type Client struct{ Address, Gateway netip.Addr }

// Dial fails.
func (*Client) Dial(context.Context, string, string) (net.Conn, error) { return nil, sandbox.Check() }

// DialMarked fails.
func (*Client) DialMarked(context.Context, string, string, uint32) (net.Conn, error) {
	return nil, sandbox.Check()
}

// Start fails.
func (*Client) Start(*exec.Cmd) error { return sandbox.Check() }

// Redirect fails.
func (*Client) Redirect(uint16, uint32) error { return sandbox.Check() }

// Do fails.
func (*Client) Do(func() error) error { return sandbox.Check() }
