package explain

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/istio"
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
	f := Finding{Severity: SeverityError, Pos: pos}
	f.Code, f.Field, f.File, f.Line = CodeEjectionBudget, path, pos.File, pos.Line
	f.Since = "Envoy 1.28 (Istio 1.20)"
	set := "maxEjectionPercent"
	if !use.Resource.Has(path) {
		f.Default = strconv.Itoa(int(od.MaxEjectionPercent))
		set += " (not set, default " + f.Default + " %)"
	}
	f.Message = fmt.Sprintf("%s of %d hosts = 0 ejections: a failing endpoint is never taken out, and traffic stays on its priority; since %s the first ejection has to fit too",
		percentWords(set, od.MaxEjectionPercent, f.Default), s.hosts, f.Since)
	from := ""
	if f.Default == "" {
		from = strconv.Itoa(int(od.MaxEjectionPercent))
	}
	for _, p := range []uint32{50, 100} {
		if p <= od.MaxEjectionPercent {
			continue
		}
		f.edits = append(f.edits, edit{
			id: use.Resource.ID(), field: path, from: from, to: strconv.Itoa(int(p)),
			change: func(m proto.Message) {
				if b := outlierBlock(m, use.Path); b != nil {
					b.MaxEjectionPercent = int32(p)
				}
			},
		})
	}
	return []Finding{f}
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
