package tls

import (
	"testing"

	"github.com/faildrill/faildrill/harness/xds"
)

func TestHandshake(t *testing.T) {
	own := Server{Names: []string{"a.example", "10.0.0.1", "spiffe://cluster.local/ns/x/sa/y", "*.wild.example"}}
	with := func(change func(*Server)) Server { s := own; change(&s); return s }
	verified := xds.TLS{CA: "file-root:system"}
	sans := func(names ...string) *xds.TLS { c := verified; c.SANs = names; return &c }
	host := verified
	host.AutoSANValidation = true
	hostAndNames := host
	hostAndNames.SANs = []string{"a.example"}
	mutual := verified
	mutual.Certificate = "default"
	unverified := &xds.TLS{AutoSANValidation: true, SANs: []string{"other"}}
	expired, unknown := with(func(s *Server) { s.Expired = true }), with(func(s *Server) { s.UnknownIssuer = true })
	expiredUnknown := with(func(s *Server) { s.Expired, s.UnknownIssuer = true, true })
	wants, plain := with(func(s *Server) { s.ClientCertificate = true }), Server{Plain: true}
	for _, c := range []struct {
		name    string
		context *xds.TLS
		host    string
		server  Server
		want    Outcome
	}{
		{"plain text on both sides", nil, "x", plain, Connected},
		{"plain text to TLS", nil, "x", own, PlainText},
		{"TLS to plain text", &verified, "x", plain, NotTLS},
		{"no name is expected", &verified, "x", own, Connected},
		{"the Host", &host, "a.example", own, Connected},
		{"the Host in another case", &host, "A.Example", own, Connected},
		{"another Host", &host, "x.example", own, HostNotInNames},
		{"a Host below a wildcard", &host, "b.wild.example", own, Connected},
		{"two labels below a wildcard", &host, "c.b.wild.example", own, HostNotInNames},
		{"the wildcard's own domain", &host, "wild.example", own, HostNotInNames},
		{"an empty label", &host, ".wild.example", own, HostNotInNames},
		{"an address", &host, "10.0.0.1", own, Connected},
		{"a URI", sans("spiffe://cluster.local/ns/x/sa/y"), "x", own, Connected},
		{"a URI in another case", sans("spiffe://cluster.local/ns/X/sa/y"), "x", own, NoExpectedName},
		{"one of two names", sans("other", "a.example"), "x", own, Connected},
		{"a wildcard is no pattern of the client", sans("*.example"), "x", own, NoExpectedName},
		{"Host and names, Host wrong", &hostAndNames, "x", own, HostNotInNames},
		{"Host and names, both right", &hostAndNames, "a.example", own, Connected},
		{"expired", &verified, "x", expired, Expired},
		{"unknown issuer", &verified, "x", unknown, UnknownIssuer},
		{"the issuer is looked at first", &verified, "x", expiredUnknown, UnknownIssuer},
		{"the chain before the names", sans("other"), "x", expired, Expired},
		{"without a CA nothing counts", unverified, "x", expiredUnknown, Connected},
		{"a certificate is wanted", &verified, "x", wants, CertificateWanted},
		{"a certificate is wanted and shown", &mutual, "x", wants, Connected},
		{"the server is verified first", sans("other"), "x", wants, NoExpectedName},
	} {
		got := Handshake(c.context, c.host, &c.server)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got.Reason(), c.want.Reason())
		}
		if (got.Reason() == "") != (got == Connected) {
			t.Errorf("%s: reason %q", c.name, got.Reason())
		}
	}
	for _, o := range []Outcome{Connected, CertificateWanted, PlainText} {
		if !o.Connects() {
			t.Errorf("%q does not connect", o.Reason())
		}
	}
	for _, o := range []Outcome{NotTLS, UnknownIssuer, Expired, HostNotInNames, NoExpectedName} {
		if o.Connects() {
			t.Errorf("%q connects", o.Reason())
		}
	}
}
