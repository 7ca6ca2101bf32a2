package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

// The first answer makes a strict DNS cluster serve; those after it are updates, and
// an ejection in their priorities waits for the merge window. Measured on 1.36.4 and
// 1.40.0 with a window of 2.5 s and a host that refuses from the first request on:
// alone in its priority and first of the list, its ejection is known at once; behind
// another address, or with one beside it, 2.5 s later.
func TestFirstAnswer(t *testing.T) {
	const ms = int64(time.Millisecond)
	place := func(priority uint32, names ...string) xds.LocalityEndpoints {
		l := xds.LocalityEndpoints{Priority: priority, Locality: xds.Locality{Region: fmt.Sprint(priority, names)}}
		for _, n := range names {
			l.Endpoints = append(l.Endpoints, xds.Endpoint{Address: n, Port: 80, Weight: 1})
		}
		return l
	}
	one, two := "198.18.0.1", "198.18.0.2"
	for _, c := range []struct {
		name  string
		kind  xds.DiscoveryType
		lists []xds.LocalityEndpoints
		first uint64 // which name is answered first, where that is a choice
		want  int64  // when the workers hear that the first host of priority 0 is out
	}{
		{"first of the list", xds.StrictDNS, []xds.LocalityEndpoints{place(0, one), place(1, two)}, 1, 100 * ms},
		{"behind another address", xds.StrictDNS, []xds.LocalityEndpoints{place(1, two), place(0, one)}, 1, 2600 * ms},
		{"another address beside it", xds.StrictDNS, []xds.LocalityEndpoints{place(0, one, two)}, 1, 2600 * ms},
		{"its name is answered first", xds.StrictDNS, []xds.LocalityEndpoints{place(1, "a.example"), place(0, "b.example")}, 1, 100 * ms},
		{"its name is answered second", xds.StrictDNS, []xds.LocalityEndpoints{place(1, "a.example"), place(0, "b.example")}, 0, 2600 * ms},
		{"an address is answered before its name", xds.StrictDNS, []xds.LocalityEndpoints{place(0, "b.example"), place(1, two)}, 0, 2600 * ms},
		{"an assignment", xds.EDS, []xds.LocalityEndpoints{place(1, two), place(0, one)}, 0, 100 * ms},
		{"a name alone", xds.StrictDNS, []xds.LocalityEndpoints{place(0, "b.example")}, 0, 100 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			od := xds.DefaultOutlierDetection()
			od.Consecutive5xx, od.MaxEjectionPercent, od.Interval = 1, 100, time.Hour
			cfg := xds.Cluster{Type: c.kind, LBPolicy: xds.RoundRobin, OutlierDetection: &od, UpdateMergeWindow: 2500 * time.Millisecond, OverprovisioningFactor: 140, Localities: c.lists}
			var hosts []Host
			out := int32(-1)
			for _, l := range c.lists {
				for _, e := range l.Endpoints {
					if h := int32(len(hosts)); l.Priority == 0 && out < 0 {
						out = h
					}
					hosts = append(hosts, Host{Target: int32(len(hosts)), Address: e.Address, Locality: l.Locality, Priority: l.Priority, Weight: 1})
				}
			}
			ch := NewChooser(1).Guided(firstAnswer(c.first))
			k := NewCluster(&cfg, istio.DefaultProfile().Rules, hosts, Delays{}, 0, &ch)
			k.Report(100*ms, out, outlier.RequestFailed, 500, &ch, func(Change) {})
			got := int64(-1)
			for at := 100 * ms; at < 4000*ms && got < 0; at += 10 * ms {
				k.Advance(at, &ch, func(Change) {})
				if !slices.Contains(k.workers.levels[0].healthy.hosts, out) {
					got = at
				}
			}
			if got != c.want {
				t.Errorf("the workers hear of the ejection at %v; want %v", time.Duration(got), time.Duration(c.want))
			}
		})
	}
}

type firstAnswer uint64

func (f firstAnswer) Answer(q Question) (uint64, bool) { return uint64(f), q.Draw == DrawAnswer }
