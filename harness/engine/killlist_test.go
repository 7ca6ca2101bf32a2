package engine

import (
	"math"
	"testing"

	"github.com/faildrill/faildrill/harness/xds"
)

// Tests that the kill list asked for: without them a mutant survived.

// Draining hosts leave the denominators since Envoy 1.30; before, one of two that
// drained sent 30 % to the next priority (15).
func TestRuleDraining(t *testing.T) {
	for excluded, want := range map[bool]uint32{true: 100, false: 70} {
		cfg := testCluster()
		ch := NewChooser(1)
		hosts := []Host{{Weight: 1}, {Weight: 1, Health: xds.HealthDraining}, {Weight: 1, Priority: 1}}
		c := NewCluster(&cfg, xds.Rules{DrainingExcluded: excluded}, hosts, Delays{}, 0, &ch)
		if got := c.Loads().Percent(0); got != want {
			t.Errorf("draining excluded %v: %d %% on priority 0, want %d", excluded, got, want)
		}
	}
}

// The schedule of localities starts at a place of its own: of weights 1 and 3 the
// light one is first in a quarter of all clusters, and in a quarter of the times at
// which one cluster counts its localities anew (7.1).
func TestRuleLocalityScheduler(t *testing.T) {
	cfg := testCluster()
	cfg.LocalityWeighted = true
	light, heavy := xds.Locality{Region: "light"}, xds.Locality{Region: "heavy"}
	cfg.Localities = []xds.LocalityEndpoints{{Locality: light, Weight: 1}, {Locality: heavy, Weight: 3}}
	hosts := []Host{{Weight: 1, Locality: light}, {Weight: 1, Locality: heavy}}
	rules := xds.Rules{SchedulerRandomStart: true}
	clusters, updates := [2]int{}, [2]int{}
	for seed := range uint64(2000) {
		ch := NewChooser(seed)
		c := NewCluster(&cfg, rules, hosts, Delays{}, 0, &ch)
		clusters[c.Pick(nil, nil, &ch)]++
	}
	ch := NewChooser(1)
	c := NewCluster(&cfg, rules, hosts, Delays{}, 0, &ch)
	for range 2000 {
		c.workers.update(c, hostSet{0, c.levels[0], c.counts[0]}, 0, &ch)
		updates[c.Pick(nil, nil, &ch)]++
	}
	if off := 4 * 19.4; math.Abs(float64(clusters[0])-500) > off || math.Abs(float64(updates[0])-500) > off { // 4 sigma
		t.Errorf("first picks: of 2000 clusters %v, after 2000 updates %v; want about 500 and 1500", clusters, updates)
	}
}

// A detection is enforced when a number below 100 is below the percentage: 0 to 49
// of 50 are, and 50 is not (4.1).
func TestRuleEnforcing(t *testing.T) {
	for sample, want := range map[uint64]bool{0: true, 49: true, 50: false, 99: false} {
		ch := NewChooser(1).Guided(wanted{DrawSample, sample})
		if got := (luck{&ch, 0}).Enforce(50); got != want {
			t.Errorf("sample %d of 50 %%: enforced %v, want %v", sample, got, want)
		}
	}
}
