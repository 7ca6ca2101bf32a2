package dnsserver

import (
	"net"
	"syscall"
	"testing"
)

// A port that the system chose for UDP may be taken for TCP: another one is tried.
// One that was asked for is asked for once.
func TestListen(t *testing.T) {
	for _, c := range []struct {
		address string
		taken   int // this many times
		tried   int
		ok      bool
	}{{"127.0.0.1:0", 0, 1, true}, {"127.0.0.1:0", 3, 4, true}, {"127.0.0.1:0", attempts, attempts, false}, {free(t), 1, 1, false}} {
		tried := 0
		pc, ln, err := listen(c.address, func(network, address string) (net.Listener, error) {
			if tried++; tried <= c.taken {
				return nil, syscall.EADDRINUSE
			}
			return net.Listen(network, address)
		})
		if err == nil {
			if pc.LocalAddr().String() != ln.Addr().String() {
				t.Errorf("UDP on %v, TCP on %v", pc.LocalAddr(), ln.Addr())
			}
			pc.Close()
			ln.Close()
		}
		if tried != c.tried || (err == nil) != c.ok {
			t.Errorf("%s, taken %d times: tried %d times, %v; want %d", c.address, c.taken, tried, err, c.tried)
		}
	}
}

// free is an address of which nobody has the UDP port.
func free(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().String()
}
