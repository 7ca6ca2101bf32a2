package engine

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/xds"
)

const failing = outlier.ConnectFailed

// randomCluster has two priorities, some weights, and localities.
func randomCluster(t *rapid.T, ch *Chooser) *Cluster {
	cfg := testCluster()
	cfg.LBPolicy = rapid.SampledFrom([]xds.LBPolicy{xds.RoundRobin, xds.LeastRequest, xds.Random}).Draw(t, "lb")
	cfg.HealthyPanicThreshold = rapid.SampledFrom([]float64{0, 50}).Draw(t, "panic")
	cfg.LocalityWeighted = rapid.Bool().Draw(t, "weighted")
	if rapid.Bool().Draw(t, "slow start") {
		slow := xds.DefaultSlowStart(2e9)
		cfg.SlowStart = &slow
	}
	if rapid.Bool().Draw(t, "full scan") {
		cfg.LeastRequest = &xds.LeastRequestConfig{FullScan: true, ActiveRequestBias: 2}
	}
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.MaxEjectionPercent, od.Interval, od.BaseEjectionTime = 2, 67, 1e9, 1e9
	cfg.OutlierDetection = &od
	a, b := xds.Locality{Region: "a"}, xds.Locality{Region: "b"}
	cfg.Localities = []xds.LocalityEndpoints{{Locality: a, Weight: 1}, {Locality: b, Weight: 3}, {Locality: a, Priority: 1, Weight: 1}}
	hosts := []Host{{Locality: a}, {Locality: a}, {Locality: b}, {Locality: a, Priority: 1}, {Locality: a, Priority: 1}}
	if !cfg.LocalityWeighted && rapid.Bool().Draw(t, "zone-aware") {
		zone := xds.DefaultZoneAware()
		zone.MinClusterSize, zone.Own, zone.FailTrafficOnPanic = 1, b, rapid.Bool().Draw(t, "fail on panic")
		zone.Callers = []xds.Callers{{Locality: a, Hosts: 2, Healthy: 2}, {Locality: b, Hosts: 2, Healthy: rapid.IntRange(0, 2).Draw(t, "healthy callers")}}
		cfg.ZoneAware = &zone
	}
	heavy := rapid.Bool().Draw(t, "heavy")
	for i := range hosts {
		hosts[i].Weight = 1
		if heavy {
			hosts[i].Weight = uint32(i + 1)
		}
	}
	return NewCluster(&cfg, xds.Rules{DecayNeedsHealthyInterval: true, SchedulerRandomStart: true}, hosts, DefaultDelays, 0, ch)
}

// A clone goes the same way as its original as long as both meet the same, and
// neither disturbs the other when they do not.
func TestClusterClone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ch := NewChooser(rapid.Uint64().Draw(t, "seed"))
		c := randomCluster(t, &ch)
		now := int64(0)
		quiet := func(Change) {}
		live := func(c *Cluster, ch *Chooser, step int) int32 {
			c.Advance(now, ch, quiet)
			h := c.Pick(nil, nil, ch)
			if h != NoHost && step > 0 {
				c.Report(now, h, failing, 0, ch, quiet)
			}
			return h
		}
		for range rapid.IntRange(0, 40).Draw(t, "before") {
			now += rapid.Int64Range(0, 3e8).Draw(t, "wait")
			live(c, &ch, rapid.IntRange(0, 2).Draw(t, "fails"))
		}
		d, och := c.Clone(), ch
		before := c.Draw()
		if !c.Same(d) || before != d.Draw() {
			t.Fatalf("a clone is not the same:\n%s\n%s", before, d.Draw())
		}
		other, xch := c.Clone(), ch
		for i := range 30 {
			now += 1e8
			live(other, &xch, i)
		}
		if c.Draw() != before || !c.Same(d) {
			t.Fatalf("a clone disturbs its original:\n%s\n%s", before, c.Draw())
		}
		for range rapid.IntRange(0, 40).Draw(t, "after") {
			now += rapid.Int64Range(0, 3e8).Draw(t, "wait")
			step := rapid.IntRange(0, 2).Draw(t, "fails")
			if got, want := live(d, &och, step), live(c, &ch, step); got != want {
				t.Fatalf("at %d: the clone picked h%d, the original h%d", now, got, want)
			}
			if !c.Same(d) || c.Draw() != d.Draw() {
				t.Fatalf("at %d they differ:\n%s\n%s", now, c.Draw(), d.Draw())
			}
		}
	})
}

// seeing answers so that one host is picked, if it can be.
type seeing struct {
	host  int32
	level int
}

func (g seeing) Answer(q Question) (uint64, bool) {
	has := func(hosts []int32) bool { return slices.Contains(hosts, g.host) }
	switch q.Draw {
	case DrawLevel:
		for r := range q.N {
			if p, _ := q.Loads.Choose(uint32(r) + 1); p == g.level {
				return r, true
			}
		}
	case DrawLocality:
		i := slices.IndexFunc(q.Groups, has)
		return uint64(max(0, i)), i >= 0
	case DrawHost:
		i := slices.Index(q.Hosts, g.host)
		return uint64(max(0, i)), i >= 0
	}
	return 0, false
}

// Whatever chance picks, an observation of it can be led to: each draw on the way
// asks its guide.
func TestGuideLeadsToWhatIsPicked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ch := NewChooser(rapid.Uint64().Draw(t, "seed"))
		c := randomCluster(t, &ch)
		now := int64(0)
		quiet := func(Change) {}
		for range 60 {
			now += rapid.Int64Range(0, 3e8).Draw(t, "wait")
			c.Advance(now, &ch, quiet)
			watching := c.Clone()
			for p := range watching.workers.levels { // whoever watches has not seen where the counters stand
				l := &watching.workers.levels[p]
				for _, s := range []*source{&l.all, &l.healthy, &l.degraded} {
					s.seeded, s.known = false, 0
				}
				for g := range l.groups {
					l.groups[g].eligible[0].seeded, l.groups[g].eligible[0].known = false, 0
				}
			}
			h := c.Pick(nil, nil, &ch)
			if h == NoHost {
				continue
			}
			guided := ch.Guided(seeing{h, int(c.hosts[h].Priority)})
			if got := watching.Pick(nil, nil, &guided); got != h {
				t.Fatalf("h%d was picked; led to it, the cluster picks h%d\n%s", h, got, c.Draw())
			}
			if rapid.Bool().Draw(t, "fails") {
				c.Report(now, h, failing, 0, &ch, quiet)
			}
		}
	})
}

// What is on its way counts: two states that differ in a snapshot are two.
func TestSameSeesWhatIsOnItsWay(t *testing.T) {
	cfg := testCluster()
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.MaxEjectionPercent = 1, 100
	cfg.OutlierDetection = &od
	state := func(h int32) *Cluster {
		ch := NewChooser(1)
		c := NewCluster(&cfg, xds.Rules{}, []Host{{Weight: 1}, {Weight: 1}}, DefaultDelays, 0, &ch)
		c.Report(0, h, failing, 0, &ch, func(Change) {})
		c.Advance(DefaultDelays.ToMain, &ch, func(Change) {})
		return c
	}
	a, b := state(0), state(1)
	if len(a.updates) != 1 || len(b.updates) != 1 {
		t.Fatalf("want a snapshot on its way: %v, %v", a.updates, b.updates)
	}
	b.detector = a.detector.Clone()
	if a.Same(b) {
		t.Error("two different snapshots are on their way, and the states are the same")
	}
	if !a.Same(state(0)) {
		t.Error("the same history made two states")
	}
}

// wanted answers one kind of draw.
type wanted struct {
	draw   Draw
	answer uint64
}

func (w wanted) Answer(q Question) (uint64, bool) { return w.answer, q.Draw == w.draw }

// A guide decides what chance or a tie would; the rest is left to the seed.
func TestChooserGuide(t *testing.T) {
	plain := NewChooser(1)
	guided := plain.Guided(wanted{DrawHost, 7})
	if guided.Next(Question{Draw: DrawHost, N: 10}) != 7 || guided.Uniform(DrawHost, 10) != 7 || guided.Observed(Question{Draw: DrawHost}, 3) != 7 {
		t.Error("the guide was not heard")
	}
	if guided.Observed(Question{Draw: DrawReturn, N: 2}, 0) != 0 || guided.Uniform(DrawLevel, 100) != plain.Uniform(DrawLevel, 100) {
		t.Error("the guide has no opinion, and something else than the seed decided")
	}
	// A tie that was observed: the second of two returns first.
	ch := plain.Guided(wanted{DrawReturn, 1})
	cfg := testCluster()
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.MaxEjectionPercent, od.BaseEjectionTime = 1, 100, 1e9
	cfg.OutlierDetection = &od
	c := NewCluster(&cfg, xds.Rules{}, []Host{{Weight: 1}, {Weight: 1}, {Weight: 1}}, Delays{}, 0, &ch)
	var back []int32
	for h := range int32(2) {
		c.Report(0, h, failing, 0, &ch, func(Change) {})
	}
	c.Advance(10e9, &ch, func(c Change) {
		if c.Kind == HostReturned {
			back = append(back, c.Host)
		}
	})
	if len(back) != 2 || back[0] != 1 || back[1] != 0 {
		t.Errorf("returned %v, want [1 0]", back)
	}
	for d := range draws {
		if d.String() == "" {
			t.Errorf("draw %d has no name", d)
		}
	}
}

// Streams are independent of each other: one more draw of a kind leaves the rest alone.
func TestChooserStreams(t *testing.T) {
	a, b := NewChooser(9), NewChooser(9)
	a.Uniform(DrawFault, 10)
	for d := range draws {
		if d != DrawFault && a.Uniform(d, 1<<60) != b.Uniform(d, 1<<60) {
			t.Errorf("a draw of %s moved %s", DrawFault, d)
		}
	}
}
