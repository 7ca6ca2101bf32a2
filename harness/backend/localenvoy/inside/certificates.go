package inside

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/faildrill/faildrill/harness/pki"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/sds"
	"github.com/faildrill/faildrill/harness/xds"
	"github.com/faildrill/faildrill/mockupstreams"
)

// certificates are those of one play: a CA that stands for every CA that its
// proxies are told to trust, and one that nobody trusts.
type certificates struct {
	trusted, foreign *pki.CA
}

func newCertificates() (*certificates, error) {
	now := time.Now()
	trusted, err := pki.NewCA("faildrill", now)
	foreign, err2 := pki.NewCA("somebody else", now)
	return &certificates{trusted, foreign}, errors.Join(err, err2)
}

// upstream is what an upstream shows, and what it can be told to show instead.
func (c *certificates) upstream(t *schedule.TLS) (*mockupstreams.TLS, error) {
	out := &mockupstreams.TLS{
		Faulty: map[string]tls.Certificate{}, RequireClientCertificate: t.ClientCertificate, ClientCAs: c.trusted.Pool(),
	}
	for _, m := range []struct {
		fault string
		make  func() (pki.Certificate, error)
	}{
		{"", func() (pki.Certificate, error) { return c.trusted.Server(t.Names...) }},
		{mockupstreams.TLSExpired, func() (pki.Certificate, error) { return c.trusted.Expired(t.Names...) }},
		{mockupstreams.TLSWrongName, func() (pki.Certificate, error) { return c.trusted.Server(wrongName) }},
		{mockupstreams.TLSUnknownIssuer, func() (pki.Certificate, error) { return c.foreign.Server(t.Names...) }},
	} {
		made, err := m.make()
		if err != nil {
			return nil, err
		}
		cert, err := made.TLS()
		if err != nil {
			return nil, err
		}
		if m.fault == "" {
			out.Certificate = cert
		} else {
			out.Faulty[m.fault] = cert
		}
	}
	return out, nil
}

// wrongName is nobody's (RFC 6761).
const wrongName = "another-name.invalid"

// serve hands out what a client's proxy asks for by SDS: every CA is the trusted
// one, and every certificate of its own is the client's identity in the mesh.
func (c *certificates) serve(p *player, x *proxy) error {
	client := &p.s.Clients[x.Client]
	namespace := client.Namespace
	if namespace == "" {
		namespace = "default"
	}
	own, err := c.trusted.Client(fmt.Sprintf("spiffe://cluster.local/ns/%s/sa/%s", namespace, client.Name))
	if err != nil {
		return err
	}
	secrets := sds.Secrets{
		xds.MeshRoot: sds.CA(c.trusted.PEM()), xds.MeshCertificate: sds.Certificate(own.Chain, own.Key),
	}
	for _, cs := range p.s.Configs {
		for i := range cs[x.Client].Clusters {
			t := cs[x.Client].Clusters[i].TLS
			if t == nil {
				continue
			}
			if t.CA != "" {
				secrets[t.CA] = sds.CA(c.trusted.PEM())
			}
			if t.Certificate != "" {
				secrets[t.Certificate] = sds.Certificate(own.Chain, own.Key)
			}
		}
	}
	ln, err := net.Listen("unix", x.sdsPath())
	if err != nil {
		return fmt.Errorf("handing out certificates: %w", err)
	}
	x.sds = sds.Serve(ln, secrets)
	return nil
}

func (x *proxy) sdsPath() string { return x.path("sds.sock") }

// shows begins TLS and says whether the upstream does what a fault of TLS says.
func shows(fault string, nc net.Conn) bool {
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
		return leaf.Issuer.CommonName != "faildrill"
	case schedule.TLSClientCertificate:
		// Who shows none hears of it after the handshake.
		_, err := c.Read(make([]byte, 1))
		var alert *net.OpError
		return errors.As(err, &alert) && alert.Op == "remote error"
	}
	return false
}
