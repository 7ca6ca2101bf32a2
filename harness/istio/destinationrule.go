package istio

import (
	"maps"
	"slices"

	networking "istio.io/api/networking/v1alpha3"
)

// place is a field of a resource; the zero value is a default.
type place struct {
	res  *Resource
	path string
}

func (p place) sub(field string) place { return place{p.res, p.path + "." + field} }

// rule is one DestinationRule, or several of one host merged.
type rule struct {
	namespace string
	selector  map[string]string // nil: for all workloads
	selects   bool
	exportTo  []string // sorted; empty is the mesh default, "*"
	policy    *networking.TrafficPolicy
	policyAt  place
	subsets   []subset
	from      []*Resource
}

type subset struct {
	*networking.Subset
	at place // spec.subsets[i]
}

// ruleIndex has the rules by host, as istiod keeps them.
type ruleIndex struct {
	local    map[string]map[string][]*rule // namespace, host: what the namespace itself uses
	exported map[string]map[string][]*rule // namespace, host: what others may use
	private  map[string][]*rule            // host: unexported rules of the root namespace
}

// indexRules is pilot/pkg/model/push_context.go: setDestinationRules.
func (t *translator) indexRules(resources []*Resource) ruleIndex {
	ix := ruleIndex{map[string]map[string][]*rule{}, map[string]map[string][]*rule{}, map[string][]*rule{}}
	var rules []*Resource
	for _, r := range resources {
		if dr, ok := r.Spec.(*networking.DestinationRule); ok && dr.Host != "" {
			rules = append(rules, r)
		}
	}
	// Rules with a selector come first; a selector that the release ignores does not count.
	slices.SortStableFunc(rules, func(a, b *Resource) int {
		return selectorsFirst(t.ruleFrom(a), t.ruleFrom(b))
	})
	for _, r := range rules {
		n := t.ruleFrom(r)
		host := t.fullName(r.Spec.(*networking.DestinationRule).Host, r.Namespace)
		own := len(n.exportTo) == 0 || contains(n.exportTo, "*", ".", r.Namespace)
		if own {
			t.mergeInto(inNamespace(ix.local, r.Namespace), host, n.clone())
		}
		onlyOwn := len(n.exportTo) == 1 && contains(n.exportTo, ".", r.Namespace)
		switch {
		case !onlyOwn:
			t.mergeInto(inNamespace(ix.exported, r.Namespace), host, n.clone())
		case r.Namespace == t.mesh.RootNamespace:
			t.mergeInto(ix.private, host, n.clone())
		}
	}
	return ix
}

func (t *translator) ruleFrom(r *Resource) *rule {
	dr := r.Spec.(*networking.DestinationRule)
	n := &rule{
		namespace: r.Namespace, exportTo: sorted(unique(dr.ExportTo)),
		policy: dr.TrafficPolicy, policyAt: place{r, "spec.trafficPolicy"}, from: []*Resource{r},
	}
	// Rule: RuleWorkloadSelector: such a rule serves its own namespace only.
	if dr.WorkloadSelector != nil && t.v.has(RuleWorkloadSelector) {
		n.selects, n.selector, n.exportTo = true, dr.WorkloadSelector.MatchLabels, []string{"."}
	}
	for i, s := range dr.Subsets {
		if s != nil && s.Name != "" && n.subset(s.Name) == nil { // others are refused; a name is one cluster
			n.subsets = append(n.subsets, subset{s, place{r, indexed("spec.subsets", i)}})
		}
	}
	return n
}

func (r *rule) clone() *rule {
	c := *r
	c.subsets, c.from = slices.Clone(r.subsets), slices.Clone(r.from)
	return &c
}

// mergeInto adds the rule to the rules of its host in one namespace.
// Rule: RuleMergeRules, pilot/pkg/model/destination_rule.go: mergeDestinationRule.
// Subsets are gathered, the first of a name wins; the traffic policy is that of
// the first rule which has one, whole.
func (t *translator) mergeInto(byHost map[string][]*rule, host string, n *rule) {
	separate := true
	for _, have := range byHost[host] {
		// Rule: RuleMergeSameExport: equal exportTo merges; a wider one merges and also stands by itself.
		if t.v.has(RuleMergeSameExport) {
			switch {
			case slices.Equal(have.exportTo, n.exportTo):
				separate = false
			case len(have.exportTo) > 0 && containsEvery(n.exportTo, have.exportTo):
				separate = true
			default:
				separate = true
				continue
			}
		}
		bothSelect := have.selects && n.selects
		sameSelector := maps.Equal(have.selector, n.selector)
		if bothSelect && !sameSelector {
			separate = true
			continue
		}
		if !have.selects && !n.selects || bothSelect {
			separate = false
		}
		have.from = append(have.from, n.from...)
		for _, s := range n.subsets {
			if have.subset(s.Name) == nil {
				have.subsets = append(have.subsets, s)
			}
		}
		if have.policy == nil && n.policy != nil {
			have.policy, have.policyAt = n.policy, n.policyAt
		}
	}
	if separate {
		byHost[host] = append(byHost[host], n)
	}
}

func (r *rule) subset(name string) *subset {
	for i := range r.subsets {
		if r.subsets[i].Name == name {
			return &r.subsets[i]
		}
	}
	return nil
}

// ruleFor returns the rule that the client uses for the host, or nil.
// pilot/pkg/model/sidecar.go: DestinationRule.
func (t *translator) ruleFor(host, namespace string) *rule {
	var found *rule
	for _, r := range t.candidates(host, namespace) {
		if !r.selects {
			found = r
			continue
		}
		if containsAll(t.client.Labels, r.selector) { // of the client's own namespace: it is not exported
			return r
		}
	}
	return found
}

// candidates searches the namespaces; the first with a matching host wins, and nothing merges across them.
// Rule: RuleRuleNamespaces, pilot/pkg/model/push_context.go: destinationRule.
func (t *translator) candidates(host, namespace string) []*rule {
	if t.client.Namespace != t.mesh.RootNamespace {
		if rules, ok := mostSpecific(host, t.rules.local[t.client.Namespace]); ok {
			return rules
		}
	} else if rules, ok := mostSpecific(host, t.rules.private); ok {
		// The root namespace holds rules for everybody, so that its own proxies
		// first look where the service is.
		return rules
	}
	for _, ns := range []string{namespace, t.mesh.RootNamespace} {
		rules, _ := mostSpecific(host, t.rules.exported[ns])
		var visible []*rule
		for _, r := range rules {
			if len(r.exportTo) == 0 || contains(r.exportTo, "*", t.client.Namespace) {
				visible = append(visible, r)
			}
		}
		if len(visible) > 0 {
			return visible
		}
	}
	return nil
}

func inNamespace(m map[string]map[string][]*rule, namespace string) map[string][]*rule {
	if m[namespace] == nil {
		m[namespace] = map[string][]*rule{}
	}
	return m[namespace]
}

func contains(list []string, any ...string) bool {
	return slices.ContainsFunc(any, func(s string) bool { return slices.Contains(list, s) })
}

func containsEvery(list, all []string) bool {
	return !slices.ContainsFunc(all, func(s string) bool { return !slices.Contains(list, s) })
}

func selectorsFirst(a, b *rule) int {
	switch {
	case a.selects && !b.selects:
		return -1
	case b.selects && !a.selects:
		return 1
	}
	return 0
}
