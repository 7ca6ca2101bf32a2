package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/mockupstreams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream is one end of two pipes.
type stream struct {
	io.Reader
	io.WriteCloser
}

// connect is a harness and an agent with pipes between them.
func connect(t *testing.T) (c *Conn, hangUp func()) {
	t.Helper()
	toAgent, fromHarness := io.Pipe()
	toHarness, fromAgent := io.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- Serve(context.Background(), toAgent, fromAgent)
		fromAgent.Close()
	}()
	c = Connect(stream{toHarness, fromHarness})
	t.Cleanup(func() {
		c.Close()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return c, func() { fromHarness.Close() }
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// one sends a request and waits for its outcome.
func one(ctx context.Context, do probe.Do, n int) probe.Outcome {
	got := make(chan probe.Outcome, 1)
	do(ctx, n, func(o probe.Outcome) { got <- o })
	return <-got
}

func TestLoad(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get(live.RequestHeader) {
		case "1":
			w.WriteHeader(503)
		case "2":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	})
	c, _ := connect(t)
	do, err := c.Load(t.Context(), &schedule.Load{URL: s.URL, KeepAlive: true, Timeout: trace.Sec(200 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	if o := one(t.Context(), do, 0); o.Status != 200 || o.Err != nil {
		t.Errorf("got %+v", o)
	}
	if o := one(t.Context(), do, 1); o.Status != 503 || o.Err != nil {
		t.Errorf("got %+v", o)
	}
	if o := one(t.Context(), do, 2); o.Err == nil || o.Kind != probe.KindTimeout {
		t.Errorf("got %+v, want a timeout", o)
	}
	// One that is given up here is given up there.
	patient, err := c.Load(t.Context(), &schedule.Load{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if o := one(ctx, patient, 2); !errors.Is(o.Err, context.DeadlineExceeded) {
		t.Errorf("got %+v", o)
	}
	refused, err := c.Load(t.Context(), &schedule.Load{URL: "http://" + closed(t)})
	if err != nil {
		t.Fatal(err)
	}
	if o := one(t.Context(), refused, 0); o.Kind != probe.KindRefused {
		t.Errorf("got %+v, want refused", o)
	}
}

// closed is an address where nothing listens.
func closed(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestGetReadDial(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stats" {
			http.Error(w, "no such page", 404)
			return
		}
		_, _ = io.WriteString(w, "a: 1\n")
	})
	c, _ := connect(t)
	if p, err := c.Get(t.Context(), s.URL+"/stats"); err != nil || string(p.Body) != "a: 1\n" || p.Took <= 0 || time.Since(p.At) < 0 {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := c.Get(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "no such page") {
		t.Errorf("got %v", err)
	}
	name := filepath.Join(t.TempDir(), "log")
	if b, err := c.Read(t.Context(), name, 0); err != nil || len(b) != 0 {
		t.Errorf("a file that is not there: got %q, %v", b, err)
	}
	text := bytes.Repeat([]byte("0123456789"), mostAtOnce/10+100)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := c.Read(t.Context(), name, 5); err != nil || !bytes.Equal(b, text[5:]) {
		t.Errorf("got %d bytes, %v; want %d", len(b), err, len(text)-5)
	}
	if err := c.Dial(t.Context(), s.Listener.Addr().String()); err != nil {
		t.Error(err)
	}
	plain := s.Listener.Addr().String()
	if shown, err := c.ShowsTLS(t.Context(), plain, schedule.TLSPlaintext); err != nil || !shown {
		t.Errorf("a port without TLS: got %v, %v", shown, err)
	}
	if shown, err := c.ShowsTLS(t.Context(), plain, schedule.TLSExpired); err != nil || shown {
		t.Errorf("a port without TLS, expired: got %v, %v", shown, err)
	}
	var e *Error
	if err := c.Dial(t.Context(), closed(t)); !errors.As(err, &e) || e.Kind != probe.KindRefused || !errors.Is(err, syscall.ECONNREFUSED) || e.Timeout() {
		t.Errorf("got %v, want refused", err)
	}
}

func TestClock(t *testing.T) {
	c, _ := connect(t)
	ahead, trip, err := c.Clock(t.Context())
	if err != nil || trip <= 0 || ahead.Abs() > trip {
		t.Errorf("got %v, %v, %v: it is the same clock", ahead, trip, err)
	}
}

func TestServeNames(t *testing.T) {
	c, _ := connect(t)
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.LocalAddr().String()
	free.Close()
	east := netip.MustParseAddr("198.18.0.1")
	answer := func(name string) dnsserver.Answer {
		if name == "east.example" {
			return dnsserver.Answer{Addresses: []netip.Addr{east}, TTL: 5 * time.Second}
		}
		return dnsserver.Answer{Code: dnsserver.NXDomain}
	}
	if err := c.ServeNames(t.Context(), listen, "", answer); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"east.example.": "east.example.\t5\tIN\tA\t198.18.0.1", "west.example.": "NXDOMAIN"} {
		q := new(dns.Msg)
		q.SetQuestion(name, dns.TypeA)
		m, err := dns.Exchange(q, listen)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.String(), want) {
			t.Errorf("%s: got %s", name, m)
		}
	}
	if err := c.ServeNames(t.Context(), listen, "", answer); err == nil {
		t.Error("a second server was started")
	}
}

// Whoever waits hears that the stream has ended.
func TestStreamEnds(t *testing.T) {
	begun := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	c, hangUp := connect(t)
	got := make(chan error, 1)
	go func() {
		_, err := c.Get(context.Background(), s.URL)
		got <- err
	}()
	<-begun
	hangUp()
	if err := <-got; err == nil {
		t.Error("it had an answer")
	}
	<-c.Done()
	if _, _, err := c.Clock(t.Context()); !errors.Is(err, errEnded) || !errors.Is(c.Err(), errEnded) {
		t.Errorf("got %v, %v", err, c.Err())
	}
}

// The control API of an upstream is asked through the agent beside it.
func TestRoundTrip(t *testing.T) {
	c, hangUp := connect(t)
	s, err := mockupstreams.Start(mockupstreams.Config{Name: "east", Listen: []string{"127.0.0.1:0"}, Control: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	control := mockupstreams.Client{URL: "http://" + s.ControlAddr(), HTTP: &http.Client{Transport: c}}
	if err := control.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := control.Apply(t.Context(), mockupstreams.Fault{Name: "flaky", Status: 503}); err != nil {
		t.Fatal(err)
	}
	if fs, err := control.Faults(t.Context()); err != nil || len(fs) != 1 || fs[0].Name != "flaky" {
		t.Errorf("got %v, %v", fs, err)
	}
	if err := control.Heal(t.Context(), "flaky"); err != nil {
		t.Error(err)
	}
	if err := control.Heal(t.Context(), "flaky"); err == nil || !strings.Contains(err.Error(), "flaky") {
		t.Errorf("healed twice: got %v, want the API's own words", err)
	}
	hangUp()
	<-c.Done()
	if _, err := control.Faults(t.Context()); !errors.Is(err, errEnded) {
		t.Errorf("got %v", err)
	}
}
