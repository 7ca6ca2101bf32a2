//go:build !linux

package sandbox

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
)

// Check says why this system has no namespaces.
func Check() error {
	return fmt.Errorf("%w: %s has none; they are Linux's", ErrUnavailable, runtime.GOOS)
}

// Command is of no use here.
func Command(path string, args ...string) *exec.Cmd { return exec.Command(path, args...) }

// Explain is the error as it is.
func Explain(err error) error { return err }

// Options say what the machine looks like.
type Options struct {
	Network    Network
	Nameserver netip.Addr
}

// Sandbox is a machine that this system cannot give.
type Sandbox struct {
	Dir     string
	Network Network
}

// Enter fails.
func Enter(Options) (*Sandbox, error) { return nil, Check() }

// AddAddress fails.
func (*Sandbox) AddAddress(netip.Addr) error { return Check() }

// AddClient fails.
func (*Sandbox) AddClient() (*Client, error) { return nil, Check() }

// Drop fails.
func (*Sandbox) Drop([]netip.AddrPort) error { return Check() }

// Client is a network namespace that this system cannot give.
type Client struct{ Address, Gateway netip.Addr }

// Dial fails.
func (*Client) Dial(context.Context, string, string) (net.Conn, error) { return nil, Check() }

// Start fails.
func (*Client) Start(*exec.Cmd) error { return Check() }

// Redirect fails.
func (*Client) Redirect(uint16, uint32) error { return Check() }

// Do fails.
func (*Client) Do(func() error) error { return Check() }
