//go:build unix

package loopback

import (
	"io"
	"net/netip"
	"os"
	"syscall"
)

// hold binds a place and does not listen there: connects are refused, and nobody
// else gets the number. Port 0 is any.
func hold(at netip.AddrPort) (netip.AddrPort, io.Closer, error) {
	syscall.ForkLock.RLock() // so that no child inherits it
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return at, nil, os.NewSyscallError("socket", err)
	}
	h := held(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		_ = h.Close() // it was of no use
		return at, nil, os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		_ = h.Close() // see above
		return at, nil, os.NewSyscallError("getsockname", err)
	}
	return netip.AddrPortFrom(at.Addr(), uint16(name.(*syscall.SockaddrInet4).Port)), h, nil
}

type held int

func (h held) Close() error { return syscall.Close(int(h)) }
