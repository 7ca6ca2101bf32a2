package mockupstreams

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// A dripRecorder notes when how much of a body had come.
type dripRecorder struct {
	*httptest.ResponseRecorder
	at    []time.Duration
	began time.Time
}

func (r *dripRecorder) WriteString(part string) (int, error) {
	r.at = append(r.at, time.Since(r.began))
	return r.ResponseRecorder.WriteString(part)
}

func TestSlowBody(t *testing.T) {
	for _, test := range []struct {
		body   string
		pieces int
	}{
		{"x", 1},
		{"0123456789", 10},
		{string(make([]byte, 1007)), 20},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := unstarted(t, 0)
			s.cfg.Body = test.body
			apply(t, s, `{"name": "drip", "slowBody": "10s"}`)
			rec := &dripRecorder{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
			aborted := playInto(s, rec, httptest.NewRequest("GET", "/", nil))
			if aborted || rec.Body.String() != test.body || rec.Code != http.StatusOK {
				t.Errorf("got %d, %q, aborted %v", rec.Code, rec.Body, aborted)
			}
			if len(rec.at) != test.pieces+1 || rec.at[0] != 0 || rec.at[test.pieces] != 10*time.Second {
				t.Errorf("parts at %v, want the headers at 0s and %d parts until 10s", rec.at, test.pieces)
			}
		})
	}
}

func TestSlowBodyOverTheWire(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			apply(t, s, `{"name": "drip", "slowBody": "50ms"}`)
			code, body, err := get(client, s, "/")
			if err != nil || code != 200 || body != "healthy: east\n" {
				t.Errorf("got %d, %q, %v", code, body, err)
			}
		})
	}
}
