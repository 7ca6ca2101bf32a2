package istio

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/xds"
)

// twinPriorities ranks endpoints one by one, the slow way: as sort keys that are
// compared as text, then numbered. It follows istio-semantics 2.4 and 2.5 and
// shares nothing with the code.
func twinPriorities(endpoints []instance, client Client, failoverPriority []string, failover [][2]string) map[string]int {
	keys := map[string]string{} // address to sort key
	for _, e := range endpoints {
		key := ""
		if len(failoverPriority) > 0 {
			key = labelKey(e.labels, client.Labels, failoverPriority)
		}
		if len(failoverPriority) == 0 || len(failover) > 0 {
			key += "/" + regionKey(e.locality, client.Locality, failover)
		}
		keys[e.address] = key
	}
	var order []string
	for _, k := range keys {
		if !slices.Contains(order, k) {
			order = append(order, k)
		}
	}
	slices.Sort(order)
	out := map[string]int{}
	for address, k := range keys {
		out[address] = slices.Index(order, k)
	}
	return out
}

// labelKey: other network after own one; then the more leading labels agree, the earlier.
func labelKey(endpoint, client map[string]string, labels []string) string {
	network := "own"
	agree := 0
	for i, l := range labels {
		key, want, given := strings.Cut(l, "=")
		if !given {
			want = client[key]
		}
		if endpoint[key] != want {
			if i == 0 && key == "topology.istio.io/network" && !given {
				network = "ther"
				agree++
				continue
			}
			break
		}
		agree++
	}
	return fmt.Sprintf("%s %03d", network, 999-agree)
}

func regionKey(endpoint string, client xds.Locality, failover [][2]string) string {
	mine := []string{client.Region, client.Zone, client.SubZone}
	theirs := append(strings.Split(endpoint, "/"), "", "", "")[:3]
	for n := 3; n > 0; n-- {
		if slices.Equal(mine[:n], theirs[:n]) {
			return string(rune('a' + 3 - n))
		}
	}
	for _, f := range failover {
		if f[0] == client.Region {
			if f[1] == theirs[0] {
				return "d"
			}
			return "e"
		}
	}
	return "d"
}

func TestPrioritiesTwin(t *testing.T) {
	v := profile(t, "1.31").versions()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"", "a", "b", "c"})
		locality := func(name string) string {
			return strings.TrimRight(part.Draw(t, name+".region")+"/"+part.Draw(t, name+".zone")+"/"+part.Draw(t, name+".subzone"), "/")
		}
		keys := []string{labelNetwork, "x", "y", "z"}
		labels := func(name string) map[string]string {
			return rapid.MapOfN(rapid.SampledFrom(keys), rapid.SampledFrom([]string{"1", "2"}), 0, 4).Draw(t, name)
		}
		client := Client{Locality: splitLocality(locality("client")), Labels: labels("client.labels")}
		var instances []instance
		for i := range rapid.IntRange(1, 8).Draw(t, "endpoints") {
			name := fmt.Sprintf("e%d", i)
			instances = append(instances, instance{address: name, weight: 1, locality: locality(name), labels: labels(name + ".labels")})
		}
		priority := rapid.SliceOfNDistinct(rapid.SampledFrom(append(keys, "w=1")), 0, 4, func(s string) string { return s }).Draw(t, "failoverPriority")
		set := &networking.LocalityLoadBalancerSetting{FailoverPriority: priority}
		var failover [][2]string
		for range rapid.IntRange(0, 3).Draw(t, "failover") {
			f := [2]string{part.Draw(t, "from"), part.Draw(t, "to")}
			failover = append(failover, f)
			set.Failover = append(set.Failover, &networking.LocalityLoadBalancerSetting_Failover{From: f[0], To: f[1]})
		}

		tr := &translator{v: v, client: client}
		groups := tr.applyLocality(groupByLocality(instances), &localitySetting{LocalityLoadBalancerSetting: set}, true, xds.EDS, "")

		want := twinPriorities(instances, client, priority, failover)
		count := 0
		for _, g := range groups {
			if int(g.Weight) != len(g.Endpoints) {
				t.Fatalf("group %v: weight %d of %d endpoints", g.Locality, g.Weight, len(g.Endpoints))
			}
			for _, e := range g.Endpoints {
				count++
				if int(g.Priority) != want[e.Address] {
					t.Fatalf("%s: got priority %d, want %d (all: %v)", e.Address, g.Priority, want[e.Address], want)
				}
			}
		}
		if count != len(instances) {
			t.Fatalf("%d endpoints came out of %d", count, len(instances))
		}
	})
}

// Distribute never loses traffic: what a rule covers keeps its endpoints, and a
// percentage is split in the ratio of the old weights, up to rounding up.
func TestDistributeTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"a", "b", "c"})
		var groups []group
		seen := map[string]bool{}
		for i := range rapid.IntRange(1, 6).Draw(t, "groups") {
			l := part.Draw(t, "region") + "/" + part.Draw(t, "zone")
			if seen[l] {
				continue
			}
			seen[l] = true
			groups = append(groups, newGroup(splitLocality(l), []instance{{address: fmt.Sprint(i), weight: uint32(rapid.IntRange(1, 9).Draw(t, "weight"))}}))
		}
		old := map[string]uint32{}
		for _, g := range groups {
			old[g.Locality.String()] = g.Weight
		}
		to := map[string]uint32{"a/*": 60, "b/a": 30, "b/b": 10}
		applyDistribute(groups, xds.Locality{Region: "a"}, []*networking.LocalityLoadBalancerSetting_Distribute{{From: "z", To: nil}, {From: "a/*", To: to}})
		for _, g := range groups {
			name := g.Locality.String()
			var percent, total uint32
			switch {
			case g.Locality.Region == "a":
				percent = 60
				for l, w := range old {
					if strings.HasPrefix(l, "a/") {
						total += w
					}
				}
			case to[name] > 0:
				percent, total = to[name], old[name]
			}
			if percent == 0 {
				if len(g.Endpoints) != 0 || g.Weight != old[name] {
					t.Fatalf("%s is covered by nothing: %+v", name, g)
				}
				continue
			}
			want := (old[name]*percent + total - 1) / total
			if g.Weight != want || len(g.Endpoints) != 1 {
				t.Fatalf("%s: got weight %d, want %d", name, g.Weight, want)
			}
		}
	})
}
