package probe

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLoadMistakes(t *testing.T) {
	for _, test := range []struct {
		load Load
		want string
	}{
		{Load{Count: 1}, "found every 0s and rate 0, expected exactly one of them"},
		{Load{Count: 1, Every: 1, Rate: 1}, "expected exactly one of them"},
		{Load{Count: 1, Every: -1}, "every: found -1ns"},
		{Load{Count: 1, Rate: -1}, "rate: found -1"},
		{Load{Count: 1, Rate: math.NaN()}, "rate: found NaN"},
		{Load{Count: 1, Rate: 2e6}, "expected up to 1000000 a second"},
		{Load{Every: 1}, "found neither count nor duration"},
		{Load{Every: 1, Count: -1}, "count: found -1"},
		{Load{Every: 1, Duration: -1}, "duration: found -1ns"},
		{Load{Every: 1, Count: 1, Start: -1}, "start: found -1ns"},
		{Load{Every: 1, Count: 1, Concurrency: -1}, "concurrency: found -1"},
		{Load{Every: 1, Count: 1, Timeout: -1}, "timeout: found -1ns"},
		{Load{Every: time.Hour, Count: math.MaxInt}, "expected an end within 100 years"},
		{Load{Rate: 1e-9, Count: math.MaxInt}, "expected an end within 100 years"},
	} {
		if err := test.load.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %s", test.load, err, test.want)
		}
		if _, err := Run(t.Context(), Clock{}, test.load, nil, nil); err == nil {
			t.Errorf("%+v: Run took it", test.load)
		}
	}
}

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		load Load
		n    int
		last time.Duration
	}{
		{Load{Every: 2 * time.Second, Duration: time.Minute}, 30, 58 * time.Second},
		{Load{Every: 2 * time.Second, Duration: time.Minute + 1}, 31, 60 * time.Second},
		{Load{Every: 2 * time.Second, Count: 5}, 5, 8 * time.Second},
		{Load{Every: 2 * time.Second, Count: 5, Start: time.Second}, 5, 9 * time.Second},
		{Load{Every: 2 * time.Second, Count: 5, Duration: 3 * time.Second, Start: time.Hour}, 2, time.Hour + 2*time.Second},
		{Load{Rate: 50, Duration: time.Second}, 50, 980 * time.Millisecond},
		{Load{Rate: 3, Duration: time.Second}, 3, 666666667},
		{Load{Rate: 3, Duration: time.Hour}, 10800, time.Hour - 333333333},
		{Load{Rate: 0.1, Duration: time.Minute}, 6, 50 * time.Second},
		{Load{Every: time.Hour, Duration: 1}, 1, 0},
	} {
		if err := test.load.Validate(); err != nil {
			t.Error(err)
		}
		if n := test.load.Len(); n != test.n || test.load.Due(n-1) != test.last {
			t.Errorf("%+v: got %d requests, the last at %v, want %d and %v", test.load, n, test.load.Due(n-1), test.n, test.last)
		}
	}
}

func TestLoadProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Load{
			Start:    time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "start")),
			Count:    rapid.IntRange(0, 2000).Draw(t, "count"),
			Duration: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "duration")),
		}
		if rapid.Bool().Draw(t, "by rate") {
			l.Rate = rapid.Float64Range(1e-3, 1e3).Draw(t, "rate")
		} else {
			l.Every = time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Minute)).Draw(t, "every"))
		}
		if l.Count == 0 && l.Duration == 0 {
			l.Count = 1
		}
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		// The twin walks along the schedule until either end.
		n := 0
		for (l.Count == 0 || n < l.Count) && (l.Duration == 0 || l.Due(n)-l.Start < l.Duration) {
			exact := float64(n) * float64(l.Every)
			if l.Rate > 0 {
				exact = float64(n) * 1e9 / l.Rate
			}
			if off := math.Abs(float64(l.Due(n)-l.Start) - exact); off > 1 {
				t.Fatalf("request %d is due %v ns beside the exact offset", n, off)
			}
			if n > 0 && l.Due(n) <= l.Due(n-1) {
				t.Fatalf("request %d is due at %v, not after %v", n, l.Due(n), l.Due(n-1))
			}
			n++
		}
		if l.Len() != n {
			t.Fatalf("%+v: got %d requests, want %d", l, l.Len(), n)
		}
	})
}
