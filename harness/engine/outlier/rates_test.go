package outlier

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/xds"
)

// window is what one host answered in an interval.
type window struct{ good, bad int }

// slowOutliers says who is an outlier by exact arithmetic and without a root: a
// rate is below average minus f deviations when it is below the average, and the
// square of the difference is above f*f variances. ok is false where a rounding
// decides.
func slowOutliers(cfg *xds.OutlierDetection, ws []window) (bySuccess, byFailure []int, ok bool) {
	rat := func(a, b int) *big.Rat { return big.NewRat(int64(a), int64(b)) }
	rates := map[int]*big.Rat{}
	sum := new(big.Rat)
	for h, w := range ws {
		if n := w.good + w.bad; n > 0 && n >= int(cfg.SuccessRateRequestVolume) {
			rates[h] = rat(100*w.good, n)
			sum.Add(sum, rates[h])
		}
	}
	ok = true
	if n := len(rates); n > 0 && n >= int(cfg.SuccessRateMinimumHosts) && len(ws) >= int(min(cfg.SuccessRateMinimumHosts, cfg.FailurePercentageMinimumHosts)) {
		mean := new(big.Rat).Quo(sum, rat(n, 1))
		variance := new(big.Rat)
		for _, r := range rates {
			off := new(big.Rat).Sub(r, mean)
			variance.Add(variance, off.Mul(off, off))
		}
		variance.Quo(variance, rat(n, 1))
		f := rat(int(cfg.SuccessRateStdevFactor), 1000)
		far := new(big.Rat).Mul(f, f)
		far.Mul(far, variance)
		for h := range ws {
			if rates[h] == nil {
				continue
			}
			below := new(big.Rat).Sub(mean, rates[h])
			square := new(big.Rat).Mul(below, below)
			gap, _ := new(big.Rat).Sub(square, far).Float64()
			ok = ok && (gap > 1e-9 || gap < -1e-9)
			if below.Sign() > 0 && gap > 0 {
				bySuccess = append(bySuccess, h)
			}
		}
	}
	counted := 0
	for _, w := range ws {
		if n := w.good + w.bad; n > 0 && n >= int(cfg.FailurePercentageRequestVolume) {
			counted++
		}
	}
	for h, w := range ws {
		n := w.good + w.bad
		if n == 0 || n < int(cfg.FailurePercentageRequestVolume) || counted < int(cfg.FailurePercentageMinimumHosts) {
			continue
		}
		failed := rat(100*w.bad, n)
		gap, _ := new(big.Rat).Sub(failed, rat(int(cfg.FailurePercentageThreshold), 1)).Float64()
		ok = ok && (gap == 0 && 100*w.good%n == 0 || gap > 1e-9 || gap < -1e-9)
		if gap >= 0 {
			byFailure = append(byFailure, h)
		}
	}
	return bySuccess, byFailure, ok
}

// The detectors find whom exact arithmetic finds, in either window, and eject
// them as far as the cap goes, whoever comes first.
func TestRatesTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := xds.DefaultOutlierDetection()
		cfg.Consecutive5xx, cfg.ConsecutiveGatewayFailure, cfg.ConsecutiveLocalOriginFailure = 0, 0, 0
		cfg.SuccessRateMinimumHosts = rapid.Uint32Range(0, 6).Draw(t, "success rate hosts")
		cfg.SuccessRateRequestVolume = rapid.Uint32Range(0, 12).Draw(t, "success rate volume")
		cfg.SuccessRateStdevFactor = rapid.SampledFrom([]uint32{0, 500, 1000, 1900, 2500}).Draw(t, "stdev factor")
		cfg.FailurePercentageMinimumHosts = rapid.Uint32Range(0, 6).Draw(t, "failure hosts")
		cfg.FailurePercentageRequestVolume = rapid.Uint32Range(0, 12).Draw(t, "failure volume")
		cfg.FailurePercentageThreshold = rapid.Uint32Range(0, 100).Draw(t, "failure threshold")
		cfg.MaxEjectionPercent = rapid.SampledFrom([]uint32{0, 20, 50, 100}).Draw(t, "max percent")
		local := rapid.Bool().Draw(t, "local origin")
		cfg.SplitExternalLocalOriginErrors = local
		n := rapid.IntRange(1, 8).Draw(t, "hosts")
		d := New(cfg, xds.Rules{}, n, 0)
		ws := make([]window, n)
		for h := range ws {
			ws[h] = window{rapid.IntRange(0, 9).Draw(t, "good"), rapid.IntRange(0, 9).Draw(t, "bad")}
			good, bad := RequestSuccess, RequestFailed
			if local {
				good, bad = ConnectSuccess, ConnectFailed
			}
			for range ws[h].good {
				d.Report(int32(h), good, 0)
			}
			for range ws[h].bad {
				d.Report(int32(h), bad, 0)
			}
		}
		bySuccess, byFailure, ok := slowOutliers(&cfg, ws)
		if !ok {
			t.Skip("a rounding decides")
		}
		chance := &dice{first: rapid.Permutation([]int32{0, 1, 2, 3, 4, 5, 6, 7}).Draw(t, "order")}
		verdicts := map[Type]map[int]Verdict{}
		d.OnInterval(chance, func(e Event) {
			if verdicts[e.Type] == nil {
				verdicts[e.Type] = map[int]Verdict{}
			}
			verdicts[e.Type][int(e.Host)] = e.Verdict
		})
		sr, fp := SuccessRate, FailurePercentage
		if local {
			sr, fp = LocalOriginSuccessRate, LocalOriginFailurePercentage
		}
		out := compareVerdicts(t, "success rate", verdicts[sr], bySuccess, room(&cfg, n, 0), chance.first)
		if d.Active() != out {
			t.Fatalf("%d out, want %d", d.Active(), out)
		}
		if len(verdicts[fp]) != len(byFailure) {
			t.Fatalf("failure percentage found %v, want %v", verdicts[fp], byFailure)
		}
		for _, h := range byFailure { // not enforced; with the cap full, refused
			if got, full := verdicts[fp][h], room(&cfg, n, out) == 0; got != map[bool]Verdict{false: Unenforced, true: Overflow}[full] {
				t.Fatalf("failure percentage of h%d: %s, cap full %v", h, verdictName(got), full)
			}
		}
		for by := range verdicts {
			if by != sr && by != fp {
				t.Fatalf("%s found somebody: %v", by, verdicts[by])
			}
		}
		// The windows are closed: nothing is left to be found.
		d.OnInterval(chance, func(e Event) {
			if e.Verdict != Returned {
				t.Fatalf("found again at the next tick: %+v", e)
			}
		})
	})
}

// compareVerdicts returns how many are out.
func compareVerdicts(t *rapid.T, what string, got map[int]Verdict, want []int, room int, order []int32) int {
	if len(got) != len(want) {
		t.Fatalf("%s found %v, want %v", what, got, want)
	}
	first := slices.Clone(want)
	slices.SortFunc(first, func(a, b int) int { return slices.Index(order, int32(a)) - slices.Index(order, int32(b)) })
	for i, h := range first {
		if v := map[bool]Verdict{true: Ejected, false: Overflow}[i < room]; got[h] != v {
			t.Fatalf("%s: h%d, number %d to go with room for %d: %s, want %s", what, h, i+1, room, verdictName(got[h]), verdictName(v))
		}
	}
	return min(len(first), room)
}

func verdictName(v Verdict) string { return verdicts[v] }

// room is how many hosts the cap lets go.
func room(cfg *xds.OutlierDetection, n, out int) int {
	k := 0
	for (out+k+1)*100 <= int(cfg.MaxEjectionPercent)*n && out+k < n {
		k++
	}
	return k
}

// Which of several outliers goes first is asked only where it makes a difference:
// about the first of them, and about the rest while only some can go; and all
// who could go are named.
func TestOutlierOrder(t *testing.T) {
	for _, c := range []struct {
		percent, enforcing uint32
		want               string
	}{
		{100, 100, "[[0 1 2]]"},
		{10, 100, "[]"},              // of ten hosts one, but see below: it is out already
		{20, 100, "[[0 1 2]]"},       // one more
		{30, 100, "[[0 1 2] [1 0]]"}, // two more: h2 goes first, and then there is a choice
		{100, 0, "[]"},               // nobody goes
		{30, 50, "[[0 1 2] [1 0]]"},  // a draw each
		{40, 100, "[[0 1 2]]"},       // all three
	} {
		cfg := xds.DefaultOutlierDetection()
		cfg.Consecutive5xx, cfg.SuccessRateRequestVolume, cfg.MaxEjectionPercent, cfg.EnforcingSuccessRate = 0, 1, c.percent, c.enforcing
		cfg.SuccessRateStdevFactor, cfg.FailurePercentageMinimumHosts = 500, 100
		d := New(cfg, xds.Rules{}, 10, 0)
		d.Detected(0, 9, Consecutive5xx, &dice{})
		for h := range int32(9) {
			d.Report(h, map[bool]Result{true: RequestFailed, false: RequestSuccess}[h < 3], 0)
		}
		chance := &dice{first: []int32{2, 1}}
		d.OnInterval(chance, quiet)
		if got := fmt.Sprint(chance.asked); got != c.want {
			t.Errorf("%d %%, enforcing %d: asked about %s, want %s", c.percent, c.enforcing, got, c.want)
		}
	}
}

// Hosts that are out are not compared, and when they return they are, in the same
// tick.
func TestEjectedAreNotCompared(t *testing.T) {
	cfg := xds.DefaultOutlierDetection()
	cfg.Consecutive5xx, cfg.MaxEjectionPercent, cfg.SuccessRateMinimumHosts, cfg.SuccessRateRequestVolume = 2, 100, 4, 1
	cfg.SuccessRateStdevFactor, cfg.FailurePercentageMinimumHosts = 1000, 100
	cfg.Interval, cfg.BaseEjectionTime = time.Second, 2*time.Second
	d := New(cfg, xds.Rules{}, 4, 0)
	answers(&d, 1, 0, 500, 500)
	if !d.Host(0).Ejected {
		t.Fatal("not out")
	}
	// Panic sends it requests while it is out: too few hosts are left to compare.
	for tick, want := range []int{0, 0, 1} {
		answers(&d, 1, 0, 500)
		for h := range int32(3) {
			answers(&d, 1, h+1, 200)
		}
		found := 0
		d.OnInterval(&dice{}, func(e Event) {
			if e.Type == SuccessRate && e.Verdict == Ejected {
				found++
			}
		})
		if found != want {
			t.Errorf("tick %d: %d found, want %d", tick+1, found, want)
		}
	}
}
