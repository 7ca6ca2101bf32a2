package mockupstreams

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// losesSYNs says whether this system can have a listener that answers no SYN.
const losesSYNs = true

// nothing is a socket filter (classic BPF) that takes no packet. On a listener it is
// asked for every SYN before the kernel answers (tcp_filter in net/ipv4/tcp_ipv4.c);
// connections that are there have none. Many kernels let everybody have one.
var nothing = []syscall.SockFilter{{Code: syscall.BPF_RET | syscall.BPF_K}}

// deafen makes a listener, or a socket that will be one, lose every SYN.
func deafen(fd uintptr) error {
	//lint:ignore SA1019 what replaces it is outside of the standard library
	err := syscall.AttachLsf(int(fd), nothing)
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("blackhole: this kernel wants CAP_NET_ADMIN for a listener that loses SYNs: %w", ErrUnsupported)
	}
	return err
}

// undeafen ends that.
func undeafen(ln net.Listener) error {
	return control(ln, func(fd uintptr) error {
		//lint:ignore SA1019 what replaces it is outside of the standard library
		return syscall.DetachLsf(int(fd))
	})
}
