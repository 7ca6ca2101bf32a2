package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scripted listens and hands each connection to the script, with its number
// from 1. It returns the URL.
func scripted(t *testing.T, script func(n int, c net.Conn, heads func() string)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	over := make(chan struct{})
	running.Go(func() {
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				go func() {
					<-over
					c.Close()
				}()
				r := bufio.NewReader(c)
				script(n, c, func() string { return head(r) })
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		close(over)
		running.Wait()
	})
	return "http://" + ln.Addr().String() + "/"
}

// head reads up to the empty line; "" at the end.
func head(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return ""
		}
		if line == "\r\n" {
			return b.String()
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// Every way in which an answer can come, and whether the next request finds the
// connection ready.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		status       int
		kind         Kind
		bytes        int64
		reused       bool
	}{
		{"with a length", ok, 200, KindNone, 2, true},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, KindNone, 0, true},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: z\r\n\r\n", 200, KindNone, 5, true},
		{"interim answers", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok, 200, KindNone, 2, true},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, KindNone, 0, true},
		{"a compressed body", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 200, KindNone, 3, true},
		{"the server closes", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, KindNone, 2, false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, KindNone, 2, false},
		{"HTTP/1.0 that keeps", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 200, KindNone, 2, true},
		{"more than an answer", ok + "HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n", 200, KindNone, 2, false},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 101, KindNone, 0, false},
		{"until the end", "HTTP/1.1 200 OK\r\n\r\nhello<end>", 200, KindNone, 5, false},
		{"a body that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello<end>", 200, KindEOF, 5, false},
		{"a chunk that breaks off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab<end>", 200, KindEOF, 2, false},
		{"headers that break off", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n<end>", 0, KindEOF, 0, false},
		{"nothing", "<end>", 0, KindEOF, 0, false},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 0, KindOther, 0, false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 0, KindOther, 0, false},
		{"a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, KindOther, 0, false},
		{"only interim answers", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 6), 0, KindOther, 0, false},
		{"endless headers", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead+1<<16), 0, KindOther, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var connections atomic.Int32
			address := scripted(t, func(_ int, c net.Conn, next func() string) {
				connections.Add(1)
				for next() != "" {
					text, end := strings.CutSuffix(test.answer, "<end>")
					_, _ = io.WriteString(c, text)
					if end {
						return
					}
				}
			})
			do := newDo(t, HTTPOptions{URL: address, KeepAlive: true, Timeout: patience})
			for n := range 2 {
				got := ask(t, do, n)
				if got.Status != test.status || got.Kind != test.kind || got.Bytes != test.bytes || (got.Err != nil) != (test.kind != KindNone) {
					t.Errorf("request %d: got %+v, want %d %q and %d bytes", n, got, test.status, test.kind, test.bytes)
				}
			}
			if n := connections.Load(); (n == 1) != test.reused || n > 2 {
				t.Errorf("two requests took %d connections, want reuse %v", n, test.reused)
			}
		})
	}
}

// A connection that the server closes while it is idle is not used again.
func TestIdleConnectionEnds(t *testing.T) {
	closed := make(chan struct{})
	address := scripted(t, func(n int, c net.Conn, next func() string) {
		for next() != "" {
			_, _ = io.WriteString(c, ok)
			if n == 1 {
				c.Close()
				close(closed)
			}
		}
	})
	c := newClient(t, HTTPOptions{URL: address, KeepAlive: true, Timeout: patience})
	if got := ask(t, c.do, 0); got.Err != nil {
		t.Fatal(got.Err)
	}
	<-closed
	for began := time.Now(); c.ready() > 0; time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatal("the connection is still taken for ready")
		}
	}
	if got := ask(t, c.do, 1); got.Err != nil || got.Status != 200 {
		t.Errorf("got %+v", got)
	}
}

func newClient(t *testing.T, o HTTPOptions) *client {
	t.Helper()
	c, err := newHTTP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.closeIdle)
	return c
}

func (c *client) ready() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

// The timeout is that of a request, not of the connection that it used.
func TestTimeoutEndsWithItsRequest(t *testing.T) {
	const timeout = 150 * time.Millisecond
	var connections atomic.Int32
	address := scripted(t, func(_ int, c net.Conn, next func() string) {
		connections.Add(1)
		for next() != "" {
			_, _ = io.WriteString(c, ok)
		}
	})
	do := newDo(t, HTTPOptions{URL: address, KeepAlive: true, Timeout: timeout})
	for n := range 3 {
		if got := ask(t, do, n); got.Err != nil {
			t.Errorf("request %d: %v", n, got.Err)
		}
		time.Sleep(timeout + timeout/2)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

// The context ends a request in each of its stages, on a new connection and on
// one that was used before.
func TestContextEndsRequest(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		status       int
	}{
		{"waiting", "", 0},
		{"in the headers", "HTTP/1.1 200 OK\r\nX", 0},
		{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", 200},
	} {
		for _, used := range []bool{false, true} {
			t.Run(test.name, func(t *testing.T) {
				asked := make(chan struct{})
				address := scripted(t, func(_ int, c net.Conn, next func() string) {
					if used && next() != "" {
						_, _ = io.WriteString(c, ok)
					}
					if next() != "" {
						_, _ = io.WriteString(c, test.answer)
						close(asked)
						next()
					}
				})
				c := newClient(t, HTTPOptions{URL: address, KeepAlive: true})
				if used {
					ask(t, c.do, 0)
				}
				ctx, cancel := context.WithCancel(t.Context())
				outcome := make(chan Outcome, 1)
				c.do(ctx, 1, func(o Outcome) { outcome <- o })
				<-asked
				if test.status != 0 {
					time.Sleep(20 * time.Millisecond) // until the headers are read
				}
				cancel()
				if got := <-outcome; !errors.Is(got.Err, context.Canceled) || got.Kind != KindCanceled || got.Status != test.status {
					t.Errorf("got %+v", got)
				}
				if n := c.ready(); n != 0 {
					t.Errorf("%d connections are taken for ready", n)
				}
			})
		}
	}
}

// A request that does not fit into the buffers of a connection holds up nobody:
// the server reads nothing before all are sent.
func TestLongRequest(t *testing.T) {
	sent := make(chan struct{})
	address := scripted(t, func(_ int, c net.Conn, _ func() string) {
		<-sent
		_, _ = io.WriteString(c, ok)
		_, _ = io.Copy(io.Discard, c)
	})
	do := newDo(t, HTTPOptions{URL: address, KeepAlive: true, Timeout: patience, Header: http.Header{"X-Long": {strings.Repeat("x", 16<<20)}}})
	outcome := make(chan Outcome, 2)
	for n := range 2 {
		do(t.Context(), n, func(o Outcome) { outcome <- o })
	}
	close(sent)
	for range 2 {
		if got := <-outcome; got.Err != nil || got.Status != 200 {
			t.Errorf("got %+v", got)
		}
	}
}

// Requests in flight at once have a connection each, and find it again.
func TestConnectionsAreShared(t *testing.T) {
	const atOnce = 20
	var connections, waiting atomic.Int32
	all := make(chan struct{})
	address := scripted(t, func(_ int, c net.Conn, next func() string) {
		connections.Add(1)
		for next() != "" {
			if waiting.Add(1) == atOnce {
				close(all)
			}
			<-all
			_, _ = io.WriteString(c, ok)
		}
	})
	load := Load{Rate: 1000, Count: 400, Concurrency: atOnce}
	do := newDo(t, HTTPOptions{URL: address, KeepAlive: true, Timeout: patience})
	s, err := Run(t.Context(), Clock{}, load, do, nil)
	if err != nil || s.Count != 400 || s.Errors != 0 || connections.Load() != atOnce {
		t.Errorf("got %+v over %d connections (%v), want %d", s, connections.Load(), err, atOnce)
	}
}

func TestHTTPNumbers(t *testing.T) {
	heads := make(chan string, 2)
	address := scripted(t, func(_ int, c net.Conn, next func() string) {
		for h := next(); h != ""; h = next() {
			heads <- h
			_, _ = io.WriteString(c, ok)
		}
	})
	host := strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/")
	for _, keep := range []bool{true, false} {
		do := newDo(t, HTTPOptions{Method: "POST", URL: address + "a b?c=d", NumberHeader: "X-Number", KeepAlive: keep, Timeout: patience})
		for n := range 2 {
			ask(t, do, n)
			want := "POST /a%20b?c=d HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: Go-http-client/1.1\r\n"
			if !keep {
				want += "Connection: close\r\n"
			}
			want += "Content-Length: 0\r\nX-Number: " + string(rune('0'+n)) + "\r\n\r\n"
			if got := <-heads; got != want {
				t.Errorf("got %q\nwant %q", got, want)
			}
		}
	}
}

func TestHTTPS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Upstream", r.Proto)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	if got := ask(t, newDo(t, HTTPOptions{URL: s.URL, Timeout: patience}), 0); got.Kind != KindOther || !errors.As(got.Err, new(*tls.CertificateVerificationError)) {
		t.Errorf("a stranger: got %+v", got)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := newClient(t, HTTPOptions{URL: s.URL, KeepAlive: true, Timeout: patience, TLS: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}})
	for n := range 3 {
		if got := ask(t, c.do, n); got.Status != 200 || got.Upstream != "HTTP/1.1" {
			t.Errorf("request %d: got %+v", n, got)
		}
	}
	if n := c.ready(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

// closeIdle closes what is ready at once, and what is in use after its answer.
func TestCloseIdle(t *testing.T) {
	ended, go1 := make(chan int, 2), make(chan struct{})
	address := scripted(t, func(n int, c net.Conn, next func() string) {
		for next() != "" {
			if n == 2 {
				<-go1
			}
			_, _ = io.WriteString(c, ok)
		}
		ended <- n
	})
	c := newClient(t, HTTPOptions{URL: address, KeepAlive: true, Timeout: patience})
	ask(t, c.do, 0)
	// Take the connection away, so that the next request opens another.
	c.mu.Lock()
	kept := c.idle
	c.idle = nil
	c.mu.Unlock()
	outcome := make(chan Outcome, 1)
	c.do(t.Context(), 1, func(o Outcome) { outcome <- o })
	c.mu.Lock()
	c.idle = kept
	c.mu.Unlock()
	c.closeIdle()
	if n := <-ended; n != 1 {
		t.Errorf("connection %d ended first", n)
	}
	close(go1)
	if got := <-outcome; got.Err != nil {
		t.Error(got.Err)
	}
	if n := <-ended; n != 2 {
		t.Errorf("connection %d ended last", n)
	}
}
