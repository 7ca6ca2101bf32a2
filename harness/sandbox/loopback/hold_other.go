//go:build !unix

package loopback

import (
	"errors"
	"io"
	"net/netip"
)

// hold fails: this system is not known.
func hold(at netip.AddrPort) (netip.AddrPort, io.Closer, error) {
	return at, nil, errors.ErrUnsupported
}
