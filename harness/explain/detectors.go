package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// detectorsOff: consecutive5xxErrors is 0, so that only gateway errors are
// counted, or, without consecutiveGatewayErrors, nothing
// (outlier_detection_impl.cc: putHttpResponseCode).
func detectorsOff(s *site, d *drill) []Finding {
	od := s.cluster.OutlierDetection
	if od == nil || od.Consecutive5xx > 0 && od.EnforcingConsecutive5xx > 0 {
		return nil
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if !ok {
		return nil
	}
	statuses := map[int32]int{}
	others := 0 // failures that are no answers
	if d != nil {
		for a := range d.attempts(s) {
			switch {
			case a.Result == trace.Answered && a.Status >= 500:
				statuses[a.Status]++
			case failed(a):
				others++
			}
		}
	}
	path := use.Path + ".consecutive5xxErrors"
	gateway := od.ConsecutiveGatewayFailure > 0 && od.EnforcingConsecutiveGatewayFailure > 0
	if !gateway {
		if od.SplitExternalLocalOriginErrors && (d == nil || len(statuses) == 0) || d != nil && len(statuses)+others == 0 {
			return nil
		}
		f := finding(CodeNoDetector, SeverityError, use.Resource, path)
		f.Message = "consecutive5xxErrors 0 and no consecutiveGatewayErrors: " + why(CodeNoDetector)
		f.edits = []edit{set(use.Resource, path, 5), set(use.Resource, path, 1)}
		return []Finding{f}
	}
	maps.DeleteFunc(statuses, func(code int32, _ int) bool { return code >= 502 && code <= 504 })
	if d != nil && len(statuses) == 0 {
		return nil
	}
	f := finding(CodeGatewayErrorsOnly, SeverityWarning, use.Resource, path)
	f.Message = fmt.Sprintf("consecutive5xxErrors 0 leaves consecutiveGatewayErrors %d alone: %s", od.ConsecutiveGatewayFailure, why(CodeGatewayErrorsOnly))
	var seen []string
	for _, code := range slices.Sorted(maps.Keys(statuses)) {
		seen = append(seen, count(statuses[code], fmt.Sprintf("answer of %d", code)))
	}
	if len(seen) > 0 {
		f.Message += "; " + strings.ReplaceAll(strings.Join(seen, ", "), "answer of", "of status") + " here"
	}
	f.edits = []edit{set(use.Resource, path, int(od.ConsecutiveGatewayFailure)), set(use.Resource, path, 1)}
	return []Finding{f}
}

// tlsPassThrough: on a port that is not HTTP the proxy sees connections, not
// answers (tcp_proxy.cc: outlier results).
func tlsPassThrough(s *site, _ *drill) []Finding {
	od := s.cluster.OutlierDetection
	use, ok := s.t.Use(s.cluster.Name, istio.PartService)
	if od == nil || !ok {
		return nil
	}
	path := use.Path + ".protocol"
	protocol, _ := lookup(use.Resource.Spec, path).(string)
	if istio.HTTP(protocol) {
		return nil
	}
	f := finding(CodeTLSPassThrough, SeverityInfo, use.Resource, path)
	f.goal = goalTell
	f.Message = fmt.Sprintf("protocol %s: %s", protocol, why(CodeTLSPassThrough))
	return []Finding{f}
}
