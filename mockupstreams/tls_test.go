package mockupstreams

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/pki"
)

const sleepID = "spiffe://cluster.local/ns/default/sa/sleep"

// secured is an upstream with a plain port, a TLS port, and everything to break it.
func secured(t *testing.T, change ...func(*Config)) (*Server, *tls.Config) {
	t.Helper()
	ca, err := pki.NewCA("trusted", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.NewCA("other", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	make := func(from func(...string) (pki.Certificate, error), name string) tls.Certificate {
		c, err := from(name)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := c.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	s := startTest(t, append([]func(*Config){func(cfg *Config) {
		cfg.ListenTLS = []string{"127.0.0.1:0"}
		cfg.TLS = &TLS{Certificate: make(ca.Server, "a.example"), ClientCAs: ca.Pool(), Faulty: map[string]tls.Certificate{
			TLSExpired: make(ca.Expired, "a.example"), TLSWrongName: make(ca.Server, "b.example"), TLSUnknownIssuer: make(other.Server, "a.example"),
		}}
	}}, change...)...)
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "a.example", Certificates: []tls.Certificate{make(ca.Server, sleepID)}}
	return s, client
}

// getTLS asks once, on a connection of its own unless the client keeps one.
func getTLS(t *testing.T, s *Server, cfg *tls.Config) (int, error) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}, Timeout: patience}
	res, err := c.Get("https://" + s.Addrs()[1] + "/")
	if err != nil {
		return 0, err
	}
	res.Body.Close()
	return res.StatusCode, nil
}

func TestTLS(t *testing.T) {
	s, client := secured(t)
	if got, err := getTLS(t, s, client); err != nil || got != 200 {
		t.Fatalf("got %d, %v", got, err)
	}
	istio := client.Clone()
	istio.NextProtos, istio.Certificates, istio.ServerName = []string{"istio"}, nil, "a.example"
	conn, err := tls.Dial("tcp", s.Addrs()[1], istio)
	if err != nil {
		t.Fatalf("an offer of istio: %v", err)
	}
	defer conn.Close()
	if res, err := rawGet(t, conn, bufio.NewReader(conn), "/"); err != nil || res.StatusCode != 200 {
		t.Errorf("an offer of istio: got %v, %v", res, err)
	}
	if p := conn.ConnectionState(); p.NegotiatedProtocol != "" || p.Version != tls.VersionTLS13 {
		t.Errorf("negotiated %q, version %x", p.NegotiatedProtocol, p.Version)
	}
	wantStatus(t, newClient(t, "HTTP/1.1"), s, "/", 200) // the plain port
	got := s.Counts().TLS
	if got == nil || got.Handshakes != 2 || got.Failed != 0 || got.ByServerName["a.example"] != 2 || got.ByClient[sleepID] != 1 || got.ByClient[""] != 1 {
		t.Errorf("got %+v", got)
	}
	s.Reset()
	if got := s.Counts().TLS; got == nil || got.Handshakes != 0 {
		t.Errorf("after Reset: got %+v", got)
	}
	if got := startTest(t).Counts().TLS; got != nil {
		t.Errorf("an upstream without TLS: got %+v", got)
	}
}

func TestTLSFaults(t *testing.T) {
	for fault, want := range map[string]func(error) bool{
		TLSExpired: func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		},
		TLSWrongName:     func(err error) bool { var e x509.HostnameError; return errors.As(err, &e) },
		TLSUnknownIssuer: func(err error) bool { var e x509.UnknownAuthorityError; return errors.As(err, &e) },
		TLSPlaintext: func(err error) bool {
			return err != nil && strings.Contains(err.Error(), "server gave HTTP response")
		},
	} {
		s, client := secured(t)
		apply(t, s, `{"name": "f", "tls": "`+fault+`"}`)
		if _, err := getTLS(t, s, client); !want(err) {
			t.Errorf("%s: got %v", fault, err)
		}
		wantStatus(t, newClient(t, "HTTP/1.1"), s, "/", 200) // the plain port has no part in it
		if err := s.Heal("f"); err != nil {
			t.Fatal(err)
		}
		if got, err := getTLS(t, s, client); err != nil || got != 200 {
			t.Errorf("%s, healed: got %d, %v", fault, got, err)
		}
	}
}

// In TLS 1.3 a client without a certificate is done before it hears of it.
func TestTLSClientCertificate(t *testing.T) {
	without := func(c *tls.Config) *tls.Config { c = c.Clone(); c.Certificates = nil; return c }
	for _, c := range []struct {
		name   string
		change func(*Config)
		fault  string
	}{
		{"from the start", func(cfg *Config) { cfg.TLS.RequireClientCertificate = true }, ""},
		{"by a fault", func(*Config) {}, `{"name": "f", "tls": "clientCertificateRequired"}`},
		{"any certificate", func(cfg *Config) { cfg.TLS.RequireClientCertificate, cfg.TLS.ClientCAs = true, nil }, ""},
	} {
		s, client := secured(t, c.change)
		if c.fault != "" {
			if got, err := getTLS(t, s, without(client)); err != nil || got != 200 {
				t.Errorf("%s, before: got %d, %v", c.name, got, err)
			}
			apply(t, s, c.fault)
		}
		if got, err := getTLS(t, s, client); err != nil || got != 200 {
			t.Errorf("%s: got %d, %v", c.name, got, err)
		}
		conn, err := tls.Dial("tcp", s.Addrs()[1], without(client))
		if err != nil {
			t.Errorf("%s: the handshake fails: %v", c.name, err)
			continue
		}
		conn.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
			t.Errorf("%s: got %d bytes, %v, want an alert", c.name, n, err)
		}
		conn.Close()
		eventually(t, "the handshake that failed", func() bool { return s.Counts().TLS.Failed == 1 })
	}
}

func TestPlainTextToTLS(t *testing.T) {
	s, _ := secured(t)
	c, r := dial(t, s.Addrs()[1])
	res, err := rawGet(t, c, r, "/")
	if err != nil || res.StatusCode != 400 {
		t.Errorf("got %v, %v, want 400", res, err)
	}
	if got := s.Counts(); got.TLS.Failed != 1 || got.Requests != 0 {
		t.Errorf("got %+v", got)
	}
}

// A TLS fault is a restart: idle connections end at once, a busy one after its answer.
func TestTLSFaultEndsConnections(t *testing.T) {
	s, client := secured(t)
	idle, err := tls.Dial("tcp", s.Addrs()[1], client)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if _, err := rawGet(t, idle, bufio.NewReader(idle), "/"); err != nil {
		t.Fatal(err)
	}
	apply(t, s, `{"name": "slow", "delay": "200ms"}`)
	busy, err := tls.Dial("tcp", s.Addrs()[1], client)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	ended := make(chan *http.Response, 1)
	go func() {
		res, _ := rawGet(t, busy, bufio.NewReader(busy), "/")
		ended <- res
	}()
	eventually(t, "the request", func() bool { return s.Counts().Requests == 2 })
	apply(t, s, `{"name": "old", "tls": "expired", "for": "1h"}`)
	for _, c := range []net.Conn{idle} {
		c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 1)); n != 0 || isTimeout(err) {
			t.Errorf("reading: got %d bytes, %v, want the end", n, err)
		}
	}
	if res := <-ended; res == nil || res.StatusCode != 200 || !res.Close {
		t.Errorf("the running request: got %+v, want an answer that closes the connection", res)
	}
}

func TestTLSMistakes(t *testing.T) {
	if _, err := Start(Config{Name: "east", ListenTLS: []string{"127.0.0.1:0"}}); err == nil || !strings.Contains(err.Error(), "expected one in TLS") {
		t.Errorf("without a certificate: got %v", err)
	}
	if _, err := ParseFault([]byte(`{"name": "f", "tls": "expried"}`)); err == nil || !strings.Contains(err.Error(), `found "expried", expected one of expired, `) {
		t.Errorf("got %v", err)
	}
	if _, err := ParseFault([]byte(`{"name": "f", "tls": "expired", "percentage": 50}`)); err == nil || !strings.Contains(err.Error(), "works on connections") {
		t.Errorf("got %v", err)
	}
	s, _ := secured(t, func(cfg *Config) { delete(cfg.TLS.Faulty, TLSExpired) })
	for _, f := range []Fault{
		{Name: "f", TLS: TLSExpired},
		{Name: "f", TLS: TLSPlaintext, Match: Match{Port: s.ports[0].number}},
	} {
		if err := s.Apply(f); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: got %v, want ErrUnsupported", f, err)
		}
	}
	if err := startTest(t).Apply(Fault{Name: "f", TLS: TLSPlaintext}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("without TLS: got %v, want ErrUnsupported", err)
	}
	if err := s.Apply(Fault{Name: "f", TLS: TLSWrongName, Match: Match{Port: s.ports[1].number}}); err != nil {
		t.Error(err)
	}
}
