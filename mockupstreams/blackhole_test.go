package mockupstreams

import (
	"errors"
	"net"
	"testing"
	"time"
)

// wantLost connects in vain.
func wantLost(t *testing.T, address string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
	if err == nil {
		c.Close()
	}
	if !isTimeout(err) {
		t.Fatalf("connecting to %s: got %v, want no answer", address, err)
	}
}

func withBlackholes(t *testing.T) {
	t.Helper()
	if err := startTest(t).Apply(Fault{Name: "lost", Blackhole: true}); errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
}

func TestBlackholeAndComeBack(t *testing.T) {
	withBlackholes(t)
	s := startTest(t, func(cfg *Config) { cfg.Listen = append(cfg.Listen, "127.0.0.1:0") })
	idle, r := dial(t, s.Addrs()[0])
	if _, err := rawGet(t, idle, r, "/"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		apply(t, s, `{"name": "lost", "blackhole": true}`)
		wantLost(t, s.Addrs()[0])
		wantLost(t, s.Addrs()[1])
		if len(s.Refusing()) != 0 {
			t.Errorf("refusing: %v", s.Refusing())
		}
		if err := s.Heal("lost"); err != nil {
			t.Fatal(err)
		}
		for _, a := range s.Addrs() {
			c, r := dial(t, a)
			if res, err := rawGet(t, c, r, "/"); err != nil || res.StatusCode != 200 {
				t.Fatalf("healed: got %v, %v", res, err)
			}
		}
	}
	idle.SetDeadline(time.Now().Add(patience))
	if _, err := r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("the idle connection: got %v, want that it has ended", err)
	}
}

// A request that is on its way is answered, and then its connection ends.
func TestBlackholeLetsRequestsEnd(t *testing.T) {
	withBlackholes(t)
	s := startTest(t)
	apply(t, s, `{"name": "slow", "delay": "100ms"}`)
	c, r := dial(t, s.Addrs()[0])
	answered := make(chan error, 1)
	go func() {
		_, err := rawGet(t, c, r, "/")
		answered <- err
	}()
	eventually(t, "a request", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.record.Requests > 0
	})
	apply(t, s, `{"name": "lost", "blackhole": true}`)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); err == nil || isTimeout(err) {
		t.Errorf("its connection: got %v, want that it has ended", err)
	}
}

// It ends by itself, and may come and go while the port refuses.
func TestBlackholeBesideRefuse(t *testing.T) {
	withBlackholes(t)
	s := startTest(t)
	address := s.Addrs()[0]
	apply(t, s, `{"name": "down", "refuse": true}`)
	apply(t, s, `{"name": "lost", "blackhole": true, "for": "300ms"}`)
	wantRefused(t, address)
	if err := s.Heal("down"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer", func() bool {
		c, err := net.DialTimeout("tcp", address, 50*time.Millisecond)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	apply(t, s, `{"name": "down", "refuse": true}`)
	apply(t, s, `{"name": "gone", "blackhole": true}`)
	if err := s.Heal("down"); err != nil {
		t.Fatal(err)
	}
	wantLost(t, address)
}

func TestBlackholeOfAPort(t *testing.T) {
	withBlackholes(t)
	s := startTest(t, func(cfg *Config) { cfg.Listen = append(cfg.Listen, "127.0.0.1:0") })
	if err := s.Apply(Fault{Name: "lost", Blackhole: true, Match: Match{Port: s.ports[1].number}}); err != nil {
		t.Fatal(err)
	}
	wantLost(t, s.Addrs()[1])
	wantStatus(t, newClient(t, "HTTP/1.1"), s, "/", 200)
}

// Where it cannot be, nothing of it is left.
func TestBlackholeWhereThereIsNone(t *testing.T) {
	s := startTest(t)
	err := s.Apply(Fault{Name: "lost", Blackhole: true})
	if err == nil {
		t.Skip("this system has them")
	}
	if !errors.Is(err, ErrUnsupported) || len(s.Faults()) != 0 {
		t.Errorf("got %v and the faults %v, want ErrUnsupported", err, s.Faults())
	}
	wantStatus(t, newClient(t, "HTTP/1.1"), s, "/", 200)
}
