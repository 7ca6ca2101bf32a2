package explain

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// Codes of the causes. They are stable: scripts match on them.
const (
	CodeEjectionBudget          = "maxEjectionPercent"
	CodeNoOutlierDetection      = "no-outlier-detection"
	CodeEndpointWithoutLocality = "endpoint-without-locality"
	CodeFailoverFrom            = "failover-from"
	CodeThresholdNotReached     = "threshold-not-reached"
	CodeReturnCost              = "return-cost"
)

// ejectionBudget: the percentage allows less than one host. The first ejection
// has to fit too since Envoy 1.28, which Istio ships since 1.20.
func ejectionBudget(s *site) []Finding {
	od := s.cluster.OutlierDetection
	if od == nil || s.hosts == 0 || outlier.Allowed(0, s.hosts, od.MaxEjectionPercent, od.AlwaysEjectOneHost, s.profile.Rules.FirstEjectionAlwaysAllowed) {
		return nil
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if !ok {
		return nil
	}
	path := use.Path + ".maxEjectionPercent"
	pos := use.Resource.Where(path)
	f := Finding{Severity: SeverityError, Pos: pos, resource: use.Resource.ID()}
	f.Code, f.Field, f.File, f.Line = CodeEjectionBudget, path, pos.File, pos.Line
	f.Since = "Envoy 1.28 (Istio 1.20)"
	set := "maxEjectionPercent"
	if !use.Resource.Has(path) {
		f.Default = strconv.Itoa(int(od.MaxEjectionPercent))
		set += " (not set, default " + f.Default + " %)"
	}
	f.Message = fmt.Sprintf("%s of %d hosts = 0 ejections: a failing endpoint is never taken out, and traffic stays on its priority; since %s the first ejection has to fit too",
		percentWords(set, od.MaxEjectionPercent, f.Default), s.hosts, f.Since)
	f.edits = largerBudget(use, od.MaxEjectionPercent, f.Default)
	return []Finding{f}
}

// largerBudget proposes percentages over the one in force, the smallest first.
func largerBudget(use istio.Use, now uint32, def string) []edit {
	from := strconv.Itoa(int(now))
	if def != "" {
		from = ""
	}
	var es []edit
	for _, p := range []uint32{50, 100} {
		if p <= now {
			continue
		}
		es = append(es, edit{
			id: use.Resource.ID(), field: use.Path + ".maxEjectionPercent", from: from, to: strconv.Itoa(int(p)),
			change: func(m proto.Message) {
				if b := outlierBlock(m, use.Path); b != nil {
					b.MaxEjectionPercent = int32(p)
				}
			},
		})
	}
	return es
}

// budgetUsedUp: some host could be ejected, and then the percentage was used up
// while more were broken.
func budgetUsedUp(t *trace.Trace, im check.Impact, sites []*site) []Finding {
	refused := map[string]int{}
	for _, c := range t.Changes {
		if c.At >= im.Since && c.Event == trace.OverflowEvent {
			refused[t.Hosts[c.Host].Cluster]++
		}
	}
	var out []Finding
	for _, s := range sites {
		od := s.cluster.OutlierDetection
		use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
		if od == nil || !ok || refused[s.cluster.Name] == 0 || len(ejectionBudget(s)) > 0 {
			continue
		}
		most := 0
		for outlier.Allowed(most, s.hosts, od.MaxEjectionPercent, od.AlwaysEjectOneHost, s.profile.Rules.FirstEjectionAlwaysAllowed) && most < s.hosts {
			most++
		}
		path := use.Path + ".maxEjectionPercent"
		f := Finding{Severity: SeverityWarning, Pos: use.Resource.Where(path), resource: use.Resource.ID()}
		f.Code, f.Field, f.File, f.Line = CodeEjectionBudget, path, f.Pos.File, f.Pos.Line
		set := "maxEjectionPercent"
		if !use.Resource.Has(path) {
			f.Default = strconv.Itoa(int(od.MaxEjectionPercent))
			set += " (not set, default " + f.Default + " %)"
		}
		f.Message = fmt.Sprintf("%s of %d hosts = at most %d out at a time: %d further ejections were refused, and those hosts went on failing",
			percentWords(set, od.MaxEjectionPercent, f.Default), s.hosts, most, refused[s.cluster.Name])
		f.edits = largerBudget(use, od.MaxEjectionPercent, f.Default)
		out = append(out, f)
	}
	return out
}

func percentWords(set string, percent uint32, def string) string {
	if def != "" {
		return set
	}
	return fmt.Sprintf("%s %d %%", set, percent)
}

// outlierBlock is the outlierDetection message at a path of a DestinationRule.
func outlierBlock(m proto.Message, path string) *networking.OutlierDetection {
	dr, ok := m.(*networking.DestinationRule)
	if !ok {
		return nil
	}
	var i, k int
	switch {
	case path == "spec.trafficPolicy.outlierDetection":
		return dr.GetTrafficPolicy().GetOutlierDetection()
	case scan(path, "spec.trafficPolicy.portLevelSettings[%d].outlierDetection", &i):
		if ps := dr.GetTrafficPolicy().GetPortLevelSettings(); i < len(ps) {
			return ps[i].GetOutlierDetection()
		}
	case scan(path, "spec.subsets[%d].trafficPolicy.portLevelSettings[%d].outlierDetection", &i, &k):
		if i < len(dr.Subsets) {
			if ps := dr.Subsets[i].GetTrafficPolicy().GetPortLevelSettings(); k < len(ps) {
				return ps[k].GetOutlierDetection()
			}
		}
	case scan(path, "spec.subsets[%d].trafficPolicy.outlierDetection", &i):
		if i < len(dr.Subsets) {
			return dr.Subsets[i].GetTrafficPolicy().GetOutlierDetection()
		}
	}
	return nil
}

// scan reads the numbers of a path of exactly this form.
func scan(path, format string, into ...any) bool {
	n, err := fmt.Sscanf(path, format, into...)
	if err != nil || n != len(into) {
		return false
	}
	args := make([]any, len(into))
	for i, p := range into {
		args[i] = *p.(*int)
	}
	return fmt.Sprintf(format, args...) == path
}
