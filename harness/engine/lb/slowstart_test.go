package lb

import (
	"math"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

const second = int64(time.Second)

// The weight grows with the time since the host was first seen healthy, from a
// least part on, until the window has passed (8.7).
func TestSlowStart(t *testing.T) {
	line := xds.DefaultSlowStart(10 * time.Second)
	steep := xds.SlowStart{Window: 10 * time.Second, Aggression: 2, MinWeightPercent: 0}
	odd := xds.SlowStart{Window: 10 * time.Second, Aggression: -1}
	for _, c := range []struct {
		cfg  xds.SlowStart
		at   int64
		want float64
	}{
		{line, 0, 0.4}, {line, second, 0.4}, {line, 2 * second, 0.8}, {line, 9*second + 999_999, 3.6}, {line, 10*second - 1, 3.9996},
		{line, 10 * second, 4}, {line, 60 * second, 4},
		{steep, 0, 4 * math.Sqrt(0.0001)}, {steep, 5 * second / 2, 2}, {steep, 10*second - 1, 4 * math.Sqrt(0.9999)},
		{odd, 5 * second, 2},
	} {
		if got := SlowStart(4, &c.cfg, 3*second, 3*second+c.at); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v after %v: got %v, want %v", c.cfg, time.Duration(c.at), got, c.want)
		}
	}
}

// Hosts may be warming up as long as the one that was seen healthy last is in its
// window, the end included, in whole milliseconds.
func TestWarming(t *testing.T) {
	cfg := xds.DefaultSlowStart(time.Second)
	for at, want := range map[int64]bool{0: true, second: true, second + 999_999: true, second + 1_000_000: false} {
		if got := Warming(&cfg, 0, at); got != want {
			t.Errorf("after %v: got %v, want %v", time.Duration(at), got, want)
		}
	}
	if off := xds.DefaultSlowStart(0); Warming(nil, 0, 0) || Warming(&off, 0, 0) {
		t.Error("without a window, hosts warm up")
	}
}

// The share of a host that joins two others, second by second of a window of 5 s,
// measured on Envoy 1.36.2 and 1.40.0 with some 2500 requests a second.
func TestSlowStartRamp(t *testing.T) {
	bent := xds.SlowStart{Window: 5 * time.Second, Aggression: 2, MinWeightPercent: 20}
	for _, c := range []struct {
		cfg         xds.SlowStart
		least, most []float64
	}{
		{xds.DefaultSlowStart(5 * time.Second), []float64{5.9, 12.9, 20.0, 25.8, 30.8, 33.3}, []float64{6.0, 13.0, 20.2, 26.2, 31.0, 33.4}},
		{bent, []float64{13.6, 21.1, 26.1, 29.4, 32.1, 33.3}, []float64{14.3, 21.3, 26.1, 29.6, 32.2, 33.3}},
	} {
		weight := func(i int, now int64) float64 {
			if i < 2 {
				return 1
			}
			return SlowStart(1, &c.cfg, 0, now)
		}
		e := NewEDFAfter([]float64{1, 1, weight(2, 0)}, 12345)
		for s := range c.least {
			k := 0
			for n := range int64(2500) {
				i := e.Next()
				e.Again(weight(i, int64(s)*second+n*second/2500))
				if i == 2 {
					k++
				}
			}
			// Half a point for what is not the same: the requests of a second are not evenly spread.
			if got := float64(k) / 25; got < c.least[s]-0.5 || got > c.most[s]+0.5 {
				t.Errorf("%+v, second %d: got %.1f %%, measured %v to %v", c.cfg, s, got, c.least[s], c.most[s])
			}
		}
	}
}
