package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/xds"
)

// How picks spread: the rows of sections 6 to 8 that were measured on Envoy
// 1.36.2 and 1.40.0, on a cluster driven by hand.

// latest are the rules of an Envoy of today.
var latest = xds.Rules{DecayNeedsHealthyInterval: true, DrainingExcluded: true, SchedulerRandomStart: true, LocalitySchedulerPerWorker: true}

// spread is a cluster with outlier detection that ejects on the first failure.
type spread struct {
	*Cluster
	ch Chooser
}

func newSpread(seed uint64, cfg xds.Cluster, hosts ...Host) *spread {
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.MaxEjectionPercent, od.Interval, od.BaseEjectionTime = 1, 100, time.Second, time.Second
	cfg.OutlierDetection, cfg.UpdateMergeWindow = &od, 0
	s := &spread{ch: NewChooser(seed)}
	for i := range hosts {
		hosts[i].Weight = max(1, hosts[i].Weight)
	}
	s.Cluster = NewCluster(&cfg, latest, hosts, Delays{}, 0, &s.ch)
	return s
}

func (s *spread) pick() int32 { return s.Pick(nil, nil, &s.ch) }

// picks counts n picks by host; the last one is nobody.
func (s *spread) picks(n int) []int {
	got := make([]int, len(s.hosts)+1)
	for range n {
		if h := s.pick(); h == NoHost {
			got[len(s.hosts)]++
		} else {
			got[h]++
		}
	}
	return got
}

func (s *spread) until(at time.Duration) { s.Advance(int64(at), &s.ch, func(Change) {}) }

func (s *spread) eject(hosts ...int32) {
	for _, h := range hosts {
		s.Report(s.now, h, outlier.ConnectFailed, 0, &s.ch, func(Change) {})
	}
}

// about fails unless k of n is a share that p gives, by 4 sigma.
func about(t *testing.T, what string, k, n int, p float64) {
	t.Helper()
	if off := math.Abs(float64(k) - p*float64(n)); off > 4*math.Sqrt(p*(1-p)*float64(n)) {
		t.Errorf("%s: got %d of %d, want %.1f %%", what, k, n, 100*p)
	}
}

// levels are hosts by priority: as many healthy, degraded and unhealthy ones as the three numbers say.
func levels(of ...[3]int) []Host {
	var hs []Host
	for p, l := range of {
		for k, health := range []xds.Health{xds.HealthHealthy, xds.HealthDegraded, xds.HealthUnhealthy} {
			for range l[k] {
				hs = append(hs, Host{Priority: uint32(p), Health: health})
			}
		}
	}
	return hs
}

// Two priorities of two hosts, one of the first ejected: 30 % spill over (30.4,
// 29.5, 30.1 and 30.1 % of 4000), and all when both are.
func TestG06SpillOver(t *testing.T) {
	s := newSpread(1, testCluster(), levels([3]int{2}, [3]int{2})...)
	if got := s.picks(100); got[2]+got[3] != 0 {
		t.Errorf("all healthy: picks %v", got)
	}
	s.eject(0)
	got := s.picks(4000)
	about(t, "one of two ejected", got[2]+got[3], 4000, 0.3)
	if got[0] != 0 {
		t.Errorf("the ejected host was picked: %v", got)
	}
	s.eject(1)
	if got := s.picks(4000); got[2]+got[3] != 4000 {
		t.Errorf("both ejected: picks %v", got)
	}
}

// The counter of round robin goes on when a host is ejected and when it returns:
// with it, every pick is known once one is.
func TestG20RoundRobinPhase(t *testing.T) {
	for seed := range uint64(6) {
		s := newSpread(seed, testCluster(), levels([3]int{3})...)
		next := s.pick() + 1
		want := func(hosts ...int32) {
			t.Helper()
			for range 7 {
				if got, h := s.pick(), hosts[int(next)%len(hosts)]; got != h {
					t.Fatalf("seed %d: got %d, want %d", seed, got, h)
				}
				next++
			}
		}
		// The seed is a multiple of the lengths and the first pick, as far as remainders go.
		s.workers.levels[0].healthy.rr.Seed(6*100 + uint64(next))
		want(0, 1, 2)
		s.eject(1)
		want(0, 2)
		s.until(2 * time.Second)
		want(0, 1, 2)
	}
}

// Level and host of a random pick come from one number: with 84 % on the first
// level, the ten hosts of the second one have 1 or 2 of a hundred numbers, by
// their place. Measured: 82 and 166, 86 and 157 picks of 8000 for the light and
// the heavy ones; four alike had 935 1025 992 1048 of 4000.
func TestX10Random(t *testing.T) {
	cfg := testCluster()
	cfg.LBPolicy = xds.Random
	s := newSpread(3, cfg, levels([3]int{3, 0, 2}, [3]int{10})...)
	got := s.picks(80_000)
	for h, k := range got[5:15] {
		p := 0.02
		if h < 4 {
			p = 0.01
		}
		about(t, fmt.Sprintf("host %d of priority 1", h), k, 80_000, p)
	}
	for h, k := range newSpread(3, cfg, levels([3]int{4})...).picks(4000)[:4] {
		about(t, fmt.Sprintf("host %d of four", h), k, 4000, 0.25)
	}
}

// A full scan leaves the busy one of two hosts out, and spreads over the idle ones.
func TestX10FullScan(t *testing.T) {
	cfg := testCluster()
	cfg.LBPolicy = xds.LeastRequest
	lr := xds.DefaultLeastRequest()
	lr.FullScan = true
	cfg.LeastRequest = &lr
	s := newSpread(1, cfg, levels([3]int{4})...)
	s.Begin(1)
	got := s.picks(3000)
	for _, h := range []int{0, 2, 3} {
		about(t, fmt.Sprintf("host %d", h), got[h], 3000, 1./3)
	}
	if got[1] != 0 {
		t.Errorf("the busy host had %d picks", got[1])
	}
}

// With c choices the busy one of two hosts is picked when all of them are it: 2 to
// the power of -c.
func TestChoiceCount(t *testing.T) {
	for _, choices := range []uint32{2, 3, 5} {
		cfg := testCluster()
		cfg.LBPolicy = xds.LeastRequest
		cfg.LeastRequest = &xds.LeastRequestConfig{ChoiceCount: choices, ActiveRequestBias: 1}
		s := newSpread(1, cfg, levels([3]int{2})...)
		s.Begin(0)
		about(t, fmt.Sprintf("%d choices", choices), s.picks(40_000)[0], 40_000, math.Pow(0.5, float64(choices)))
	}
}

// Localities that weigh 1 and 2, with 5, 4, 3 and 1 of 5 hosts healthy in the
// first: 33.33, 33.33, 29.57 to 29.60 and 12.30 % of 3000 picks. Schedules are exact
// but for where they begin.
func TestX12Localities(t *testing.T) {
	for _, c := range []struct {
		ill  int
		want float64
	}{{0, 33.33}, {1, 33.33}, {2, 29.58}, {4, 12.29}} {
		cfg := testCluster()
		cfg.LocalityWeighted = true
		a, b := xds.Locality{Region: "a"}, xds.Locality{Region: "b"}
		cfg.Localities = []xds.LocalityEndpoints{{Locality: a, Weight: 1}, {Locality: b, Weight: 2}}
		hosts := levels([3]int{10})
		for i := range hosts {
			hosts[i].Locality = []xds.Locality{a, b}[i/5]
		}
		s := newSpread(1, cfg, hosts...)
		for h := range int32(c.ill) {
			s.eject(h)
		}
		got := s.picks(3000)
		share := 0.0
		for _, k := range got[:5] {
			share += float64(k) / 30
		}
		if math.Abs(share-c.want) > 0.05 {
			t.Errorf("%d of 5 ill: got %.2f %%, want %.2f %%", c.ill, share, c.want)
		}
	}
}

// Localities are scheduled in the order of their names, whatever the order of the
// assignment: the picks of two releases from c, b and a, which weigh 1, 2 and 2
// and have a host each.
func TestX12LocalityOrder(t *testing.T) {
	cfg := testCluster()
	cfg.LocalityWeighted = true
	var hosts []Host
	for _, r := range []struct {
		zone   string
		weight uint32
	}{{"c", 1}, {"b", 2}, {"a", 2}} {
		l := xds.Locality{Region: "r", Zone: r.zone}
		cfg.Localities = append(cfg.Localities, xds.LocalityEndpoints{Locality: l, Weight: r.weight})
		hosts = append(hosts, Host{Locality: l})
	}
	seen := map[string]bool{}
	for seed := range uint64(60) {
		s := newSpread(seed, cfg, hosts...)
		var b strings.Builder
		for range 30 {
			fmt.Fprint(&b, s.pick())
		}
		seen[b.String()] = true
	}
	if len(seen) != 5 || !seen["121021210212102121021210212102"] || !seen["212102121021210212102121021210"] {
		t.Errorf("got %v; want the measured ones and the three others that start elsewhere in 12102", seen)
	}
}

// The worked examples of 6.6 as picks, by priority: what 3000 requests gave within
// 4 sigma, and which hosts they may be at. The exact tables are in package priority.
func TestX21Picks(t *testing.T) {
	for _, c := range []struct {
		levels    [][3]int
		threshold float64
		share     []float64 // of each level
		ill       []bool    // whether unhealthy hosts of the level are picked
	}{
		{[][3]int{{5}, {5}}, 50, []float64{1, 0}, []bool{false, false}},
		{[][3]int{{3, 0, 2}, {5}}, 50, []float64{0.84, 0.16}, []bool{false, false}},
		{[][3]int{{1, 0, 4}, {5}}, 50, []float64{0.28, 0.72}, []bool{false, false}},
		{[][3]int{{0, 0, 5}, {5}}, 50, []float64{0, 1}, []bool{false, false}},
		{[][3]int{{7, 0, 3}}, 50, []float64{1}, []bool{false}},
		{[][3]int{{4, 0, 6}}, 50, []float64{1}, []bool{true}},
		{[][3]int{{5, 0, 5}}, 50, []float64{1}, []bool{false}},
		{[][3]int{{1, 0, 4}, {1, 0, 4}}, 50, []float64{0.5, 0.5}, []bool{true, true}},
		{[][3]int{{1, 0, 4}, {1, 0, 4}}, 0, []float64{0.5, 0.5}, []bool{false, false}},
		{[][3]int{{1, 0, 9}, {2, 0, 8}, {1, 0, 9}}, 50, []float64{0.34, 0.33, 0.33}, []bool{true, true, true}},
		{[][3]int{{0, 0, 3}, {0, 0, 5}}, 50, []float64{0.38, 0.62}, []bool{true, true}},
		{[][3]int{{0, 0, 3}, {0, 0, 5}}, 0, []float64{0, 0}, []bool{false, false}}, // 503 UH
		{[][3]int{{2, 0, 1}, {1, 0, 2}, {3}}, 50, []float64{0.93, 0.07, 0}, []bool{false, false, false}},
		{[][3]int{{6, 0, 4}, {1, 0, 9}}, 50, []float64{0.86, 0.14}, []bool{false, true}},
		{[][3]int{{1, 2, 1}, {2, 0, 2}}, 50, []float64{0.35, 0.65}, []bool{false, false}},
		{[][3]int{{0, 3, 0}}, 50, []float64{1}, []bool{false}},
		{[][3]int{{2, 1, 7}, {1, 1, 8}}, 50, []float64{0.5, 0.5}, []bool{true, true}},
		{[][3]int{{1, 0, 1}, {2}}, 0, []float64{0.7, 0.3}, []bool{false, false}},
		{[][3]int{{0, 0, 2}, {2}}, 0, []float64{0, 1}, []bool{false, false}},
		{[][3]int{{1, 0, 19}, {20}}, 50, []float64{0.07, 0.93}, []bool{false, false}},
	} {
		cfg := testCluster()
		cfg.HealthyPanicThreshold = c.threshold
		s := newSpread(1, cfg, levels(c.levels...)...)
		const n = 3000
		got := s.picks(n)
		at := make([]int, len(c.levels))
		ill := make([]bool, len(c.levels))
		for h, k := range got[:len(s.hosts)] {
			p := s.hosts[h].Priority
			at[p] += k
			if s.hosts[h].Health == xds.HealthUnhealthy && k > 0 {
				ill[p] = true
			}
		}
		what := fmt.Sprintf("%v, panic %v", c.levels, c.threshold)
		for p, k := range at {
			about(t, fmt.Sprintf("%s, priority %d", what, p), k, n, c.share[p])
		}
		if !slices.Equal(ill, c.ill) {
			t.Errorf("%s: unhealthy hosts are picked at %v, want %v", what, ill, c.ill)
		}
		if served := c.share[0] + c.share[len(c.share)-1]; served == 0 && got[len(s.hosts)] != n {
			t.Errorf("%s: %d picks of nobody, want all", what, got[len(s.hosts)])
		}
	}
}

// overprovisioning_factor 100 with one of two hosts lost: 47 and 50 % of 1000
// spill over; with weighted_priority_health and the lost one three times as heavy,
// 73 and 76 %.
func TestX25PriorityHealth(t *testing.T) {
	for weighted, p := range map[bool]float64{false: 0.5, true: 0.75} {
		cfg := testCluster()
		cfg.OverprovisioningFactor, cfg.WeightedPriorityHealth = 100, weighted
		hosts := levels([3]int{1, 0, 1}, [3]int{1})
		hosts[1].Weight = 3
		about(t, fmt.Sprintf("weighted %v", weighted), newSpread(1, cfg, hosts...).picks(10_000)[2], 10_000, p)
	}
}

// A host that drains leaves the denominator, one that is unhealthy or timed out
// does not: 0 and 30 % go to the next priority (X25, X42). With weights as well.
func TestX42Denominator(t *testing.T) {
	for health, p := range map[xds.Health]float64{xds.HealthDraining: 0, xds.HealthUnhealthy: 0.3, xds.HealthTimeout: 0.3} {
		for _, weighted := range []bool{false, true} {
			cfg := testCluster()
			cfg.WeightedPriorityHealth = weighted
			hosts := levels([3]int{2}, [3]int{1})
			hosts[0].Health = health
			s := newSpread(1, cfg, hosts...)
			got := s.picks(10_000)
			about(t, fmt.Sprintf("%s, weighted %v", health, weighted), got[2], 10_000, p)
			if got[0] != 0 {
				t.Errorf("%s: the host had %d picks", health, got[0])
			}
		}
	}
}

// previous_priorities with update frequency 2: the third attempt changes the
// priority, and what was worked out for it stays in force at the fourth, whatever
// became of the hosts meanwhile.
func TestX27PreviousPriorities(t *testing.T) {
	s := newSpread(1, testCluster(), levels([3]int{2}, [3]int{1}, [3]int{1})...)
	p := &xds.RetryPolicy{PreviousPriorities: 2}
	var kept Kept
	var tried []int32
	next := func() uint32 {
		h := s.PickAgain(tried, p, &kept, &s.ch)
		tried = append(tried, h)
		if h == NoHost {
			return 99
		}
		return s.hosts[h].Priority
	}
	got := []uint32{next(), next(), next()}
	s.eject(2) // all of priority 1: a new request would go to priority 0
	nobody := next()
	tried = tried[:3]
	tried = append(tried, 2)
	if got = append(got, next()); !slices.Equal(got, []uint32{0, 0, 1, 2}) || nobody != 99 {
		t.Errorf("priorities %v, and %d at the fourth attempt; want 0 0 1 2, and nobody at priority 1", got, nobody)
	}
}

// When every priority was tried, the attempts are forgotten, and only that one
// pick goes by loads of its own; another cluster begins anew.
func TestX27Forgets(t *testing.T) {
	cfg := testCluster()
	cfg.HealthyPanicThreshold = 50
	// All in panic: 34 33 33 by count as usual, 34 33 33 by health at a retry; with
	// 1, 2 and 7 hosts 10 20 70 as usual.
	s := newSpread(1, cfg, levels([3]int{0, 0, 1}, [3]int{0, 0, 2}, [3]int{1, 0, 6})...)
	p := &xds.RetryPolicy{PreviousPriorities: 1}
	var kept Kept
	if l := s.retryLoads([]int32{0}, p, &kept); l.Percent(2) != 100 {
		t.Errorf("after priority 0: %d %% on priority 2, want 100", l.Percent(2))
	}
	if l := s.retryLoads([]int32{0, 9}, p, &kept); l.Percent(2) != 100 || l == &s.workers.loads {
		t.Errorf("after priorities 0 and 2: %d %% on priority 2, want 100 for once", l.Percent(2))
	}
	if l := s.retryLoads([]int32{0, 9}, p, &kept); l != &s.workers.loads {
		t.Error("the next pick of that attempt does not go by the usual loads")
	}
	if l := s.retryLoads([]int32{0, 9, 1}, p, &kept); l.Percent(2) != 100 {
		t.Errorf("after priority 1: %d %% on priority 2", l.Percent(2))
	}
	o := newSpread(1, testCluster(), levels([3]int{1})...)
	if l := o.retryLoads([]int32{0}, &xds.RetryPolicy{PreviousPriorities: 2}, &kept); l != &o.workers.loads {
		t.Error("another cluster goes by the loads of the first")
	}
	// Nobody can serve: the usual loads.
	none := newSpread(1, testCluster(), levels([3]int{0, 0, 1}, [3]int{0, 0, 1})...)
	if l := none.retryLoads([]int32{0}, p, &Kept{}); l != &none.workers.loads {
		t.Error("nobody can serve, and the loads are not the usual ones")
	}
}

// Weights 100:200:500 are exact over 800 picks, and 100:200 when the heavy host is ejected.
func TestX33Weights(t *testing.T) {
	hosts := levels([3]int{3})
	for i, w := range []uint32{100, 200, 500} {
		hosts[i].Weight = w
	}
	s := newSpread(1, testCluster(), hosts...)
	exact := func(n int, want ...int) {
		t.Helper()
		for h, k := range s.picks(n) {
			// A cycle may begin between two picks that are due at one time.
			if k < want[h]-1 || k > want[h]+1 {
				t.Errorf("host %d had %d of %d picks, want %d", h, k, n, want[h])
			}
		}
	}
	exact(800, 100, 200, 500, 0)
	s.eject(2)
	exact(300, 100, 200, 0, 0)
}

// A subset is a cluster of its own. When all of it is ejected and panic is off,
// nobody is picked: no other subset steps in (7.3).
func TestX34SubsetEjected(t *testing.T) {
	s := newSpread(1, testCluster(), levels([3]int{2})...)
	s.eject(0, 1)
	if got := s.picks(20); got[2] != 20 {
		t.Errorf("picks %v, want nobody", got)
	}
}

// A returned host is at once as good as the others: half of 200 picks. It warmed
// up when the workers first saw it.
func TestX44NoSlowStartAfterReturn(t *testing.T) {
	for _, policy := range []xds.LBPolicy{xds.RoundRobin, xds.LeastRequest} {
		cfg := testCluster()
		slow := xds.DefaultSlowStart(4 * time.Second)
		cfg.LBPolicy, cfg.SlowStart = policy, &slow
		s := newSpread(1, cfg, levels([3]int{2})...)
		s.until(4500 * time.Millisecond)
		s.eject(0)
		if got := s.picks(20); got[1] != 20 {
			t.Errorf("%s, ejected: picks %v", policy, got)
		}
		s.until(6500 * time.Millisecond)
		about(t, string(policy)+" after the return", s.picks(200)[0], 200, 0.5)
	}
}

// While hosts may be warming up, least request schedules them although their
// weights are equal: the busy one of two gets a third. The schedule stays after the
// window, until the next update of the hosts; then it is a quarter. Measured: 100 to
// 200, 97 to 203, and 239 and 252 of 1000.
func TestSlowStartSchedules(t *testing.T) {
	cfg := testCluster()
	slow := xds.DefaultSlowStart(4 * time.Second)
	cfg.LBPolicy, cfg.SlowStart = xds.LeastRequest, &slow
	s := newSpread(1, cfg, levels([3]int{3})...)
	s.eject(2)
	s.Begin(0)
	s.At(int64(time.Second / 2))
	s.picks(1) // the schedule was made before the host was busy
	if got := s.picks(300); got[0] < 99 || got[0] > 101 {
		t.Errorf("in the window: picks %v, want 100 to 200", got)
	}
	s.At(int64(900 * time.Millisecond))
	if got := s.picks(300); got[0] < 96 || got[0] > 101 {
		t.Errorf("later: picks %v, want 100 to 200", got)
	}
	s.until(2 * time.Second) // host 2 returns in the window
	s.At(int64(20 * time.Second))
	if got := s.picks(500); got[0] < 95 || got[0] > 105 {
		t.Errorf("after the window, not updated: picks %v, want 100 to 200 and 200", got)
	}
	s.until(20 * time.Second)
	s.eject(2) // an update
	about(t, "after an update", s.picks(1000)[0], 1000, 0.25)
}

// Both hosts began with a tenth of their weight. After the window, the one that is
// put in again first has up to ten picks while the other one waits for its turn of
// that time. Measured on 1.40.0: 11111111110101010101 5 s after a start with a window of 4 s.
func TestSlowStartCatchesUp(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(40) {
		cfg := testCluster()
		slow := xds.DefaultSlowStart(4 * time.Second)
		cfg.SlowStart = &slow
		s := newSpread(seed, cfg, levels([3]int{2})...)
		s.At(int64(5 * time.Second))
		var b strings.Builder
		for range 20 {
			fmt.Fprint(&b, s.pick())
		}
		seen[b.String()]++
	}
	if len(seen) != 2 || seen["11111111110101010101"] == 0 || seen["01010101010101010101"] == 0 {
		t.Errorf("got %v; want the two that were measured", seen)
	}
}

// Least request with weights 1:3 and one request on the heavy host is 160 to 240
// of 400; with an explicit bias of 0 it is 100 to 300, and where weights are equal
// the bias is ignored: 25 % (24.4 and 24.8 % of 1000).
func TestX49Bias(t *testing.T) {
	lr := xds.DefaultLeastRequest()
	lr.ActiveRequestBias = 0
	cfg := testCluster()
	cfg.LBPolicy, cfg.LeastRequest = xds.LeastRequest, &lr
	hosts := levels([3]int{2})
	hosts[1].Weight = 3
	s := newSpread(1, cfg, hosts...)
	s.Begin(1)
	if got := s.picks(400); got[0] != 100 {
		t.Errorf("bias 0: %v, want 100 to 300", got)
	}
	s = newSpread(1, cfg, levels([3]int{2})...)
	s.Begin(0)
	about(t, "equal weights, bias 0", s.picks(4000)[0], 4000, 0.25)
}

// A change of the bias is heard of at the next update of the hosts: 160 to 240
// before and after the change, 100 to 300 after the update.
func TestX70BiasRefresh(t *testing.T) {
	lr := xds.DefaultLeastRequest()
	cfg := testCluster()
	cfg.LBPolicy, cfg.LeastRequest = xds.LeastRequest, &lr
	hosts := levels([3]int{3})
	hosts[1].Weight = 3
	s := newSpread(1, cfg, hosts...)
	s.eject(2)
	s.Begin(1)
	var got [][]int
	got = append(got, s.picks(400)[:2])
	lr.ActiveRequestBias = 0
	got = append(got, s.picks(400)[:2])
	s.until(2 * time.Second)
	s.eject(2)
	got = append(got, s.picks(400)[:2])
	for i, want := range []int{160, 160, 100} {
		// The first schedule was made before the host was busy.
		if k := got[i][0]; k < want-2 || k > want+2 {
			t.Errorf("got %v, want 160, 160 and 100 of 400 for host 0", got)
		}
	}
}

// The healthy list and the list of all hosts, which panic uses, have counters of
// their own that start at one seed and go on where they were.
func TestX56CountersBySource(t *testing.T) {
	cfg := testCluster()
	cfg.HealthyPanicThreshold = 50
	s := newSpread(5, cfg, levels([3]int{4})...)
	var healthy, all []int32
	phase := func(into *[]int32, n int) {
		for range n {
			*into = append(*into, s.pick())
		}
	}
	phase(&healthy, 5)
	s.eject(0, 1, 2)
	phase(&all, 3)
	s.until(2 * time.Second)
	phase(&healthy, 4)
	s.eject(0, 1, 2)
	phase(&all, 6)
	s.until(8 * time.Second)
	phase(&healthy, 5)
	cycle := func(from int32, n int) (out []int32) {
		for i := range n {
			out = append(out, (from+int32(i))%4)
		}
		return out
	}
	if d := cmp.Diff([][]int32{cycle(healthy[0], 14), cycle(healthy[0], 9)}, [][]int32{healthy, all}); d != "" {
		t.Errorf("healthy, all (-want +got)\n%s", d)
	}
}

// Zone-aware routing at priority 0: counts of 2000 requests on 1.36.2 and 1.40.0
// in brackets, with two callers in zone a and two in zone b, the proxy in a.
func TestZoneAware(t *testing.T) {
	zone := func(z string) xds.Locality { return xds.Locality{Region: "r", Zone: z} }
	half := map[string]int{"a": 1, "b": 3}
	even := map[string]int{"a": 2, "b": 2}
	for _, c := range []struct {
		name      string
		hosts     map[string]int
		change    func(*xds.ZoneAware)
		threshold float64
		ill       int // callers of zone a
		want      map[string]float64
	}{
		{"half stays", half, nil, 0, 0, map[string]float64{"a": 0.5, "b": 0.5}},                                                    // [997, 1026 in a]
		{"a small cluster", half, func(z *xds.ZoneAware) { z.MinClusterSize = 6 }, 0, 0, map[string]float64{"a": 0.25, "b": 0.75}}, // [500, 500]
		{"all stays", even, nil, 0, 0, map[string]float64{"a": 1}},                                                                 // [2000, 2000]
		{"to where room is", map[string]int{"a": 1, "b": 4, "c": 3}, nil, 0, 0, map[string]float64{"a": 0.25, "c": 0.75}},          // [519, 469]
		{"nobody here", map[string]int{"b": 2, "c": 3}, nil, 0, 0, map[string]float64{"c": 1}},                                     // [0, 0]
		{"sampled", even, func(z *xds.ZoneAware) { z.RoutingEnabled = 40 }, 0, 0, map[string]float64{"a": 0.7, "b": 0.3}},          // [1386, 1410]
		{"forced", half, func(z *xds.ZoneAware) { z.ForceLocalityDirectRouting = true }, 0, 0, map[string]float64{"a": 1}},         // [2000, 2000]
		{"callers in panic", even, nil, 80, 1, map[string]float64{"a": 0.5, "b": 0.5}},                                             // [1000, 1000]
		{"callers not quite in panic", even, nil, 75, 1, map[string]float64{"a": 1}},
		{"callers in panic, which fails", even, func(z *xds.ZoneAware) { z.FailTrafficOnPanic = true }, 80, 1, nil}, // [0, 0]
		{"an ill caller", half, nil, 0, 1, map[string]float64{"a": 0.75, "b": 0.25}},                                // [1497, 1501]
	} {
		cfg := testCluster()
		za := xds.DefaultZoneAware()
		za.MinClusterSize, za.Own = 1, zone("a")
		za.Callers = []xds.Callers{{Locality: zone("a"), Hosts: 2, Healthy: 2 - c.ill}, {Locality: zone("b"), Hosts: 2, Healthy: 2}}
		if c.change != nil {
			c.change(&za)
		}
		cfg.ZoneAware, cfg.HealthyPanicThreshold = &za, c.threshold
		var hosts []Host
		for _, z := range []string{"c", "b", "a"} {
			for range c.hosts[z] {
				hosts = append(hosts, Host{Locality: zone(z)})
			}
		}
		s := newSpread(1, cfg, hosts...)
		got := s.picks(2000)
		at := map[string]int{}
		for h, k := range got[:len(hosts)] {
			at[hosts[h].Locality.Zone] += k
		}
		for _, z := range []string{"a", "b", "c"} {
			about(t, c.name+", zone "+z, at[z], 2000, c.want[z])
		}
	}
}

// The proxy's own zone comes first, whatever its name: half stays in b.
func TestZoneAwareOwnFirst(t *testing.T) {
	a, b := xds.Locality{Region: "r", Zone: "a"}, xds.Locality{Region: "r", Zone: "b"}
	cfg := testCluster()
	za := xds.DefaultZoneAware()
	za.MinClusterSize, za.Own = 1, b
	za.Callers = []xds.Callers{{Locality: a, Hosts: 2, Healthy: 2}, {Locality: b, Hosts: 2, Healthy: 2}}
	cfg.ZoneAware = &za
	got := newSpread(1, cfg, Host{Locality: a}, Host{Locality: a}, Host{Locality: a}, Host{Locality: b}).picks(2000)
	about(t, "the own zone", got[3], 2000, 0.5)
}

// fail_traffic_on_panic picks nobody where panic would pick anybody.
func TestFailTrafficOnPanic(t *testing.T) {
	for fail, nobody := range map[bool]int{true: 50, false: 0} {
		cfg := testCluster()
		za := xds.DefaultZoneAware()
		za.FailTrafficOnPanic = fail
		cfg.ZoneAware, cfg.HealthyPanicThreshold = &za, 60
		if got := newSpread(1, cfg, levels([3]int{1, 0, 3})...).picks(50); got[4] != nobody {
			t.Errorf("fail %v: picks %v", fail, got)
		}
	}
}
