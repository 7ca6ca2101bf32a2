package mockupstreams

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"
)

// wantSilence reads nothing for a while.
func wantSilence(t *testing.T, c net.Conn, r *bufio.Reader) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := r.Peek(1); !isTimeout(err) {
		t.Fatalf("got %v, want silence", err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
}

func wantAnswer(t *testing.T, r *bufio.Reader) {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Fatalf("got %q, %v, want an answer", line, err)
	}
}

// What is there stays, what is new is accepted, nothing is answered; then everything is.
func TestPauseAndGoOn(t *testing.T) {
	s := startTest(t)
	idle, idleR := dial(t, s.Addrs()[0])
	if res, err := rawGet(t, idle, idleR, "/"); err != nil || res.StatusCode != 200 {
		t.Fatalf("got %v, %v", res, err)
	}
	apply(t, s, `{"name": "slow", "delay": "50ms", "path": "/slow"}`)
	running, runningR := dial(t, s.Addrs()[0])
	io.WriteString(running, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, "a request", func() bool { return s.Counts().Requests == 2 })

	apply(t, s, `{"name": "still", "pause": true}`)
	fresh, freshR := dial(t, s.Addrs()[0])
	for _, c := range []net.Conn{idle, fresh} {
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	wantSilence(t, running, runningR)
	wantSilence(t, idle, idleR)
	wantSilence(t, fresh, freshR)
	if n := s.Counts().Requests; n != 2 {
		t.Errorf("%d requests were read, want the two from before", n)
	}
	if err := s.Heal("still"); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, idleR)
	wantAnswer(t, freshR)
	wantAnswer(t, runningR)
}

// A pause of one port, for a time.
func TestPauseOnePort(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.Listen = append(cfg.Listen, "127.0.0.1:0") })
	if err := s.Apply(Fault{Name: "still", Pause: true, Match: Match{Port: s.ports[0].number, For: Duration(300 * time.Millisecond)}}); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	other, r := dial(t, s.Addrs()[1])
	if res, err := rawGet(t, other, r, "/"); err != nil || res.StatusCode != 200 {
		t.Fatalf("the other port: got %v, %v", res, err)
	}
	c, r := dial(t, s.Addrs()[0])
	if res, err := rawGet(t, c, r, "/"); err != nil || res.StatusCode != 200 || time.Since(begin) < 290*time.Millisecond {
		t.Fatalf("got %v, %v after %v", res, err, time.Since(begin))
	}
}

// Close does not wait for a pause.
func TestPauseEndsWithClose(t *testing.T) {
	s := startTest(t)
	apply(t, s, `{"name": "still", "pause": true}`)
	c, r := dial(t, s.Addrs()[0])
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wantSilence(t, c, r)
	s.Close()
	if _, err := r.Peek(1); err == nil || isTimeout(err) {
		t.Errorf("got %v, want that the connection has ended", err)
	}
}

// A process that is killed takes its connections along, those with a request too.
func TestBreakOff(t *testing.T) {
	s := startTest(t)
	idle, idleR := dial(t, s.Addrs()[0])
	if _, err := rawGet(t, idle, idleR, "/"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, `{"name": "stuck", "hang": "headers"}`)
	busy, busyR := dial(t, s.Addrs()[0])
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, "a request", func() bool { return s.Counts().Requests == 2 })
	s.BreakOff()
	for _, r := range []*bufio.Reader{idleR, busyR} {
		if _, err := r.ReadByte(); err == nil || isTimeout(err) {
			t.Errorf("got %v, want that the connection has ended", err)
		}
	}
	dial(t, s.Addrs()[0]) // what listens goes on
}
