package mockupstreams

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestHealthy(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			var logged atomic.Int64
			s := startTest(t, func(cfg *Config) {
				cfg.Listen = append(cfg.Listen, "127.0.0.1:0")
				cfg.OnAttempt = func(Attempt) { logged.Add(1) }
			})
			client := newClient(t, proto)
			res, err := client.Get("http://" + s.Addrs()[1] + "/orders?id=1")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 200 || res.Header.Get("x-upstream") != "east" || res.ContentLength != int64(len("healthy: east\n")) {
				t.Errorf("got %+v", res)
			}
			wantStatus(t, client, s, "/", 200)
			attempts, dropped := s.Attempts()
			if len(attempts) != 2 || dropped != 0 || logged.Load() != 2 {
				t.Fatalf("got %d attempts, %d dropped, %d logged, want 2, 0, 2", len(attempts), dropped, logged.Load())
			}
			a := attempts[0]
			if a.N != 1 || a.Port != s.ports[1].number || a.Proto != proto || a.Method != "GET" || a.Path != "/orders" || a.Status != 200 || a.Fault != "" {
				t.Errorf("got %+v", a)
			}
			counts := s.Counts()
			if p := counts.ByPort[s.ports[1].number]; counts.Requests != 2 || counts.Connections != 2 || p.Requests != 1 || p.Connections != 1 {
				t.Errorf("got %+v", counts)
			}
			s.Reset()
			wantStatus(t, client, s, "/", 200)
			if attempts, _ := s.Attempts(); len(attempts) != 1 || attempts[0].N != 1 || s.Counts().Requests != 1 {
				t.Errorf("after Reset: got %+v", attempts)
			}
		})
	}
}

func TestStartMistakes(t *testing.T) {
	one := []string{"127.0.0.1:0"}
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{Name: "", Listen: one}, `name: found ""`},
		{Config{Name: "a\r\nb", Listen: one}, `name: found`},
		{Config{Name: "a"}, "listen: found no address"},
		{Config{Name: "a", Listen: []string{"nohost"}}, `listen: found "nohost", expected host:port`},
		{Config{Name: "a", Listen: []string{"127.0.0.1:65536"}}, `expected host:port with a port from 0 to 65535`},
		{Config{Name: "a", Listen: one, Control: "x"}, `control: found "x"`},
	} {
		s, err := Start(test.cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, ErrListen) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// A Start that fails leaves no listener behind (and no goroutine: TestMain).
func TestStartAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	cfg := Config{Name: "a", Listen: []string{free.Addr().String(), taken.Addr().String()}}
	if _, err := Start(cfg); !errors.Is(err, ErrListen) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v, want ErrListen", err)
	}
	cfg = Config{Name: "a", Listen: cfg.Listen[:1], Control: taken.Addr().String()}
	if _, err := Start(cfg); !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), "control") {
		t.Fatalf("got %v, want ErrListen for control", err)
	}
	cfg.Control = ""
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("the free address: %v", err)
	}
	s.Close()
}

func TestApplyAndHealMistakes(t *testing.T) {
	s := startTest(t)
	apply(t, s, `{"name": "a", "status": 503}`)
	if err := s.Apply(Fault{Name: "a", Reset: true}); !errors.Is(err, ErrDuplicate) || !strings.Contains(err.Error(), "applied: a") {
		t.Errorf("a duplicate: got %v", err)
	}
	if err := s.Heal("b"); !errors.Is(err, ErrNotApplied) || !strings.Contains(err.Error(), "applied: a") {
		t.Errorf("an unknown name: got %v", err)
	}
	want := fmt.Sprintf("port: found 1, expected one that east listens on: %d", s.ports[0].number)
	if err := s.Apply(Fault{Name: "c", Status: 500, Match: Match{Port: 1}}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a foreign port: got %v, want %s", err, want)
	}
	if err := s.Heal("a"); err != nil {
		t.Error(err)
	}
	if err := s.Heal("a"); !errors.Is(err, ErrNotApplied) || !strings.Contains(err.Error(), "applied: none") {
		t.Errorf("healed twice: got %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Apply(Fault{Name: "a", Reset: true}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
	if err := s.Heal("a"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
}

// What was applied does not change with the caller's value.
func TestFaultsAreCopies(t *testing.T) {
	s := unstarted(t, 0)
	f := Fault{Name: "a", Status: 503, Match: Match{Percentage: new(100.0), Headers: map[string]string{"x": "1"}}}
	if err := s.Apply(f); err != nil {
		t.Fatal(err)
	}
	*f.Percentage, f.Headers["x"] = 0, "2"
	*s.Faults()[0].Percentage, s.Faults()[0].Headers["x"] = 0, "3"
	if got := s.Faults()[0]; *got.Percentage != 100 || got.Headers["x"] != "1" {
		t.Errorf("got %+v", got)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	now := time.Now()
	s := unstarted(t, 0)
	s.cfg.Now = func() time.Time { return now }
	for i := range faultsKept {
		if err := s.Apply(Fault{Name: fmt.Sprint("f", i), Status: 503, Match: Match{For: Duration(time.Second)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Apply(Fault{Name: "more", Status: 503}); err == nil {
		t.Error("one more: got nil, want an error")
	}
	now = now.Add(time.Second)
	if err := s.Apply(Fault{Name: "more", Status: 503}); err != nil {
		t.Errorf("with the others over: %v", err)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	s := unstarted(t, 0)
	for range attemptsKept + 10 {
		playOne(s, httptest.NewRequest("GET", "/", nil))
	}
	attempts, dropped := s.Attempts()
	if len(attempts) != attemptsKept || dropped != 10 {
		t.Fatalf("got %d and %d dropped", len(attempts), dropped)
	}
	for i, a := range attempts {
		if a.N != i+11 {
			t.Fatalf("attempt %d: got number %d, want %d", i, a.N, i+11)
		}
	}
}

func TestHostCanBeMatched(t *testing.T) {
	s := unstarted(t, 0)
	apply(t, s, `{"name": "a", "status": 503, "headers": {"host": "mydb.com"}}`)
	r := httptest.NewRequest("GET", "http://mydb.com/", nil)
	if rec, _ := playOne(s, r); rec.Code != 503 {
		t.Errorf("got %d, want 503", rec.Code)
	}
}

// Faults come and go under load; in the end every request is accounted for and
// the upstream is healthy.
func TestConcurrentFaults(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.Listen = append(cfg.Listen, "127.0.0.1:0"); cfg.Control = "127.0.0.1:0" })
	kinds := []Fault{
		{Status: 503, Match: Match{Percentage: new(50.0)}},
		{Delay: 1e6, Jitter: 1e6},
		{Refuse: true, Match: Match{Port: s.ports[0].number}},
		{Refuse: true, Match: Match{For: 3e6}},
		{Reset: true, Match: Match{Every: 3}},
		{SlowBody: 2e6},
		{CloseAfter: 2},
		{Hang: HangBody, Match: Match{Path: "/never"}},
	}
	stop := make(chan struct{})
	var load, change sync.WaitGroup
	for _, proto := range append(protocols, protocols...) {
		client := newClient(t, proto)
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _, _ = get(client, s, "/") // any outcome is fine here
				}
			}
		})
	}
	for i, f := range kinds {
		change.Go(func() {
			for range 20 {
				f.Name = fmt.Sprint("f", i)
				if err := s.Apply(f); err != nil {
					t.Errorf("applying %+v: %v", f, err)
				}
				time.Sleep(rand.N(3 * time.Millisecond)) // load, not synchronisation
				s.Faults()
				s.Counts()
				if err := s.Heal(f.Name); err != nil {
					t.Errorf("healing %s: %v", f.Name, err)
				}
			}
		})
	}
	change.Wait()
	close(stop)
	load.Wait()
	eventually(t, "listening", func() bool { return len(s.Refusing()) == 0 })
	for _, proto := range protocols {
		wantStatus(t, newClient(t, proto), s, "/", 200)
	}
	eventually(t, "every request to end", func() bool {
		c, ended := s.Counts(), 0
		for _, n := range c.ByStatus {
			ended += n
		}
		return ended == c.Requests
	})
}

// Close comes while requests, faults and binds are on their way.
func TestCloseUnderLoad(t *testing.T) {
	for range 8 {
		var self atomic.Pointer[Server]
		s := startTest(t, func(cfg *Config) {
			cfg.OnAttempt = func(Attempt) { _ = self.Load().Heal("none") } // must not block Close
		})
		self.Store(s)
		var all sync.WaitGroup
		for _, proto := range protocols {
			client := newClient(t, proto)
			all.Go(func() {
				for s.Heal("none") != ErrClosed {
					_, _, _ = get(client, s, "/")
				}
			})
		}
		all.Go(func() {
			for {
				if s.Apply(Fault{Name: "blip", Refuse: true, Match: Match{For: 1e6}}) == ErrClosed || s.Heal("blip") == ErrClosed {
					return
				}
			}
		})
		eventually(t, "some load", func() bool { return s.Counts().Requests > 0 })
		s.Close()
		all.Wait()
	}
}
