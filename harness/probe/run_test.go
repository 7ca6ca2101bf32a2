package probe

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a clock for bubbles: the kernel's sleep knows no fake time.
func fake() Clock { return Clock{Pacer: Timers()} }

// answering gives a Do that takes as long as it is told for each request.
func answering(took func(n int) time.Duration) Do {
	return Blocking(func(ctx context.Context, n int) Outcome {
		select {
		case <-time.After(took(n)):
			return Outcome{Status: 200}
		case <-ctx.Done():
			return Outcome{Err: ctx.Err(), Kind: KindOf(ctx.Err())}
		}
	})
}

// nothing answers at once.
func nothing(_ context.Context, _ int, done func(Outcome)) { done(Outcome{}) }

// byNumber collects results in the order in which they were due.
func byNumber(results []Result) func(Result) {
	return func(r Result) { results[r.N] = r }
}

// A slow answer delays no later request.
func TestLoadIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Load{Every: 100 * time.Millisecond, Count: 20, Start: time.Second}
		results := make([]Result, 20)
		do := answering(func(n int) time.Duration {
			if n == 3 {
				return 10 * time.Second
			}
			return 5 * time.Millisecond
		})
		s, err := Run(t.Context(), fake(), load, do, byNumber(results))
		if err != nil {
			t.Fatal(err)
		}
		for n, r := range results {
			due, took := time.Second+time.Duration(n)*100*time.Millisecond, 5*time.Millisecond
			if n == 3 {
				took = 10 * time.Second
			}
			if r.Due != due || r.Sent != due || r.Latency() != took || r.Status != 200 {
				t.Errorf("request %d: got due %v, sent %v, latency %v, want %v, the same, %v", n, r.Due, r.Sent, r.Latency(), due, took)
			}
		}
		if s.Planned != 20 || s.Count != 20 || s.Errors != 0 || s.Rate != 10 || s.Lateness.Max != 0 || s.Pacer != "timer" {
			t.Errorf("got %+v", s)
		}
		if p50, top := s.Latency.P50.Round(10*time.Microsecond), s.Latency.Max; p50 != 5*time.Millisecond || top < 10*time.Second || top > 10010*time.Millisecond {
			t.Errorf("latency: got p50 %v and max %v, want 5ms and 10s", p50, top)
		}
	})
}

// When all of Concurrency is in flight, what is due waits, late but not lost,
// and its latency counts from when it was due.
func TestConcurrencyDelaysAndDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Load{Every: time.Second, Count: 6, Concurrency: 2}
		results := make([]Result, 6)
		do := answering(func(int) time.Duration { return 3 * time.Second })
		s, err := Run(t.Context(), fake(), load, do, byNumber(results))
		if err != nil {
			t.Fatal(err)
		}
		// Sent in pairs: 0 and 1 s, then each time that one of the two ends.
		for n, sent := range []int{0, 1, 3, 4, 6, 7} {
			r := results[n]
			if r.Sent != time.Duration(sent)*time.Second || r.Latency() != time.Duration(sent+3-n)*time.Second || r.Lateness() != time.Duration(sent-n)*time.Second {
				t.Errorf("request %d: got sent %v, latency %v, lateness %v, want sent at %d s", n, r.Sent, r.Latency(), r.Lateness(), sent)
			}
		}
		if s.Count != 6 || s.Lateness.Max < 2*time.Second {
			t.Errorf("got %+v", s)
		}
	})
}

func TestOriginInThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := fake()
		clock.Origin = time.Now()
		time.Sleep(2500 * time.Millisecond)
		var sent []time.Duration
		load := Load{Every: time.Second, Count: 5, Concurrency: 1}
		_, err := Run(t.Context(), clock, load, answering(func(int) time.Duration { return 0 }), func(r Result) { sent = append(sent, r.Sent) })
		if got, want := fmt.Sprint(sent), "[2.5s 2.5s 2.5s 3s 4s]"; err != nil || got != want {
			t.Errorf("sent at %s (%v), want %s", got, err, want)
		}
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		load := Load{Every: time.Second, Count: 2, Timeout: 1500 * time.Millisecond}
		results := make([]Result, 2)
		s, err := Run(t.Context(), fake(), load, answering(func(int) time.Duration { return time.Hour }), byNumber(results))
		if err != nil || s.Errors != 2 || results[1].Kind != KindTimeout || results[1].Done != 2500*time.Millisecond {
			t.Errorf("got %+v, %+v, %v", s, results, err)
		}
	})
}

// Interrupted while it waits, and while it has no room for what is due.
func TestInterrupt(t *testing.T) {
	for _, concurrency := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			load := Load{Every: time.Second, Duration: time.Hour, Concurrency: concurrency}
			var kinds []Kind
			s, err := Run(ctx, fake(), load, answering(func(int) time.Duration { return time.Hour }), func(r Result) { kinds = append(kinds, r.Kind) })
			want := min(concurrency, 3)
			if !errors.Is(err, context.DeadlineExceeded) || s.Planned != 3600 || s.Count != want || len(kinds) != want || s.Errors != want {
				t.Errorf("got %+v, %v, %v, want %d requests", s, kinds, err, want)
			}
		})
	}
}

// The sink is called by one goroutine at a time: -race tells.
func TestSinkIsSerial(t *testing.T) {
	count := 0
	load := Load{Rate: 20000, Count: 500}
	s, err := Run(t.Context(), Clock{}, load, nothing, func(Result) { count++ })
	if err != nil || count != 500 || s.Count != 500 {
		t.Errorf("got %d results, %d counted, %v", count, s.Count, err)
	}
}

func TestNobodyListens(t *testing.T) {
	s, err := Run(t.Context(), Clock{}, Load{Every: 1, Count: 1}, nothing, nil)
	if err != nil || s.Count != 1 || s.Rate != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}
