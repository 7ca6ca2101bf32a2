package mockupstreams

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// Values of Fault.TLS.
const (
	TLSExpired           = "expired"
	TLSWrongName         = "wrongName"
	TLSUnknownIssuer     = "unknownIssuer"
	TLSClientCertificate = "clientCertificateRequired"
	TLSPlaintext         = "plaintext"
)

var tlsFaults = []string{TLSExpired, TLSWrongName, TLSUnknownIssuer, TLSClientCertificate, TLSPlaintext}

// TLS is what the ports of Config.ListenTLS show. They speak HTTP/1.1 and
// negotiate no protocol by ALPN, so that every offer will do.
type TLS struct {
	// Certificate is the one that is shown when nothing is broken.
	Certificate tls.Certificate
	// Faulty are the certificates of the faults expired, wrongName and
	// unknownIssuer; without one the fault is ErrUnsupported.
	Faulty map[string]tls.Certificate
	// RequireClientCertificate closes connections of clients that show none. In
	// TLS 1.3 they hear of it after their handshake.
	RequireClientCertificate bool
	// ClientCAs are whom client certificates have to come from; nil: anybody.
	ClientCAs *x509.CertPool
}

var tlsFault = Behaviour{
	Name:  "tls",
	Value: "one of " + strings.Join(tlsFaults, ", "),
	Doc: "restarts the TLS ports with another certificate, without TLS (plaintext), or turning clients without a certificate away; " +
		"idle connections are closed, the others when their request has ended",
	Example: `{"name": "forgotten", "tls": "expired"}`,
	Keys:    []string{"port", "for"},

	set: func(f Fault) bool { return f.TLS != "" },
	check: func(f Fault) error {
		if !slices.Contains(tlsFaults, f.TLS) {
			return fmt.Errorf("tls: found %q, expected one of %s", f.TLS, strings.Join(tlsFaults, ", "))
		}
		return nil
	},
}

// TLSCounts are what the TLS ports saw.
type TLSCounts struct {
	Handshakes   int            `json:"handshakes"`   // that succeeded, as far as the upstream can tell
	Failed       int            `json:"failed"`       // that did not, plain text included
	ByServerName map[string]int `json:"byServerName"` // hellos, by the server name that they ask for; "" for none
	ByClient     map[string]int `json:"byClient"`     // handshakes, by the first URI or else the name in the client's certificate; "" for none
}

// namesKept bounds what clients can make an upstream remember.
const namesKept = 1000

func count(names map[string]int, name string) {
	if _, known := names[name]; known || len(names) < namesKept {
		names[name]++
	}
}

// checkTLS says whether this upstream can show what the fault asks for.
func (s *Server) checkTLS(f Fault) error {
	if f.TLS == "" {
		return nil
	}
	if !slices.ContainsFunc(s.ports, func(p *port) bool { return p.tls != nil && (f.Port == 0 || f.Port == p.number) }) {
		return fmt.Errorf("fault %q: tls: %s has no TLS there: %w", f.Name, s.cfg.Name, ErrUnsupported)
	}
	_, have := s.cfg.TLS.Faulty[f.TLS]
	if f.TLS != TLSClientCertificate && f.TLS != TLSPlaintext && !have {
		return fmt.Errorf("fault %q: tls: %s has no certificate that is %s: %w", f.Name, s.cfg.Name, f.TLS, ErrUnsupported)
	}
	return nil
}

// tlsFaultsOf are the values of the TLS faults at work on the port.
func (s *Server) tlsFaultsOf(p *port) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	now := s.cfg.Now()
	for _, a := range s.applied {
		if a.TLS != "" && !a.over(now) && (a.Port == 0 || a.Port == p.number) {
			out = append(out, a.TLS)
		}
	}
	return out
}

// secure begins TLS on a connection that came in through the port; nil: it
// speaks none now.
func (s *Server) secure(p *port, nc net.Conn) *tls.Conn {
	faults := s.tlsFaultsOf(p)
	if slices.Contains(faults, TLSPlaintext) {
		return nil
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{s.cfg.TLS.Certificate}, ClientCAs: s.cfg.TLS.ClientCAs,
		SessionTicketsDisabled: true, // a resumed session would show no certificate
		ClientAuth:             tls.RequestClientCert,
	}
	for _, f := range faults {
		if cert, ok := s.cfg.TLS.Faulty[f]; ok {
			c.Certificates = []tls.Certificate{cert}
		}
	}
	switch required := s.cfg.TLS.RequireClientCertificate || slices.Contains(faults, TLSClientCertificate); {
	case required && c.ClientCAs != nil:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case required:
		c.ClientAuth = tls.RequireAnyClientCert
	}
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		count(s.record.TLS.ByServerName, hello.ServerName)
		return nil, nil
	}
	return tls.Server(nc, c)
}

// shaken notes how a handshake went.
func (s *Server) shaken(state tls.ConnectionState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.record.TLS.Failed++
		return
	}
	s.record.TLS.Handshakes++
	name := ""
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		name = leaf.Subject.CommonName
		if len(leaf.URIs) > 0 {
			name = leaf.URIs[0].String()
		}
	}
	count(s.record.TLS.ByClient, name)
}

// Read begins with the handshake on a TLS port, in the connection's own goroutine.
func (c *conn) Read(b []byte) (int, error) {
	if c.secured == nil {
		return c.Conn.Read(b)
	}
	c.shake.Do(func() {
		c.shakeErr = c.secured.Handshake()
		c.port.shaken(c.secured.ConnectionState(), c.shakeErr)
		var plain tls.RecordHeaderError
		if errors.As(c.shakeErr, &plain) {
			// The answer to a request without TLS, as most servers give it.
			_, _ = io.WriteString(c.raw, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
	})
	if c.shakeErr != nil {
		return 0, c.shakeErr
	}
	return c.Conn.Read(b)
}

// restart ends the connections of a port that goes on listening.
func (p *port) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, idle := range p.conns {
		c.retired.Store(true)
		switch {
		case idle && p.idleGrace > 0:
			p.closeLater(c, p.idleGrace)
		case idle:
			c.Close()
		}
	}
}
