package mockupstreams

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func wantRefused(t *testing.T, address string) {
	t.Helper()
	for range 20 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("connecting to %s: got %v, want ECONNREFUSED", address, err)
		}
	}
}

func TestRefuseAndComeBack(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			address := s.Addrs()[0]
			for range 5 {
				wantStatus(t, client, s, "/", 200)
				apply(t, s, `{"name": "down", "refuse": true}`)
				wantRefused(t, address)
				// A client with an idle connection may first hear that it has ended.
				eventually(t, "ECONNREFUSED", func() bool {
					_, _, err := get(client, s, "/")
					return errors.Is(err, syscall.ECONNREFUSED)
				})
				if got := s.Refusing(); len(got) != 1 || got[0] != address {
					t.Fatalf("Refusing: got %v, want %s", got, address)
				}
				if err := s.Heal("down"); err != nil {
					t.Fatal(err)
				}
				if s.Addrs()[0] != address || len(s.Refusing()) != 0 {
					t.Fatalf("healed: addresses %v, refusing %v", s.Addrs(), s.Refusing())
				}
			}
			wantStatus(t, client, s, "/", 200)
		})
	}
}

func TestRefuseClosesIdleConnections(t *testing.T) {
	s := startTest(t)
	idle, r := dial(t, s.Addrs()[0])
	if _, err := rawGet(t, idle, r, "/"); err != nil {
		t.Fatal(err)
	}
	fresh, _ := dial(t, s.Addrs()[0])
	eventually(t, "two connections", func() bool { return s.Counts().Connections == 2 })
	apply(t, s, `{"name": "down", "refuse": true}`)
	for _, c := range []net.Conn{idle, fresh} {
		c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
			t.Errorf("reading: got %d bytes, %v, want the end", n, err)
		}
	}
}

// A running request ends well, and its connection with it.
func TestRefuseLetsRequestsEnd(t *testing.T) {
	s := startTest(t)
	apply(t, s, `{"name": "slow", "slowBody": "300ms"}`)
	c, r := dial(t, s.Addrs()[0])
	apply(t, s, `{"name": "marker", "delay": "1ms"}`)
	ended := make(chan error, 1)
	go func() {
		res, err := rawGet(t, c, r, "/")
		if err == nil && res.StatusCode != 200 {
			err = errors.New(res.Status)
		}
		ended <- err
	}()
	eventually(t, "the request", func() bool { return s.Counts().Requests == 1 })
	apply(t, s, `{"name": "down", "refuse": true}`)
	wantRefused(t, s.Addrs()[0])
	if err := <-ended; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after it: got %v, want EOF", err)
	}
}

// With a grace, a request that is on its way when the refusal begins is answered.
func TestRefuseWithIdleGrace(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.IdleGrace = time.Hour })
	used, r := dial(t, s.Addrs()[0])
	if _, err := rawGet(t, used, r, "/"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, `{"name": "down", "refuse": true}`)
	wantRefused(t, s.Addrs()[0])
	res, err := rawGet(t, used, r, "/")
	if err != nil || res.StatusCode != 200 || !res.Close {
		t.Errorf("got %v, %v, want an answer that closes the connection", res, err)
	}
}

// The grace ends: then a connection that nobody used is closed.
func TestIdleGraceEnds(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.IdleGrace = 50 * time.Millisecond })
	used, r := dial(t, s.Addrs()[0])
	idle, _ := dial(t, s.Addrs()[0])
	if _, err := rawGet(t, used, r, "/"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two connections", func() bool { return s.Counts().Connections == 2 })
	apply(t, s, `{"name": "down", "refuse": true}`)
	for _, c := range []net.Conn{used, idle} {
		c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
			t.Errorf("reading: got %d bytes, %v, want the end", n, err)
		}
	}
}

func TestRefuseOnePortOfTwo(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.Listen = []string{"127.0.0.1:0", "127.0.0.1:0"} })
	client := newClient(t, "HTTP/1.1")
	if err := s.Apply(Fault{Name: "down", Refuse: true, Match: Match{Port: s.ports[1].number}}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, client, s, "/", 200)
	wantRefused(t, s.Addrs()[1])
	// Two refusals of one port: both have to be healed.
	apply(t, s, `{"name": "all", "refuse": true}`)
	if err := s.Heal("all"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, client, s, "/", 200)
	wantRefused(t, s.Addrs()[1])
}

func TestRefuseForAWhile(t *testing.T) {
	s, client := startTest(t), newClient(t, "HTTP/1.1")
	apply(t, s, `{"name": "blip", "refuse": true, "for": "50ms"}`)
	eventually(t, "listening again", func() bool { return len(s.Refusing()) == 0 })
	wantStatus(t, client, s, "/", 200)
	apply(t, s, `{"name": "blip", "refuse": true, "for": "1h"}`) // the name is free again
	wantRefused(t, s.Addrs()[0])
}

// The time of For is Config.Now's, however fast the timer runs.
func TestRefuseForFollowsNow(t *testing.T) {
	var shift atomic.Int64
	start := time.Now()
	s := startTest(t, func(cfg *Config) {
		cfg.Now = func() time.Time { return start.Add(time.Duration(shift.Load())) }
	})
	apply(t, s, `{"name": "blip", "refuse": true, "for": "10ms"}`)
	wantRefused(t, s.Addrs()[0])
	shift.Store(int64(10 * time.Millisecond))
	eventually(t, "listening again", func() bool { return len(s.Refusing()) == 0 })
}

func TestHealWhenTheAddressWasTaken(t *testing.T) {
	s, client := startTest(t), newClient(t, "HTTP/1.1")
	apply(t, s, `{"name": "down", "refuse": true}`)
	p := s.ports[0]
	p.mu.Lock()
	if p.hold != nil { // nobody could take it otherwise
		p.hold.Close()
		p.hold = nil
	}
	p.mu.Unlock()
	thief, err := net.Listen("tcp", s.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	err = s.Heal("down")
	if !errors.Is(err, ErrListen) || !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), s.Addrs()[0]) {
		t.Errorf("got %v, want ErrListen with the address", err)
	}
	if got := s.Faults(); len(got) != 1 {
		t.Errorf("faults: got %v, want down still there", got)
	}
	thief.Close()
	if err := s.Heal("down"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, client, s, "/", 200)
}

// While a port refuses, no client gets its number as its own. One that did and
// connected to the same number would talk to itself.
func TestRefuseHoldsThePort(t *testing.T) {
	s := startTest(t)
	apply(t, s, `{"name": "down", "refuse": true}`)
	if s.ports[0].hold == nil {
		t.Skip("ports cannot be held on this system")
	}
	address, err := net.ResolveTCPAddr("tcp", s.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTCP("tcp", address, address)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v, want EADDRINUSE", err)
	}
}
