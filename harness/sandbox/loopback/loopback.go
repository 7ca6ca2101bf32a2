// Package loopback gives the addresses of a drill places on the loopback interface
// of this machine, for a system that gives it no network of its own.
//
//	m, err := loopback.Reserve(addresses, loopback.Several())
//	at := m.At(netip.MustParseAddrPort("198.18.0.1:80"))     // 127.0.0.2:40123
//	home, ok := m.Home(at)                                   // 198.18.0.1:80
//	defer m.Close()
//
// Every number of a port is one that the system has given to nobody else, and gives
// to nobody before Close: several drills at once do not meet. Where nobody of the
// drill listens a connect is refused.
//
// It leaves out who listens, and how names are resolved.
package loopback

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
)

// Several reports whether the loopback interface has all of 127.0.0.0/8. Linux
// gives it that; others give it 127.0.0.1, and all addresses of a drill have to
// share it.
func Several() bool { return runtime.GOOS == "linux" }

// Map says where the addresses of one drill are.
type Map struct {
	ips  map[netip.Addr]netip.Addr
	at   map[netip.AddrPort]netip.AddrPort
	home map[netip.AddrPort]netip.AddrPort

	mu   sync.Mutex
	held map[netip.AddrPort]io.Closer // by place
}

var first = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// attempts is how many numbers are tried: somebody may have one at another address.
const attempts = 20

// Reserve gives every address a place. With several, every IP has one of its own
// from 127.0.0.2 on, and a port has the same number at all of them, so that a name
// can stand for any of these IPs. Else all are at 127.0.0.1, at different ports.
func Reserve(addresses []netip.AddrPort, several bool) (*Map, error) {
	m := &Map{ips: map[netip.Addr]netip.Addr{}, at: map[netip.AddrPort]netip.AddrPort{}, home: map[netip.AddrPort]netip.AddrPort{}, held: map[netip.AddrPort]io.Closer{}}
	var err error
	if several {
		err = m.reserveSeveral(addresses)
	} else {
		err = m.reserveOne(addresses)
	}
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("reserving ports of the loopback interface: %w", err)
	}
	return m, nil
}

func (m *Map) reserveOne(addresses []netip.AddrPort) error {
	for _, a := range addresses {
		if _, ok := m.at[a]; ok {
			continue
		}
		to, h, err := hold(netip.AddrPortFrom(first, 0))
		if err != nil {
			return err
		}
		m.ips[a.Addr()], m.at[a], m.home[to], m.held[to] = first, to, a, h
	}
	return nil
}

func (m *Map) reserveSeveral(addresses []netip.AddrPort) error {
	byPort := map[uint16][]netip.AddrPort{}
	last := first
	for _, a := range addresses {
		if _, ok := m.ips[a.Addr()]; !ok {
			last = last.Next()
			m.ips[a.Addr()] = last
		}
		byPort[a.Port()] = append(byPort[a.Port()], a)
	}
	for _, as := range byPort {
		if err := m.reservePort(as); err != nil {
			return err
		}
	}
	return nil
}

// reservePort finds a number that is free at all IPs of some addresses of one port.
// It holds the one at 127.0.0.1 until the end: that is where the system looks for
// numbers that are free.
func (m *Map) reservePort(as []netip.AddrPort) error {
	var errs []error
	for range attempts {
		at, h, err := hold(netip.AddrPortFrom(first, 0))
		if err != nil {
			return err
		}
		m.held[at] = h // of a number that is not used, too: it is not to be found again
		taken := map[netip.AddrPort]io.Closer{}
		for _, a := range as {
			to := netip.AddrPortFrom(m.ips[a.Addr()], at.Port())
			if taken[to] != nil {
				continue
			}
			if _, h, err = hold(to); err != nil {
				break
			}
			taken[to] = h
		}
		if err != nil {
			errs = append(errs, err)
			for _, h := range taken {
				_ = h.Close() // nobody has it
			}
			continue
		}
		for _, a := range as {
			to := netip.AddrPortFrom(m.ips[a.Addr()], at.Port())
			m.at[a], m.home[to], m.held[to] = to, a, taken[to]
		}
		return nil
	}
	return errors.Join(errs...)
}

// At is the place of an address; the address itself if it has none.
func (m *Map) At(a netip.AddrPort) netip.AddrPort {
	if to, ok := m.at[a]; ok {
		return to
	}
	return a
}

// IP is what an IP has become; 127.0.0.1 if no address has it.
func (m *Map) IP(ip netip.Addr) netip.Addr {
	if to, ok := m.ips[ip]; ok {
		return to
	}
	return first
}

// Home is the address that has a place.
func (m *Map) Home(at netip.AddrPort) (netip.AddrPort, bool) {
	a, ok := m.home[at]
	return a, ok
}

// All are the addresses with their places.
func (m *Map) All() map[netip.AddrPort]netip.AddrPort { return m.at }

// Release lets somebody of the drill listen at a place.
func (m *Map) Release(at netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.held[at]; h != nil {
		_ = h.Close() // it is a number, nothing can be lost with it
		delete(m.held, at)
	}
}

// Close gives all places back.
func (m *Map) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, h := range m.held {
		_ = h.Close() // see Release
		delete(m.held, at)
	}
}
