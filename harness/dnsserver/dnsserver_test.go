package dnsserver

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, answers map[string]Answer) *Server {
	t.Helper()
	s, err := Start("127.0.0.1:0", func(name string) Answer { return answers[name] })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ask(t *testing.T, s *Server, network, name string, qtype uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	c := dns.Client{Net: network, Timeout: 5 * time.Second}
	r, _, err := c.Exchange(m, s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnswers(t *testing.T) {
	east := netip.MustParseAddr("198.18.0.1")
	s := start(t, map[string]Answer{
		"east.example":   {Addresses: []netip.Addr{east, netip.MustParseAddr("2001:db8::1")}, TTL: 30500 * time.Millisecond},
		"gone.example":   {Code: NXDomain},
		"broken.example": {Code: ServFail},
		"closed.example": {Code: Refused},
	})
	for _, c := range []struct {
		name, network string
		qtype         uint16
		rcode, want   int
	}{
		{"East.example", "udp", dns.TypeA, dns.RcodeSuccess, 1},
		{"east.example", "tcp", dns.TypeA, dns.RcodeSuccess, 1},
		{"east.example", "udp", dns.TypeAAAA, dns.RcodeSuccess, 1},
		{"east.example", "udp", dns.TypeMX, dns.RcodeSuccess, 0},
		{"gone.example", "udp", dns.TypeA, dns.RcodeNameError, 0},
		{"broken.example", "udp", dns.TypeA, dns.RcodeServerFailure, 0},
		{"closed.example", "udp", dns.TypeA, dns.RcodeRefused, 0},
	} {
		r := ask(t, s, c.network, c.name, c.qtype)
		if r.Rcode != c.rcode || len(r.Answer) != c.want {
			t.Errorf("%s over %s: got %s and %d records, want %s and %d", c.name, c.network, dns.RcodeToString[r.Rcode], len(r.Answer), dns.RcodeToString[c.rcode], c.want)
		}
		if c.want > 0 && r.Answer[0].Header().Ttl != 30 {
			t.Errorf("%s: TTL %d, want 30", c.name, r.Answer[0].Header().Ttl)
		}
	}
	if n := s.Asked("EAST.example."); n != 4 {
		t.Errorf("counted %d questions about east.example, want 4", n)
	}
}

func TestSilence(t *testing.T) {
	s := start(t, map[string]Answer{"mute.example": {Code: Silence}})
	m := new(dns.Msg)
	m.SetQuestion("mute.example.", dns.TypeA)
	c := dns.Client{Timeout: 100 * time.Millisecond}
	var timeout net.Error
	if _, _, err := c.Exchange(m, s.Addr()); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

// An answer that does not fit in a datagram is cut, and whole over TCP.
func TestManyAddresses(t *testing.T) {
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{198, 18, 0, byte(i)}))
	}
	s := start(t, map[string]Answer{"many.example": {Addresses: many}})
	if r := ask(t, s, "udp", "many.example", dns.TypeA); !r.Truncated || len(r.Answer) >= 100 {
		t.Errorf("over UDP: truncated %v, %d records", r.Truncated, len(r.Answer))
	}
	if r := ask(t, s, "tcp", "many.example", dns.TypeA); r.Truncated || len(r.Answer) != 100 {
		t.Errorf("over TCP: truncated %v, %d records", r.Truncated, len(r.Answer))
	}
}

func TestAddressInUse(t *testing.T) {
	s := start(t, nil)
	if _, err := Start(s.Addr(), func(string) Answer { return Answer{} }); !errors.Is(err, ErrListen) {
		t.Errorf("got %v, want ErrListen", err)
	}
}

// Another server's answer is passed on whole, whatever it is; when there is none, that is a failure.
func TestElsewhere(t *testing.T) {
	many := make([]netip.Addr, 100)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{198, 18, 0, byte(i)})
	}
	other := start(t, map[string]Answer{"east.example": {Addresses: many}, "gone.example": {Code: NXDomain}})
	elsewhere := func(string) Answer { return Answer{Code: Elsewhere} }
	for _, c := range []struct {
		forward, network, name string
		rcode, want            int
	}{
		{other.Addr(), "tcp", "east.example", dns.RcodeSuccess, 100},
		{other.Addr(), "udp", "gone.example", dns.RcodeNameError, 0},
		{"", "udp", "east.example", dns.RcodeServerFailure, 0},
	} {
		s, err := Options{Forward: c.forward}.Start("127.0.0.1:0", elsewhere)
		if err != nil {
			t.Fatal(err)
		}
		m := ask(t, s, c.network, c.name, dns.TypeA)
		if m.Rcode != c.rcode || len(m.Answer) != c.want {
			t.Errorf("%s by %q: got %s, %d answers; want %s, %d", c.name, c.forward, dns.RcodeToString[m.Rcode], len(m.Answer), dns.RcodeToString[c.rcode], c.want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
