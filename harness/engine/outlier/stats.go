package outlier

// Stats are the cluster's outlier_detection counters.
type Stats struct {
	Detected [types]uint64
	Enforced [types]uint64
	Overflow uint64
	Total    uint64 // deprecated: see allowed
}

// allowed counts the detections that max_ejection_percent lets through, enforced
// or not, in a counter that knows two detectors only.
//
// Rule: RuleDeprecatedCounters.
func (s *Stats) allowed(t Type) {
	if t == Consecutive5xx || t == SuccessRate {
		s.Total++
	}
}

// Stats returns the counters.
func (d *Detector) Stats() Stats { return d.stats }

// Counter is one of Envoy's statistics, as it is named behind
// cluster.NAME.outlier_detection.
type Counter struct {
	Name  string
	Value uint64
}

// Counters are the statistics as Envoy names them, the deprecated ones last. The
// first is a gauge.
//
// Rule: RuleDeprecatedCounters.
func (d *Detector) Counters() []Counter {
	s := &d.stats
	enforced := uint64(0)
	for _, n := range s.Enforced {
		enforced += n
	}
	out := []Counter{{"ejections_active", uint64(d.active)}, {"ejections_enforced_total", enforced}, {"ejections_overflow", s.Overflow}}
	for t := range types {
		out = append(out, Counter{"ejections_detected_" + t.String(), s.Detected[t]})
		if t != Degradation {
			out = append(out, Counter{"ejections_enforced_" + t.String(), s.Enforced[t]})
		}
	}
	return append(out,
		Counter{"ejections_total", s.Total},
		Counter{"ejections_consecutive_5xx", s.Detected[Consecutive5xx]},
		Counter{"ejections_success_rate", s.Detected[SuccessRate] + s.Detected[LocalOriginSuccessRate]},
	)
}
