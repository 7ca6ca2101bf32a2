package explain

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// thresholdNotReached: the lost host was charged, and never often enough in a
// row for outlier detection to act.
func thresholdNotReached(t *trace.Trace, im check.Impact, sites []*site) []Finding {
	charged, acted := 0, false
	for a := range t.AllAttempts() {
		if a.Charged && a.At >= im.Since {
			charged++
		}
	}
	for _, c := range t.Changes {
		acted = acted || c.At >= im.Since && c.Event != trace.Detected
	}
	if charged == 0 || acted {
		return nil
	}
	var out []Finding
	for _, s := range sites {
		od := s.cluster.OutlierDetection
		use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection)
		if od == nil || !ok || od.Consecutive5xx <= 1 {
			continue
		}
		path := use.Path + ".consecutive5xxErrors"
		f := Finding{Severity: SeverityInfo, Pos: use.Resource.Where(path), resource: use.Resource.ID()}
		f.Code, f.Field, f.File, f.Line = CodeThresholdNotReached, path, f.Pos.File, f.Pos.Line
		from := strconv.Itoa(int(od.Consecutive5xx))
		words := "consecutive5xxErrors " + from
		if !use.Resource.Has(path) {
			f.Default = from
			words = "consecutive5xxErrors (not set, default " + from + ")"
			from = ""
		}
		f.Message = fmt.Sprintf("%s: %d failures were charged, and never %d in a row on one host, so that nothing was ejected", words, charged, od.Consecutive5xx)
		f.edits = []edit{{
			id: use.Resource.ID(), field: path, from: from, to: "1",
			change: func(m proto.Message) {
				if b := outlierBlock(m, use.Path); b != nil {
					b.Consecutive_5XxErrors = wrapperspb.UInt32(1)
				}
			},
		}}
		out = append(out, f)
	}
	return out
}

// returnCost: the drill passes, but each return of the host that is still
// broken cost requests.
func returnCost(c *schedule.Compiled, t *trace.Trace, im check.Impact) []result.Cause {
	if im.ReturnErrors == 0 {
		return nil
	}
	returns := 0
	for _, e := range t.Changes {
		if e.Event == trace.Returned {
			returns++
		}
	}
	out := result.Cause{Code: CodeReturnCost, Field: "spec.trafficPolicy.outlierDetection.baseEjectionTime"}
	for _, s := range sitesOf(c) {
		if use, ok := s.t.Use(s.cluster.Name, istio.PartOutlierDetection); ok {
			out.Field = use.Path + ".baseEjectionTime"
			pos := use.Resource.Where(out.Field)
			out.File, out.Line = pos.File, pos.Line
			if !use.Resource.Has(out.Field) {
				out.Default = s.cluster.OutlierDetection.BaseEjectionTime.String()
			}
			out.Message = fmt.Sprintf("each return of a host that is still broken can cost requests: %s, %s; it is let back after baseEjectionTime %v times the number of ejections, at a tick of interval %v, and for up to 1s after the return a new ejection may not have reached the workers",
				count(returns, "return"), count(im.ReturnErrors, "client error"), s.cluster.OutlierDetection.BaseEjectionTime, s.cluster.OutlierDetection.Interval)
			break
		}
	}
	return []result.Cause{out}
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
