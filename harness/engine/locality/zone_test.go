package locality

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Four callers, two of them in zone a as this proxy is: shares of 2000 requests on
// Envoy 1.36.2 and 1.40.0 in brackets (7.2).
func TestRoutingShares(t *testing.T) {
	here := Limits{Own: true, CallerZones: 2, CallersHere: 2, Callers: 4, MinClusterSize: 1}
	away := here
	away.Own = false
	for _, c := range []struct {
		name  string
		zones []Zone
		l     Limits
		want  []float64
	}{
		// [49.9, 51.3]: a has a quarter of the hosts and half of the callers, and half of its calls stay.
		{"half", []Zone{{1, 2}, {3, 2}}, here, []float64{0.5, 0.5}},
		// [26.0 0 74.0, 23.5 0 76.5]: b is busy with its own, c has no callers.
		{"three", []Zone{{1, 2}, {4, 2}, {3, 0}}, here, []float64{0.25, 0, 0.75}},
		// [100 0]
		{"direct", []Zone{{2, 2}, {2, 2}}, here, []float64{1, 0}},
		// [0 100]: nobody in the own zone, b is busy with its own.
		{"absent", []Zone{{2, 2}, {3, 0}}, away, []float64{0, 1}},
		// [74.9, 75.1]: one of the two callers of b is ill.
		{"ill callers", []Zone{{1, 1}, {3, 2}}, Limits{Own: true, CallerZones: 2, CallersHere: 2, Callers: 3, MinClusterSize: 1}, []float64{0.75, 0.25}},
		// [100 0]
		{"forced", []Zone{{1, 2}, {3, 2}}, Limits{Own: true, CallerZones: 1, CallersHere: 2, Callers: 4, MinClusterSize: 1, ForceDirect: true}, []float64{1, 0}},
		{"own hosts all ill", []Zone{{0, 2}, {3, 2}}, here, []float64{0, 1}},
		{"no caller healthy", []Zone{{1, 0}, {3, 0}}, Limits{Own: true, CallerZones: 2, CallersHere: 2}, []float64{1, 0}},
		// By rounding nothing is left for anybody: any zone.
		{"nothing left", []Zone{{1, 1}, {1, 1}, {1, 1}}, Limits{CallerZones: 3, CallersHere: 1, Callers: 3}, []float64{1. / 3, 1. / 3, 1. / 3}},
	} {
		r := NewRouting(c.zones, c.l)
		if !r.On {
			t.Errorf("%s: not routed by zone", c.name)
			continue
		}
		got := make([]float64, len(c.zones))
		const each = 300
		for sample := range uint64(10_000) {
			for spread := range uint64(each) {
				got[r.Pick(sample, spread*10_007)] += 1. / each / 10_000
			}
		}
		for z := range got {
			if math.Abs(got[z]-c.want[z]) > 0.002 {
				t.Errorf("%s: got %.3f, want %.3f", c.name, got, c.want)
			}
			if r.May(z) != (c.want[z] > 0) {
				t.Errorf("%s: May(%d) is %v, its share %v", c.name, z, r.May(z), c.want[z])
			}
		}
	}
}

// Nothing is routed by zone where that would make no sense or be unfair.
func TestNoRouting(t *testing.T) {
	ok := Limits{Own: true, CallerZones: 2, CallersHere: 1, Callers: 2, MinClusterSize: 6}
	with := func(change func(*Limits)) Limits {
		l := ok
		change(&l)
		return l
	}
	three := []Zone{{3, 1}, {3, 1}}
	for _, c := range []struct {
		name  string
		zones []Zone
		l     Limits
		want  bool
	}{
		{"two zones of three", three, ok, true},
		{"one zone", []Zone{{6, 1}}, ok, false},
		{"a zone of which nobody is healthy counts", []Zone{{6, 1}, {0, 1}}, ok, true},
		{"five healthy hosts", []Zone{{3, 1}, {2, 1}}, ok, false},
		{"all callers in one zone", three, with(func(l *Limits) { l.CallerZones = 1 }), false},
		{"unless forced", three, with(func(l *Limits) { l.CallerZones, l.ForceDirect = 1, true }), true},
		{"no caller here", three, with(func(l *Limits) { l.CallersHere = 0 }), false},
	} {
		if got := NewRouting(c.zones, c.l).On; got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// Every zone's share of the picks is its share of the hosts, over all callers
// together: what zone-aware routing is for. A caller that is alone in its zone
// and those elsewhere are played one after another.
func TestRoutingIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(t, "zones")
		zones := make([]Zone, n)
		hosts, callers := 0, 0
		for i := range zones {
			zones[i] = Zone{rapid.IntRange(1, 9).Draw(t, "hosts"), rapid.IntRange(1, 9).Draw(t, "callers")}
			hosts, callers = hosts+zones[i].Hosts, callers+zones[i].Callers
		}
		got := make([]float64, n)
		for own := range zones {
			order := append([]int{own}, make([]int, 0, n)...)
			for i := range zones {
				if i != own {
					order = append(order, i)
				}
			}
			sorted := make([]Zone, n)
			for i, z := range order {
				sorted[i] = zones[z]
			}
			r := NewRouting(sorted, Limits{Own: true, CallerZones: n, CallersHere: zones[own].Callers, Callers: callers})
			local := 1.0
			if !r.direct {
				local = float64(r.local) / 10_000
			}
			share := float64(zones[own].Callers) / float64(callers)
			got[own] += share * local
			if r.direct || r.residual[n-1] == 0 {
				continue
			}
			last := uint64(0)
			for i, z := range order {
				got[z] += share * (1 - local) * float64(r.residual[i]-last) / float64(r.residual[n-1])
				last = r.residual[i]
			}
		}
		for z := range zones {
			if want := float64(zones[z].Hosts) / float64(hosts); math.Abs(got[z]-want) > 0.002 {
				t.Fatalf("%v: zone %d gets %.4f, has %.4f of the hosts", zones, z, got[z], want)
			}
		}
	})
}
