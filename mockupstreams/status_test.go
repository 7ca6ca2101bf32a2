package mockupstreams

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			wantStatus(t, client, s, "/", 200)
			apply(t, s, `{"name": "broken", "status": 503}`)
			code, body, err := get(client, s, "/")
			if err != nil || code != 503 || body != "fault broken: 503 Service Unavailable\n" {
				t.Errorf("got %d, %q, %v", code, body, err)
			}
			apply(t, s, `{"name": "second", "status": 500}`)
			wantStatus(t, client, s, "/", 503) // what was applied first decides
			if err := s.Heal("broken"); err != nil {
				t.Fatal(err)
			}
			wantStatus(t, client, s, "/", 500)
			if err := s.Heal("second"); err != nil {
				t.Fatal(err)
			}
			wantStatus(t, client, s, "/", 200)

			if got := s.Counts(); got.Requests != 5 || got.ByStatus[503] != 2 || got.ByFault["broken"] != 2 || got.ByFault["second"] != 1 {
				t.Errorf("counts: got %+v", got)
			}
			attempts, _ := s.Attempts()
			if len(attempts) != 5 || attempts[1].Fault != "broken" || attempts[1].Status != 503 || attempts[1].Proto != proto {
				t.Errorf("attempts: got %+v", attempts)
			}
		})
	}
}

// Answers without a body keep the connection usable.
func TestStatusWithoutBody(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto, func(t *testing.T) {
			s, client := startTest(t), newClient(t, proto)
			apply(t, s, `{"name": "empty", "status": 204, "first": 1}`)
			wantStatus(t, client, s, "/", 204)
			wantStatus(t, client, s, "/", 200)
			if got := s.Counts().Connections; got != 1 {
				t.Errorf("connections: got %d, want 1", got)
			}
		})
	}
}

// The same seed meets the same faults, whatever else is applied.
func TestStatusPercentageIsSeeded(t *testing.T) {
	played := func(seed uint64, others ...string) string {
		s := unstarted(t, seed)
		for _, other := range others {
			apply(t, s, other)
		}
		apply(t, s, `{"name": "flaky", "status": 503, "percentage": 50}`)
		var codes []string
		for range 100 {
			rec, _ := playOne(s, httptest.NewRequest("GET", "/", nil))
			codes = append(codes, fmt.Sprint(rec.Code))
		}
		return strings.Join(codes, " ")
	}
	one := played(1)
	if again := played(1, `{"name": "elsewhere", "status": 500, "percentage": 50, "path": "/other"}`); again != one {
		t.Errorf("same seed: got %s, want %s", again, one)
	}
	if other := played(2); other == one {
		t.Errorf("another seed: got the same codes")
	}
	if n := strings.Count(one, "503"); n < 25 || n > 75 { // 5 standard deviations
		t.Errorf("503s: got %d of 100, want about 50", n)
	}
}

func TestStatusUntilSuccesses(t *testing.T) {
	s := unstarted(t, 0)
	apply(t, s, `{"name": "warming", "status": 503, "path": "/orders", "untilSuccesses": 2}`)
	var codes []int
	for _, path := range []string{"/orders", "/healthz", "/orders", "/healthz", "/orders"} {
		rec, _ := playOne(s, httptest.NewRequest("GET", path, nil))
		codes = append(codes, rec.Code)
	}
	if got := fmt.Sprint(codes); got != "[503 200 503 200 200]" {
		t.Errorf("got %s", got)
	}
	if len(s.Faults()) != 0 {
		t.Errorf("faults: got %v, want none: it has healed itself", s.Faults())
	}
	if err := s.Heal("warming"); err != nil {
		t.Errorf("healing it once more: %v", err)
	}
}
