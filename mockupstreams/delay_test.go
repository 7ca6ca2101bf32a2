package mockupstreams

import (
	"context"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelaysAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := unstarted(t, 0)
		apply(t, s, `{"name": "far", "delay": "200ms"}`)
		apply(t, s, `{"name": "broken", "status": 503}`)
		apply(t, s, `{"name": "farther", "delay": "1s"}`)
		began := time.Now()
		rec, _ := playOne(s, httptest.NewRequest("GET", "/", nil))
		if took := time.Since(began); took != 1200*time.Millisecond || rec.Code != 503 {
			t.Errorf("got %d after %v, want 503 after 1.2s", rec.Code, took)
		}
		attempts, _ := s.Attempts()
		if a := attempts[0]; a.Fault != "far,broken,farther" || a.DurationMs != 1200 {
			t.Errorf("attempt: got %+v", a)
		}
	})
}

func TestDelayJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := unstarted(t, 7)
		apply(t, s, `{"name": "far", "delay": "200ms", "jitter": "50ms", "percentage": 50}`)
		twin := NewDraw(7, "far")
		for i := range 50 {
			var want time.Duration
			if twin()*100 < 50 {
				want = 200*time.Millisecond + time.Duration((2*twin()-1)*float64(50*time.Millisecond))
			}
			began := time.Now()
			playOne(s, httptest.NewRequest("GET", "/", nil))
			if took := time.Since(began); took != want {
				t.Fatalf("request %d: took %v, want %v", i, took, want)
			}
		}
	})
}

func TestDelayEndsWhenTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := unstarted(t, 0)
		apply(t, s, `{"name": "far", "delay": "1h"}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, aborted := playOne(s, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		attempts, _ := s.Attempts()
		if a := attempts[0]; !aborted || a.Status != 0 || a.DurationMs != 1000 || a.Fault != "far" {
			t.Errorf("aborted %v, attempt %+v", aborted, a)
		}
	})
}
