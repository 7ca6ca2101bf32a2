package mockupstreams

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestReset(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			apply(t, s, `{"name": "crash", "reset": true, "path": "/boom"}`)
			wantStatus(t, client, s, "/", 200)
			// A POST, because Go's client would send a GET again.
			_, err := client.Post("http://"+s.Addrs()[0]+"/boom", "text/plain", strings.NewReader("order"))
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %v, want ECONNRESET", err)
			}
			wantStatus(t, client, s, "/", 200)
			eventually(t, "three attempts", func() bool { a, _ := s.Attempts(); return len(a) == 3 })
			if got := s.Counts(); got.ByStatus[0] != 1 || got.ByFault["crash"] != 1 || got.Connections != 2 {
				t.Errorf("counts: got %+v", got)
			}
		})
	}
}
