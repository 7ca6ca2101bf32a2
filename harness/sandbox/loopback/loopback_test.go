package loopback

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
)

func addresses(texts ...string) []netip.AddrPort {
	var as []netip.AddrPort
	for _, t := range texts {
		as = append(as, netip.MustParseAddrPort(t))
	}
	return as
}

var drill = addresses("198.18.0.1:80", "198.18.0.1:443", "198.18.0.2:80", "203.0.113.9:81", "198.18.0.1:80")

func reserve(t *testing.T, several bool) *Map {
	t.Helper()
	if several && !Several() {
		t.Skip(runtime.GOOS + " has 127.0.0.1 alone")
	}
	m, err := Reserve(drill, several)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// Every address has a place of its own, and the way back leads to it.
func TestPlaces(t *testing.T) {
	for _, several := range []bool{true, false} {
		m := reserve(t, several)
		seen := map[netip.AddrPort]netip.AddrPort{}
		for _, a := range drill {
			at := m.At(a)
			if !at.Addr().IsLoopback() || at.Port() == a.Port() {
				t.Errorf("several %v: %v is at %v", several, a, at)
			}
			if other, ok := seen[at]; ok && other != a {
				t.Errorf("several %v: %v and %v are both at %v", several, a, other, at)
			}
			seen[at] = a
			if home, ok := m.Home(at); !ok || home != a {
				t.Errorf("several %v: %v at %v is the place of %v", several, a, at, home)
			}
		}
		one, two := m.At(drill[0]), m.At(drill[2])
		if several != (one.Port() == two.Port()) || several != (one.Addr() != two.Addr()) {
			t.Errorf("several %v: port 80 of two addresses is at %v and %v", several, one, two)
		}
		if nobody := netip.MustParseAddrPort("192.0.2.1:80"); m.At(nobody) != nobody {
			t.Errorf("%v is at %v", nobody, m.At(nobody))
		}
	}
}

// A place refuses until somebody listens there, and nobody else gets it meanwhile.
func TestHeld(t *testing.T) {
	for _, several := range []bool{true, false} {
		m, other := reserve(t, several), reserve(t, several)
		for _, a := range drill {
			at := m.At(a)
			if _, ok := other.Home(at); ok {
				t.Errorf("several %v: two drills have %v", several, at)
			}
			if _, err := net.Dial("tcp", at.String()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("several %v: a connect to %v: %v", several, at, err)
			}
		}
		at := m.At(drill[0])
		if ln, err := net.Listen("tcp", at.String()); err == nil {
			ln.Close()
			t.Errorf("several %v: somebody else listens at %v", several, at)
		}
		m.Release(at)
		ln, err := net.Listen("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
	}
}
