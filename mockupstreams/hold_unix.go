//go:build linux || darwin || freebsd

package mockupstreams

import (
	"io"
	"net"
	"os"
	"syscall"
)

// holdPort binds the address without listening on it. Connects still get
// ECONNREFUSED, but the system gives the number to nobody who asks for any
// port: no other server, and no client on this machine, which would connect to
// itself if it got the number that it connects to.
func holdPort(address *net.TCPAddr) (io.Closer, error) {
	family, sockaddr := syscall.AF_INET6, syscall.Sockaddr(nil)
	if ip := address.IP.To4(); ip != nil {
		family, sockaddr = syscall.AF_INET, &syscall.SockaddrInet4{Port: address.Port, Addr: [4]byte(ip)}
	} else {
		six := &syscall.SockaddrInet6{Port: address.Port}
		copy(six.Addr[:], address.IP)
		sockaddr = six
	}
	syscall.ForkLock.RLock() // so that no child inherits the socket
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Connections of the closed listener may linger; they must not be in the way.
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, sockaddr)
	}
	if err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return held(fd), nil
}

type held int

func (h held) Close() error { return syscall.Close(int(h)) }
