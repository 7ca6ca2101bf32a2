// Package tls tells how a TLS handshake ends, given what the proxy wants and what
// the upstream shows, the way Envoy's transport socket decides it.
//
//	o := tls.Handshake(cluster.TLS, "mydb.com", &tls.Server{Names: []string{"db.us-east-1.example.com"}})
//	o.Connects() // false: the certificate is not for mydb.com
//	o.Reason()   // "TLS: the certificate has no name that equals the request's Host"
//
// It is a pure function of names. It leaves out keys and signatures, protocol
// versions, revocation, session tickets, and servers that choose their certificate by SNI.
package tls

import (
	"net/netip"
	"strings"

	"github.com/faildrill/faildrill/harness/xds"
)

// Server is what a port of an upstream does with a client that says hello. The
// zero value shows a valid certificate without a name.
type Server struct {
	Plain             bool     // it speaks no TLS
	Names             []string // of its certificate: DNS names, IPs, URIs
	Expired           bool     // its certificate
	UnknownIssuer     bool     // nobody trusts who issued its certificate
	ClientCertificate bool     // clients must show one
}

// Outcome is how a connection begins.
type Outcome uint8

// The outcomes.
const (
	Connected         Outcome = iota
	NotTLS                    // the server does not answer with TLS
	UnknownIssuer             // the chain leads to no CA that the proxy trusts
	Expired                   // the certificate
	HostNotInNames            // auto_san_validation fails
	NoExpectedName            // match_subject_alt_names fails
	CertificateWanted         // the handshake succeeds; the server then closes the connection
	PlainText                 // the proxy begins no TLS, and the server expects it: it answers 400
)

// Connects reports whether the proxy holds the connection for established.
func (o Outcome) Connects() bool { return o == Connected || o == CertificateWanted || o == PlainText }

var reasons = [...]string{
	Connected:         "",
	NotTLS:            "TLS: the server does not speak it",
	UnknownIssuer:     "TLS: the certificate is of a CA that the proxy does not trust",
	Expired:           "TLS: the certificate has expired",
	HostNotInNames:    "TLS: the certificate has no name that equals the request's Host",
	NoExpectedName:    "TLS: the certificate has none of the names that are expected",
	CertificateWanted: "TLS: the server wants a client certificate",
	PlainText:         "TLS: the proxy begins none, and the server expects it",
}

// Reason says in words what is wrong; "" if nothing is.
func (o Outcome) Reason() string { return reasons[o] }

// Handshake is how a connection begins. Context is nil for plain text; host is
// the Host of the request that the connection is for, without a port.
//
// Rule: RuleTLSVerify, source/common/tls/cert_validator/default_validator.cc:
// doVerifyCertChain, verifyCertificate: the chain first, then the names; without a CA neither.
// Rule: RuleTLSClientCertificate: in TLS 1.3 the client is done before the server
// has seen that no certificate comes.
func Handshake(context *xds.TLS, host string, s *Server) Outcome {
	switch {
	case context == nil && s.Plain:
		return Connected
	case context == nil:
		return PlainText
	case s.Plain:
		return NotTLS
	}
	if o := verify(context, host, s); o != Connected {
		return o
	}
	if s.ClientCertificate && context.Certificate == "" {
		return CertificateWanted
	}
	return Connected
}

// verify is what the client thinks of the server's certificate.
func verify(context *xds.TLS, host string, s *Server) Outcome {
	switch {
	case context.CA == "":
		return Connected
	case s.UnknownIssuer:
		return UnknownIssuer
	case s.Expired:
		return Expired
	case context.AutoSANValidation && !hasName(s.Names, host):
		return HostNotInNames
	case len(context.SANs) == 0:
		return Connected
	}
	for _, name := range context.SANs {
		if hasName(s.Names, name) {
			return Connected
		}
	}
	return NoExpectedName
}

// hasName reports whether one of the certificate's names is the wanted one. A
// wildcard counts in the certificate only, for one label.
//
// Rule: RuleTLSNameMatch, source/common/tls/utility.cc: dnsNameMatch;
// source/common/tls/cert_validator/san_matcher.cc.
func hasName(names []string, want string) bool {
	for _, name := range names {
		if strings.Contains(name, "://") || isIP(name) {
			if name == want {
				return true
			}
			continue
		}
		if strings.EqualFold(name, want) {
			return true
		}
		if suffix, ok := strings.CutPrefix(name, "*."); ok {
			if label, rest, _ := strings.Cut(want, "."); label != "" && strings.EqualFold(suffix, rest) {
				return true
			}
		}
	}
	return false
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
