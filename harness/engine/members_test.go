package engine

import (
	"slices"
	"testing"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/xds"
)

// named are hosts of a strict DNS cluster, each written name and address: "0a" is
// address a behind the first name.
func named(words ...string) []Host {
	var hs []Host
	for _, w := range words {
		hs = append(hs, Host{Target: int32(w[0] - '0'), Address: w[1:], Weight: 1, Trace: -1, Upstream: -1})
	}
	return hs
}

func orderOf(c *Cluster, p int) (words []string) {
	for _, h := range c.levels[p] {
		words = append(words, string(rune('0'+c.hosts[h].Target))+c.hosts[h].Address)
	}
	return words
}

// The list of a strict DNS cluster: an answer in another order is no change, and its
// order shows when something else changes. Measured with 1.36.2 and 1.40.0: of 0 1 2
// and 0, the answer 2 0 1 leaves 0 1 2 0, and a new address 3 behind the second name
// makes 2 0 1 3. One address behind two names is two hosts, ejected one by one (X24).
func TestX24HostOrder(t *testing.T) {
	cfg := testCluster()
	cfg.Type = xds.StrictDNS
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.MaxEjectionPercent = 1, 100
	cfg.OutlierDetection = &od
	ch := NewChooser(1)
	c := NewCluster(&cfg, xds.Rules{}, named("0a", "0b", "0c", "1a"), Delays{}, 0, &ch)
	c.Report(1, 3, outlier.RequestFailed, 500, &ch, func(Change) {})
	if c.Ejected(0) || !c.Ejected(3) {
		t.Error("the address behind the second name is not ejected by itself")
	}
	for _, step := range []struct{ answer, want []string }{
		{[]string{"0c", "0a", "0b", "1a"}, []string{"0a", "0b", "0c", "1a"}},
		{[]string{"0c", "0a", "0b", "1d"}, []string{"0c", "0a", "0b", "1d"}},
		{[]string{"0c", "0a", "0b", "0a", "1a"}, []string{"0c", "0a", "0b", "1a"}},
	} {
		c.Update(2, &cfg, named(step.answer...), &ch, func(Change) {})
		if got := orderOf(c, 0); !slices.Equal(got, step.want) {
			t.Errorf("%v: got %v, want %v", step.answer, got, step.want)
		}
	}
	if c.Ejected(5) || c.detector.Active() != 0 {
		t.Error("the address that is back behind the second name is still ejected")
	}
}

// A clone is not touched by an update of the other one.
func TestUpdateOfAClone(t *testing.T) {
	cfg := testCluster()
	ch := NewChooser(1)
	hosts := named("0a", "0b")
	hosts[1].Priority = 1
	c := NewCluster(&cfg, istio.DefaultProfile().Rules, hosts, Delays{}, 0, &ch)
	d := c.Clone()
	before := d.Draw()
	if !c.Same(d) {
		t.Error("a clone is not the same")
	}
	more := named("0c", "0b", "0d")
	more[0].Health, more[2].Priority = xds.HealthDraining, 3
	var told []ChangeKind
	c.Update(1, &cfg, more, &ch, func(ch Change) { told = append(told, ch.Kind) })
	c.Retrace(2, 7)
	if want := []ChangeKind{HostRemoved, HostAdded, HostAdded, LoadChanged}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if got := d.Draw(); got != before || c.Same(d) {
		t.Errorf("the clone has become\n%swas\n%s", got, before)
	}
	d.Update(1, &cfg, more, &ch, func(Change) {})
	d.Retrace(2, 7)
	if !c.Same(d) || !c.Gone(0) || !c.Removed(0) || c.Gone(2) {
		t.Error("the same update makes another state")
	}
}
