package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faildrill/faildrill/mockupstreams"
)

// patience bounds what must not happen.
const patience = 20 * time.Second

func upstream(t *testing.T, faults ...string) *mockupstreams.Server {
	t.Helper()
	s, err := mockupstreams.Start(mockupstreams.Config{Name: "west", Listen: []string{"127.0.0.1:0"}, Body: "0123456789"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, text := range faults {
		f, err := mockupstreams.ParseFault([]byte(text))
		if err == nil {
			err = s.Apply(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newDo(t *testing.T, o HTTPOptions) Do {
	t.Helper()
	do, closeIdle, err := HTTP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeIdle)
	return do
}

// ask makes one request and waits for its outcome.
func ask(t *testing.T, do Do, n int) Outcome {
	t.Helper()
	outcome := make(chan Outcome, 1)
	do(t.Context(), n, func(o Outcome) { outcome <- o })
	return <-outcome
}

// Every fault that an upstream can fake, as the probe sees it.
func TestHTTPOutcomes(t *testing.T) {
	for _, test := range []struct {
		fault  string
		status int
		kind   Kind
		bytes  int64
	}{
		{``, 200, KindNone, 10},
		{`{"name": "f", "status": 503}`, 503, KindNone, 33},
		{`{"name": "f", "status": 302}`, 302, KindNone, 19},
		{`{"name": "f", "delay": "1ms"}`, 200, KindNone, 10},
		{`{"name": "f", "slowBody": "1ms"}`, 200, KindNone, 10},
		{`{"name": "f", "refuse": true}`, 0, KindRefused, 0},
		{`{"name": "f", "reset": true}`, 0, KindReset, 0},
		{`{"name": "f", "hang": "headers"}`, 0, KindTimeout, 0},
		{`{"name": "f", "hang": "body"}`, 200, KindTimeout, 5},
	} {
		t.Run(test.fault, func(t *testing.T) {
			var faults []string
			timeout := patience
			if test.fault != "" {
				faults = append(faults, test.fault)
			}
			if test.kind == KindTimeout {
				timeout = 200 * time.Millisecond
			}
			s := upstream(t, faults...)
			got := ask(t, newDo(t, HTTPOptions{URL: "http://" + s.Addrs()[0], Timeout: timeout}), 0)
			if got.Status != test.status || got.Kind != test.kind || got.Bytes != test.bytes || (got.Err != nil) != (test.kind != KindNone) {
				t.Errorf("got %+v, want %d %q and %d bytes", got, test.status, test.kind, test.bytes)
			}
			if wantHeader := test.status != 0; wantHeader != (got.Upstream == "west") || wantHeader != (got.Header.Get("x-upstream") == "west") {
				t.Errorf("got upstream %q and header %v", got.Upstream, got.Header)
			}
		})
	}
}

// A GET on a connection that the upstream closes fails; it is not sent again.
func TestHTTPSendsOnce(t *testing.T) {
	for _, test := range []struct {
		fault string
		kind  Kind
	}{
		{`{"name": "f", "closeAfter": 1}`, KindEOF},
		{`{"name": "f", "reset": true, "every": 2}`, KindReset},
	} {
		s := upstream(t, test.fault)
		do := newDo(t, HTTPOptions{URL: "http://" + s.Addrs()[0], KeepAlive: true, Timeout: patience})
		var got []Kind
		for n := range 4 {
			got = append(got, ask(t, do, n).Kind)
		}
		if want := fmt.Sprint([]Kind{KindNone, test.kind, KindNone, test.kind}); fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, want %s", test.fault, got, want)
		}
		if n := s.Counts().Requests; n != 4 {
			t.Errorf("%s: the upstream saw %d requests, want 4", test.fault, n)
		}
	}
}

func TestHTTPKeepAlive(t *testing.T) {
	for _, keep := range []bool{true, false} {
		s := upstream(t)
		do := newDo(t, HTTPOptions{URL: "http://" + s.Addrs()[0], KeepAlive: keep, Timeout: patience})
		for n := range 3 {
			if got := ask(t, do, n); got.Err != nil {
				t.Fatal(got.Err)
			}
		}
		if got := s.Counts().Connections; (got == 1) != keep || (got == 3) == keep {
			t.Errorf("keep-alive %v: got %d connections", keep, got)
		}
	}
}

// What leaves the machine is a plain GET with the headers that were asked for.
func TestHTTPOnTheWire(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	head := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			head <- err.Error()
			return
		}
		defer c.Close()
		var lines strings.Builder
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			lines.WriteString(line)
			if err != nil || line == "\r\n" {
				break
			}
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		head <- lines.String()
	}()
	do := newDo(t, HTTPOptions{
		URL: "http://mydb.invalid/orders?id=1", Host: "mydb.com:80", Header: http.Header{"X-Canary": {"yes"}}, KeepAlive: true, Timeout: patience,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, ln.Addr().String())
		},
	})
	if got := ask(t, do, 0); got.Err != nil || got.Status != 200 {
		t.Fatalf("got %+v", got)
	}
	want := "GET /orders?id=1 HTTP/1.1\r\nHost: mydb.com:80\r\nUser-Agent: Go-http-client/1.1\r\nX-Canary: yes\r\n\r\n"
	if got := <-head; got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestHTTPMistakes(t *testing.T) {
	for _, address := range []string{"", "mydb.com", "ftp://mydb.com", "http://", "http://a b/", ":"} {
		if _, _, err := HTTP(HTTPOptions{URL: address}); err == nil || !strings.Contains(err.Error(), "url") {
			t.Errorf("%q: got %v, want an error about the url", address, err)
		}
	}
}

func TestHTTPCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan bool)
	newDo(t, HTTPOptions{URL: "http://127.0.0.1:1"})(ctx, 0, func(got Outcome) {
		defer close(ended)
		if got.Kind != KindCanceled {
			t.Errorf("got %+v", got)
		}
	})
	<-ended
}

func TestKindOf(t *testing.T) {
	for _, test := range []struct {
		err  error
		want Kind
	}{
		{nil, KindNone},
		{context.Canceled, KindCanceled},
		{context.DeadlineExceeded, KindTimeout},
		{&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}, KindTimeout},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsTimeout: true}}, KindDNS},
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), KindRefused},
		{syscall.EHOSTUNREACH, KindUnreachable},
		{syscall.ENETUNREACH, KindUnreachable},
		{syscall.EPIPE, KindReset},
		{io.ErrUnexpectedEOF, KindEOF},
		{errors.New("http: server closed idle connection"), KindEOF},
		{errors.New("malformed HTTP response"), KindOther},
	} {
		if got := KindOf(test.err); got != test.want {
			t.Errorf("%v: got %q, want %q", test.err, got, test.want)
		}
	}
}
