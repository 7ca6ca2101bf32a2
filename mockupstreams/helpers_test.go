package mockupstreams

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for a state; reaching it is a failure.
const patience = 20 * time.Second

// startTest runs an upstream called east on one loopback port.
func startTest(t *testing.T, change ...func(*Config)) *Server {
	t.Helper()
	cfg := Config{Name: "east", Listen: []string{"127.0.0.1:0"}}
	for _, c := range change {
		c(&cfg)
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func apply(t *testing.T, s *Server, text string) {
	t.Helper()
	f, err := ParseFault([]byte(text))
	if err == nil {
		err = s.Apply(f)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// protocols are the two ways in which clients talk to an upstream.
var protocols = []string{"HTTP/1.1", "HTTP/2.0"}

// newClient talks one protocol and does not try a request again.
func newClient(t *testing.T, proto string) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
	tr.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// get returns the status, 0 with an error, and what could be read of the body.
func get(client *http.Client, s *Server, path string) (int, string, error) {
	res, err := client.Get("http://" + s.Addrs()[0] + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func wantStatus(t *testing.T, client *http.Client, s *Server, path string, want int) {
	t.Helper()
	if got, _, err := get(client, s, path); err != nil || got != want {
		t.Fatalf("GET %s: got %d, %v, want %d", path, got, err, want)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
	}
}

// playOne sends one request through an upstream without sockets; aborted says
// that the connection would have been cut.
func playOne(s *Server, r *http.Request) (rec *httptest.ResponseRecorder, aborted bool) {
	rec = httptest.NewRecorder()
	return rec, playInto(s, rec, r)
}

func playInto(s *Server, w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			aborted = true
		}
	}()
	s.serve(w, r)
	return false
}

// unstarted is an upstream without sockets.
func unstarted(t *testing.T, seed uint64) *Server {
	t.Helper()
	s, err := newServer(Config{Name: "east", Listen: []string{"127.0.0.1:0"}, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// rawGet sends a request on a connection of the test's own.
func rawGet(t *testing.T, c net.Conn, r *bufio.Reader, path string) (*http.Response, error) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: mydb.com\r\n\r\n"); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(strings.NewReader(string(body)))
	return res, err
}

func dial(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
