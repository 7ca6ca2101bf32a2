package istio

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/xds"
)

// applyFailoverPriority splits the groups by how many of the labels, in order,
// an endpoint shares with the client.
// loadbalancer.go: applyFailoverPriorities.
func (t *translator) applyFailoverPriority(groups []group, set *localitySetting, kind xds.DiscoveryType, subset string) []group {
	if kind != xds.EDS {
		// Rule: RuleDNSFailoverPriority, cluster.go: buildOutboundClusters and
		// cluster_builder.go: buildSubsetCluster. The endpoint labels reach only the
		// default cluster, and with them only the first locality group; the second
		// group's endpoint is then looked up where it is not.
		if !t.v.has(RuleDNSFailoverPriority) || subset != "" || len(groups) == 0 {
			return groups
		}
		if len(groups) > 1 {
			t.crash(set, len(groups))
			return groups
		}
	}
	var split []group
	for _, g := range groups {
		split = append(split, t.splitByLabels(g, set.FailoverPriority)...)
	}
	compact(split)
	return split
}

// splitByLabels makes a group for each priority that the group's endpoints have.
// loadbalancer.go: applyFailoverPriorityPerLocality.
func (t *translator) splitByLabels(g group, labels []string) []group {
	byPriority := map[uint32][]instance{}
	for _, in := range g.instances {
		p := t.labelPriority(in.labels, labels)
		byPriority[p] = append(byPriority[p], in)
	}
	var out []group
	for _, p := range slices.Sorted(maps.Keys(byPriority)) {
		n := newGroup(g.Locality, byPriority[p])
		n.Priority, n.Weight = p, 0
		for _, in := range byPriority[p] {
			n.Weight += in.weight // which wraps here, other than where groups are made
		}
		out = append(out, n)
	}
	return out
}

// labelPriority is 0 when all labels agree, 1 when only the last differs, and so on.
// Rule: RuleFailoverPriority. Two labels that are absent agree.
func (t *translator) labelPriority(endpoint map[string]string, labels []string) uint32 {
	keys, want := t.wantedLabels(labels)
	adjust := 0
	for i, key := range keys {
		if endpoint[key] == want[key] {
			continue
		}
		// Rule: RuleNetworkPreferred: another network ranks behind all of the own one, in the same order.
		if i == 0 && labels[0] == labelNetwork && t.v.has(RuleNetworkPreferred) {
			adjust = len(labels)
			continue
		}
		return uint32(len(labels) - i + adjust)
	}
	return uint32(adjust)
}

// wantedLabels lists the label keys in order, and the value that each should have:
// the client's own, unless the text gives one.
// Rule: RuleFailoverPriorityOverride, loadbalancer.go: priorityLabelOverrides.
func (t *translator) wantedLabels(labels []string) (keys []string, want map[string]string) {
	want = map[string]string{}
	given := map[string]string{}
	for _, text := range labels {
		key := text
		if t.v.has(RuleFailoverPriorityOverride) {
			parts := strings.Split(text, "=")
			key = parts[0]
			if len(parts) == 2 {
				given[key] = parts[1]
			}
		}
		keys = append(keys, key)
		want[key] = t.client.Labels[key]
	}
	maps.Copy(want, given)
	return keys, want
}

// crash records what kills istiod: read in its source for every way to set the
// labels, executed for a DestinationRule.
func (t *translator) crash(set *localitySetting, groups int) {
	if t.out.Crash != nil {
		return
	}
	what, field := "failoverPriority and outlierDetection", set.at.sub("failoverPriority").path
	if set.force {
		what, field = "a traffic-distribution annotation", set.at.path
	}
	p := Problem{Message: fmt.Sprintf("istiod 1.30 and 1.31 panics when %s apply to resolution DNS with endpoints in %d localities "+
		"(index out of range); use resolution STATIC, or failover instead", what, groups)}
	if r := set.at.res; r != nil { // nil: mesh configuration
		p.Resource, p.Field, p.Pos = r.ID(), field, r.Where(field)
	}
	t.out.Crash = &p
}
