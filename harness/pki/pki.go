// Package pki makes the certificates of one run: a CA that every proxy trusts,
// another that none does, and what upstreams and clients show.
//
//	ca, err := pki.NewCA("faildrill", time.Now())
//	server, err := ca.Server("db.us-east-1.example.com", "spiffe://cluster.local/ns/default/sa/db")
//	client, err := ca.Client("spiffe://cluster.local/ns/default/sa/sleep")
//	old, err := ca.Expired("db.us-east-1.example.com")
//
// Keys are ECDSA P-256 and stay in memory. It leaves out intermediate CAs and revocation.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// Times of a certificate, from the time of the CA: longer than any run, and
// begun long enough ago for clocks that differ.
const (
	lifetime = 48 * time.Hour
	backdate = time.Hour
)

// A CA signs certificates. Its methods are safe for concurrent use.
type CA struct {
	root *x509.Certificate
	key  crypto.Signer
	pem  []byte
	now  time.Time
}

// Certificate is a certificate with its key, as PEM.
type Certificate struct {
	Chain []byte // the certificate alone: the CA signs it directly
	Key   []byte // PKCS #8
}

// NewCA makes a CA whose certificates are valid at that time.
func NewCA(name string, now time.Time) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the CA %s: %w", name, err)
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name, Organization: []string{"faildrill"}},
		NotBefore: now.Add(-2 * lifetime), NotAfter: now.Add(2 * lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the CA %s: %w", name, err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the CA %s: %w", name, err)
	}
	return &CA{root: root, key: key, pem: encode("CERTIFICATE", der), now: now}, nil
}

// ReadCA is a CA that exists, from PEM: its certificate, and its key in PKCS #1, PKCS #8
// or SEC 1. Its certificates are valid at that time.
func ReadCA(certificate, key []byte, now time.Time) (*CA, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("reading a CA: %w", err)
	}
	root, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("reading a CA: %w", err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !root.IsCA {
		return nil, errors.New("reading a CA: its certificate is not that of a CA")
	}
	return &CA{root: root, key: signer, pem: encode("CERTIFICATE", pair.Certificate[0]), now: now}, nil
}

// PEM is the CA's own certificate.
func (ca *CA) PEM() []byte { return ca.pem }

// Pool has the CA alone.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.root)
	return p
}

// Server is a certificate with these names: DNS names, IPs, URIs.
func (ca *CA) Server(names ...string) (Certificate, error) {
	return ca.sign(names, ca.now.Add(lifetime))
}

// Expired is a server's certificate whose time is over.
func (ca *CA) Expired(names ...string) (Certificate, error) {
	return ca.sign(names, ca.now.Add(-backdate))
}

// Client is a workload's certificate; id is a URI such as spiffe://cluster.local/ns/default/sa/sleep.
func (ca *CA) Client(id string) (Certificate, error) { return ca.Server(id) }

func (ca *CA) sign(names []string, until time.Time) (Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{Organization: []string{"faildrill"}},
		NotBefore: until.Add(-lifetime - backdate), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if err := addName(t, n); err != nil {
			return Certificate{}, err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("making a certificate for %v: %w", names, err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.root, key.Public(), ca.key)
	if err != nil {
		return Certificate{}, fmt.Errorf("making a certificate for %v: %w", names, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("making a certificate for %v: %w", names, err)
	}
	return Certificate{Chain: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", pkcs8)}, nil
}

func addName(t *x509.Certificate, name string) error {
	if ip := net.ParseIP(name); ip != nil {
		t.IPAddresses = append(t.IPAddresses, ip)
		return nil
	}
	if !strings.Contains(name, "://") {
		t.DNSNames = append(t.DNSNames, name)
		return nil
	}
	u, err := url.Parse(name)
	if err != nil {
		return fmt.Errorf("the name %q of a certificate: %w", name, err)
	}
	t.URIs = append(t.URIs, u)
	return nil
}

// TLS is the certificate as crypto/tls wants it.
func (c Certificate) TLS() (tls.Certificate, error) {
	out, err := tls.X509KeyPair(c.Chain, c.Key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading a certificate: %w", err)
	}
	return out, nil
}

// serial is a random number: certificates of one issuer must not share it.
func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return new(big.Int).SetBytes(b[:])
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
