package check

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/trace"
	"pgregory.net/rapid"
)

// slowInterval is the definition: the probabilities at which so few, and so many,
// have a chance of half the error rate, found by bisection.
func slowInterval(k, n int) (low, high float64) {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	chance := func(p float64, from, to int) float64 {
		sum := 0.0
		for i := from; i <= to; i++ {
			sum += math.Exp(lg(n) - lg(i) - lg(n-i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		}
		return sum
	}
	bisect := func(below func(float64) bool) float64 {
		l, h := 0.0, 1.0
		for range 100 {
			if m := (l + h) / 2; below(m) {
				l = m
			} else {
				h = m
			}
		}
		return l
	}
	low, high = 0, 1
	if k > 0 {
		low = bisect(func(p float64) bool { return chance(p, k, n) < ErrorRate/2 })
	}
	if k < n {
		high = bisect(func(p float64) bool { return chance(p, 0, k) > ErrorRate/2 })
	}
	return low, high
}

func TestIntervalIsClopperPearson(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		low, high := interval(k, n)
		wantLow, wantHigh := slowInterval(k, n)
		if math.Abs(low-wantLow) > 1e-6 || math.Abs(high-wantHigh) > 1e-6 {
			t.Fatalf("%d of %d: got %v..%v, want %v..%v", k, n, low, high, wantLow, wantHigh)
		}
	})
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{0, 0, 0, 1}, {0, 6000, 0, 0.002415}, {6000, 6000, 0.997585, 1}, {0, 5, 0, 0.945072}} {
		if low, high := interval(c.k, c.n); math.Abs(low-c.low) > 1e-6 || math.Abs(high-c.high) > 1e-6 {
			t.Errorf("%d of %d: got %v..%v, want %v..%v", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

// toss is a run of n requests that chance shares between two upstreams.
func toss(r *rand.Rand, n int, p float64) *trace.Trace {
	t := &trace.Trace{
		Run: trace.Run{Scale: 1, Duration: trace.Sec(n) * 1e9, Clients: []string{"a"}, Upstreams: []string{"east", "west"}},
		Hosts: []trace.Host{
			{Index: 0, Upstream: 0, Cluster: "c"},
			{Index: 1, Upstream: 1, Cluster: "c"},
		},
		Loads: []trace.Load{{Cluster: "c", Percent: []int32{100}, Panic: []bool{false}}},
	}
	for i := range n {
		h := int32(1)
		if r.Float64() < p {
			h = 0
		}
		at := trace.Sec(i) * 1e9
		t.Add(trace.Attempt{At: at, Done: at, Request: int32(i), N: 1, Host: h, Status: 200})
		t.Add(trace.Request{At: at, Sent: at, Done: at, N: int32(i), Host: h, Upstream: h, Status: 200})
	}
	return t
}

// An expectation that is exactly right fails one time in a million, however few
// requests there are: no failure in so many trials here.
func TestAShareThatIsRightDoesNotFail(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	trials := 3000
	if testing.Short() {
		trials = 300
	}
	seen := map[result.Verdict]int{}
	for _, p := range []float64{0.5, 0.8, 0.9, 0.99} {
		b := scenario.Bound{Min: 100 * p, Max: 100 * p, Percent: true}
		wide := scenario.Bound{Min: 100*p - 1, Max: 100, Percent: true}
		for i := range trials {
			n := []int{1, 4, 10, 60, 200, 1000}[i%6]
			if n > 100 && i%20 != 0 {
				n = 20
			}
			e := []scenario.Expectation{{Share: map[string]scenario.Bound{"east": b}}, {Share: map[string]scenario.Bound{"east": wide}}}
			for _, got := range Judge(e, toss(r, n, p), toss(r, n, p)) {
				seen[got.Verdict]++
				if got.Verdict == result.Fail {
					t.Fatalf("share %v of %d: %s (%s)", p, n, got.Observed, got.Evidence)
				}
			}
		}
	}
	t.Log(seen)
	if seen[result.Pass] == 0 || seen[result.Inconclusive] == 0 {
		t.Errorf("got %v; want some of both", seen)
	}
}

// And one that is wrong fails as soon as the requests can tell.
func TestAShareThatIsWrongFails(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	e := []scenario.Expectation{{Share: map[string]scenario.Bound{"east": {Min: 50, Max: 50, Percent: true}}}}
	for range 50 {
		if got := Judge(e, toss(r, 2000, 0.7), toss(r, 2000, 0.7))[0]; got.Verdict != result.Fail {
			t.Fatalf("got %s: %s (%s)", got.Verdict, got.Observed, got.Evidence)
		}
	}
}

// What the model gives as none or all is judged by a single request when luck
// had no part in it.
func TestOneRequestDecidesWhatIsCertain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	p := toss(r, 5, 1)
	p.Hosts[1].Priority = 1
	p.Loads[0] = trace.Load{Cluster: "c", Percent: []int32{100, 0}, Panic: []bool{false, false}}
	live := toss(r, 5, 0)
	e := []scenario.Expectation{{Share: map[string]scenario.Bound{"east": {Min: 80, Max: 100, Percent: true}}}}
	if got := Judge(e, live, p)[0]; got.Verdict != result.Fail {
		t.Errorf("east by priority: got %s: %s", got.Verdict, got.Observed)
	}
	p.Hosts[1].Priority = 0
	p.Loads[0] = trace.Load{Cluster: "c", Percent: []int32{100}, Panic: []bool{false}}
	live = toss(r, 2, 0)
	if got := Judge(e, live, p)[0]; got.Verdict != result.Inconclusive {
		t.Errorf("east by luck: got %s: %s (%s)", got.Verdict, got.Observed, got.Evidence)
	}
	// Ejected for long enough, the other one cannot be picked.
	p.Changes = []trace.Change{{At: -10e9, Host: 1, Event: trace.Ejected}}
	if got := Judge(e, live, p)[0]; got.Verdict != result.Fail {
		t.Errorf("west is out: got %s: %s (%s)", got.Verdict, got.Observed, got.Evidence)
	}
}
