package explain

import (
	"fmt"
	"strconv"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/trace"
)

// thresholdNotReached: hosts were charged, and never often enough in a row for
// outlier detection to act.
func thresholdNotReached(s *site, d *drill) []Finding {
	od := s.cluster.OutlierDetection
	if d == nil || od == nil || od.Consecutive5xx <= 1 || od.EnforcingConsecutive5xx == 0 {
		return nil
	}
	for c := range d.changes(s) {
		if c.Event != trace.Detected && c.Event != trace.Added && c.Event != trace.Removed {
			return nil
		}
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	charged, longest := runs(s, d)
	if !ok || charged == 0 || longest >= int(od.Consecutive5xx) {
		return nil
	}
	path := use.Path + ".consecutive5xxErrors"
	f := finding(CodeThresholdNotReached, SeverityInfo, use.Resource, path)
	words := "consecutive5xxErrors " + strconv.Itoa(int(od.Consecutive5xx))
	if !use.Resource.Has(path) {
		f.Default = strconv.Itoa(int(od.Consecutive5xx))
		words = "consecutive5xxErrors (not set, default " + f.Default + ")"
	}
	f.Message = fmt.Sprintf("%s: %s, and never %d in a row on one host, at most %d: %s",
		words, plural(charged, "failure was", "failures were")+" charged", od.Consecutive5xx, longest, why(CodeThresholdNotReached))
	for n := longest; n >= 1; n-- { // the largest threshold that is reached changes least
		if n == longest || n == 1 {
			f.edits = append(f.edits, set(use.Resource, path, n))
		}
	}
	return []Finding{f}
}

// runs counts the failures that the site's hosts were charged with, and the most
// in a row on one host.
func runs(s *site, d *drill) (charged, longest int) {
	run := map[int32]int{}
	for a := range d.attempts(s) {
		switch {
		case a.Charged && a.Result != trace.Answered && s.cluster.OutlierDetection.SplitExternalLocalOriginErrors:
			// counted apart
		case a.Charged:
			charged++
			run[a.Host]++
			longest = max(longest, run[a.Host])
		case a.Result == trace.Answered:
			run[a.Host] = 0
		}
	}
	return charged, longest
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// splitLocalErrors: the host accepts connections and then fails the requests,
// which in split mode never adds up (outlier_detection_impl.cc:
// putResultWithLocalExternalSplit).
func splitLocalErrors(s *site, d *drill) []Finding {
	od := s.cluster.OutlierDetection
	if od == nil || !od.SplitExternalLocalOriginErrors || od.ConsecutiveLocalOriginFailure <= 1 {
		return nil
	}
	use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
	if !ok {
		return nil
	}
	after := 0
	if d != nil {
		for c := range d.changes(s) {
			if c.Event != trace.Detected {
				return nil
			}
		}
		for a := range d.attempts(s) {
			switch a.Result {
			case trace.Reset, trace.Timeout, trace.PerTryTimeout:
				after++
			}
		}
		if after == 0 {
			return nil
		}
	}
	path := use.Path + ".consecutiveLocalOriginFailures"
	f := finding(CodeSplitLocalErrors, SeverityInfo, use.Resource, path)
	words := fmt.Sprintf("consecutiveLocalOriginFailures %d", od.ConsecutiveLocalOriginFailure)
	if !use.Resource.Has(path) {
		f.Default = strconv.Itoa(int(od.ConsecutiveLocalOriginFailure))
		words = "consecutiveLocalOriginFailures (not set, default " + f.Default + ")"
	}
	f.Message = words + ": " + why(CodeSplitLocalErrors)
	if after > 0 {
		f.Message += fmt.Sprintf("; %s so here", plural(after, "request failed", "requests failed"))
	}
	f.edits = []edit{set(use.Resource, path, 1)}
	return []Finding{f}
}
