package explain

import (
	"fmt"
	"strconv"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// ejectionBudget: the percentage allows less than one host. The first ejection
// has to fit too since Envoy 1.28, which Istio ships since 1.20.
func ejectionBudget(s *site, _ *drill) []Finding {
	od := s.cluster.OutlierDetection
	if od == nil || s.hosts == 0 || outlier.Allowed(0, s.hosts, od.MaxEjectionPercent, od.AlwaysEjectOneHost, s.profile.Rules.FirstEjectionAlwaysAllowed) {
		return nil
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if !ok {
		return nil
	}
	path := use.Path + ".maxEjectionPercent"
	f := finding(CodeEjectionBudget, SeverityError, use.Resource, path)
	set := "maxEjectionPercent"
	if !use.Resource.Has(path) {
		f.Default = strconv.Itoa(int(od.MaxEjectionPercent))
		set += " (not set, default " + f.Default + " %)"
	}
	f.Message = fmt.Sprintf("%s of %d hosts = 0 ejections: a failing endpoint is never taken out, and traffic stays on its priority; %s",
		percentWords(set, od.MaxEjectionPercent, f.Default), s.hosts, why(CodeEjectionBudget))
	f.edits = largerBudget(use, od.MaxEjectionPercent)
	return []Finding{f}
}

// largerBudget proposes percentages over the one in force, the smallest first.
func largerBudget(use istio.Use, now uint32) []edit {
	var es []edit
	for _, p := range []uint32{50, 100} {
		if p <= now {
			continue
		}
		es = append(es, set(use.Resource, use.Path+".maxEjectionPercent", int(p)))
	}
	return es
}

// budgetUsedUp: some host could be ejected, and then the percentage was used up
// while more were broken.
func budgetUsedUp(s *site, d *drill) []Finding {
	od := s.cluster.OutlierDetection
	if d == nil || od == nil || len(ejectionBudget(s, d)) > 0 {
		return nil
	}
	refused := 0
	for c := range d.changes(s) {
		if c.Event == trace.OverflowEvent {
			refused++
		}
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if !ok || refused == 0 {
		return nil
	}
	most := 0
	for outlier.Allowed(most, s.hosts, od.MaxEjectionPercent, od.AlwaysEjectOneHost, s.profile.Rules.FirstEjectionAlwaysAllowed) && most < s.hosts {
		most++
	}
	path := use.Path + ".maxEjectionPercent"
	f := finding(CodeEjectionBudget, SeverityWarning, use.Resource, path)
	f.Since = ""
	set := "maxEjectionPercent"
	if !use.Resource.Has(path) {
		f.Default = strconv.Itoa(int(od.MaxEjectionPercent))
		set += " (not set, default " + f.Default + " %)"
	}
	f.Message = fmt.Sprintf("%s of %d hosts = at most %d out at a time: %d further ejections were refused, and those hosts went on failing",
		percentWords(set, od.MaxEjectionPercent, f.Default), s.hosts, most, refused)
	f.edits = largerBudget(use, od.MaxEjectionPercent)
	return []Finding{f}
}

func percentWords(set string, percent uint32, def string) string {
	if def != "" {
		return set
	}
	return fmt.Sprintf("%s %d %%", set, percent)
}
