package certificates

import (
	"net"
	"testing"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

// A fake upstream shows each fault when it has it, and at no other time.
func TestShows(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := c.Upstream(&schedule.TLS{Ports: []uint32{443}, Names: []string{"db.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := shown.TLS()
	if err != nil {
		t.Fatal(err)
	}
	s, err := mockupstreams.Start(mockupstreams.Config{Name: "east", ListenTLS: []string{"127.0.0.1:0"}, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, fault := range []string{schedule.TLSExpired, schedule.TLSWrongName, schedule.TLSUnknownIssuer, schedule.TLSClientCertificate, schedule.TLSPlaintext} {
		shows := func() bool {
			nc, err := net.Dial("tcp", s.Addrs()[0])
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			return Shows(fault, nc)
		}
		if shows() {
			t.Errorf("%s shows where it is not", fault)
		}
		if err := s.Apply(mockupstreams.Fault{Name: "f", TLS: fault}); err != nil {
			t.Fatal(err)
		}
		if !shows() {
			t.Errorf("%s does not show", fault)
		}
		if err := s.Heal("f"); err != nil {
			t.Fatal(err)
		}
	}
}
