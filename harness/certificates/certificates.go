// Package certificates are those of one play: of its fake upstreams, good and
// faulty ones, and of its clients.
//
//	c, err := certificates.New()
//	shown, err := c.Upstream(upstream.TLS)     // for a fake upstream of this process: shown.TLS()
//	own, err := c.Client("spiffe://cluster.local/ns/default/sa/sleep")
//	c.PEM()                                    // the CA that stands for every CA that the proxies trust
//	certificates.Shows(fault, conn)            // what a connection's other end shows
package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/faildrill/faildrill/harness/pki"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

// Set are a CA that stands for every CA that proxies are told to trust, and one that
// nobody trusts.
type Set struct {
	trusted, foreign *pki.CA
}

// stranger is the name of the other one.
const stranger = "somebody else"

// New makes the CAs of a play.
func New() (*Set, error) {
	trusted, err := pki.NewCA("faildrill", time.Now())
	if err != nil {
		return nil, err
	}
	return With(trusted)
}

// With has a CA that proxies trust already.
func With(trusted *pki.CA) (*Set, error) {
	foreign, err := pki.NewCA(stranger, time.Now())
	return &Set{trusted, foreign}, err
}

// PEM is the trusted CA's own certificate.
func (s *Set) PEM() []byte { return s.trusted.PEM() }

// Client is a client's certificate; id is a URI such as spiffe://cluster.local/ns/default/sa/sleep.
func (s *Set) Client(id string) (pki.Certificate, error) { return s.trusted.Client(id) }

// Shown is what an upstream shows, and what it can be told to show instead.
type Shown struct {
	Certificate pki.Certificate
	Faulty      map[string]pki.Certificate // by the fault of package mockupstreams
	// ClientCA, in PEM, is whom client certificates have to come from. Clients must show one if they are Required.
	ClientCA []byte
	Required bool
}

// Upstream is what an upstream shows.
func (s *Set) Upstream(t *schedule.TLS) (Shown, error) {
	out := Shown{Faulty: map[string]pki.Certificate{}, ClientCA: s.trusted.PEM(), Required: t.ClientCertificate}
	var errs [4]error
	out.Certificate, errs[0] = s.trusted.Server(t.Names...)
	out.Faulty[mockupstreams.TLSExpired], errs[1] = s.trusted.Expired(t.Names...)
	out.Faulty[mockupstreams.TLSWrongName], errs[2] = s.trusted.Server(wrongName)
	out.Faulty[mockupstreams.TLSUnknownIssuer], errs[3] = s.foreign.Server(t.Names...)
	return out, errors.Join(errs[:]...)
}

// wrongName is nobody's (RFC 6761).
const wrongName = "another-name.invalid"

// TLS is what a fake upstream wants to know.
func (s Shown) TLS() (*mockupstreams.TLS, error) {
	own, err := s.Certificate.TLS()
	if err != nil {
		return nil, err
	}
	out := &mockupstreams.TLS{Certificate: own, Faulty: map[string]tls.Certificate{}, RequireClientCertificate: s.Required, ClientCAs: x509.NewCertPool()}
	out.ClientCAs.AppendCertsFromPEM(s.ClientCA)
	for fault, c := range s.Faulty {
		if out.Faulty[fault], err = c.TLS(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Shows begins TLS and says whether the upstream does what a fault of TLS says.
func Shows(fault string, nc net.Conn) bool {
	_ = nc.SetDeadline(time.Now().Add(time.Second))
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // it is looked at, whatever it shows
	err := c.Handshake()
	if fault == schedule.TLSPlaintext {
		var plain tls.RecordHeaderError
		return errors.As(err, &plain)
	}
	if err != nil {
		return false
	}
	leaf := c.ConnectionState().PeerCertificates[0]
	switch fault {
	case schedule.TLSExpired:
		return time.Now().After(leaf.NotAfter)
	case schedule.TLSWrongName:
		return leaf.VerifyHostname(wrongName) == nil
	case schedule.TLSUnknownIssuer:
		return leaf.Issuer.CommonName == stranger
	case schedule.TLSClientCertificate:
		// Who shows none hears of it after the handshake.
		_, err := c.Read(make([]byte, 1))
		var alert *net.OpError
		return errors.As(err, &alert) && alert.Op == "remote error"
	}
	return false
}
