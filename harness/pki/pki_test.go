package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ca, err := NewCA("trusted", now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCA("other", now)
	if err != nil {
		t.Fatal(err)
	}
	const id = "spiffe://cluster.local/ns/default/sa/sleep"
	names := []string{"a.example", "*.b.example", "10.0.0.1", id}
	for _, c := range []struct {
		name  string
		make  func(...string) (Certificate, error)
		host  string
		valid bool
	}{
		{"valid", ca.Server, "a.example", true},
		{"below the wildcard", ca.Server, "x.b.example", true},
		{"an IP", ca.Server, "10.0.0.1", true},
		{"another name", ca.Server, "c.example", false},
		{"expired", ca.Expired, "a.example", false},
		{"another issuer", other.Server, "a.example", false},
	} {
		cert, err := c.make(names...)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := cert.TLS()
		if err != nil {
			t.Fatal(err)
		}
		_, err = pair.Leaf.Verify(x509.VerifyOptions{
			DNSName: c.host, Roots: ca.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if (err == nil) != c.valid {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	client, err := ca.Client(id)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := client.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if uris := pair.Leaf.URIs; len(uris) != 1 || uris[0].String() != id {
		t.Errorf("got %v", uris)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	// Expired is expired, and nothing else is wrong with it.
	old, _ := ca.Expired("a.example")
	pair, _ = old.TLS()
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "a.example", Roots: ca.Pool(), CurrentTime: now.Add(-2 * time.Hour)}); err != nil {
		t.Error(err)
	}
	if _, err := ca.Server("spiffe://%zz"); err == nil {
		t.Error("a URI that is none makes a certificate")
	}
	if _, err := (Certificate{}).TLS(); err == nil {
		t.Error("nothing is a certificate")
	}
}

// A CA as istiod makes itself one: an RSA key in PKCS #1.
func TestReadCA(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"cluster.local"}}, NotBefore: now.Add(-lifetime), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, private := encode("CERTIFICATE", der), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	ca, err := ReadCA(certificate, private, now)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Server("a.example")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := server.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "a.example", Roots: ca.Pool(), CurrentTime: now}); err != nil {
		t.Error(err)
	}
	if string(ca.PEM()) != string(certificate) {
		t.Errorf("got %s, want %s", ca.PEM(), certificate)
	}
	if _, err := ReadCA(server.Chain, server.Key, now); err == nil {
		t.Error("a server's certificate is taken for a CA's")
	}
	if _, err := ReadCA(certificate, server.Key, now); err == nil {
		t.Error("another key is taken for the CA's")
	}
}
