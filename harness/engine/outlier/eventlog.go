package outlier

import (
	"encoding/json"
	"strconv"
	"time"
)

// LogLine is a line of the file that event_log_path names
// (data.cluster.v3.OutlierDetectionEvent), its fields in Envoy's order.
type LogLine struct {
	Type                string `json:"type"`
	Timestamp           string `json:"timestamp"`
	SecsSinceLastAction string `json:"secs_since_last_action,omitempty"`
	ClusterName         string `json:"cluster_name"`
	UpstreamURL         string `json:"upstream_url"`
	Action              string `json:"action"` // EJECT, UNEJECT
	NumEjections        uint32 `json:"num_ejections"`
	Enforced            bool   `json:"enforced"`

	Consecutive       *struct{}        `json:"eject_consecutive_event,omitempty"`
	SuccessRate       *LogSuccessRate  `json:"eject_success_rate_event,omitempty"`
	FailurePercentage *LogHostFailures `json:"eject_failure_percentage_event,omitempty"`
}

// LogSuccessRate is in whole percent, cut.
type LogSuccessRate struct {
	Host      uint32 `json:"host_success_rate"`
	Average   uint32 `json:"cluster_average_success_rate"`
	Threshold uint32 `json:"cluster_success_rate_ejection_threshold"`
}

// LogHostFailures is in whole percent, cut.
type LogHostFailures struct {
	Host uint32 `json:"host_success_rate"`
}

// String is the line as Envoy writes it.
func (l LogLine) String() string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // numbers and text only
	}
	return string(b)
}

// Log is what Envoy's event log says of an event; origin is the time of day at
// time 0. Nothing is said of an overflow. A detection that was not enforced has
// a line. A return has the type that is the first of its list, and so has the
// end of a degradation.
//
// Rule: RuleEventLog.
func (e *Event) Log(cluster, address string, origin time.Time) (l LogLine, ok bool) {
	l = LogLine{Timestamp: logTime(origin.Add(time.Duration(e.At))), ClusterName: cluster, UpstreamURL: address, NumEjections: e.Ejections}
	if e.SinceLast >= 0 {
		l.SecsSinceLastAction = strconv.FormatInt(e.SinceLast/int64(time.Second), 10)
	}
	switch e.Verdict {
	case Returned, Undegraded:
		l.Type, l.Action = typeNames[Consecutive5xx].event, "UNEJECT"
		return l, true
	case Ejected, Unenforced, Degraded:
		l.Type, l.Action, l.Enforced = typeNames[e.Type].event, "EJECT", e.Verdict != Unenforced
		l.found(e)
		return l, true
	case Overflow, Dropped:
	}
	return LogLine{}, false
}

// found is the part of the line that says what the host was found by.
func (l *LogLine) found(e *Event) {
	switch e.Type {
	case SuccessRate, LocalOriginSuccessRate:
		l.SuccessRate = &LogSuccessRate{uint32(e.Rates.Host), uint32(e.Rates.Average), uint32(e.Rates.Threshold)}
	case FailurePercentage, LocalOriginFailurePercentage:
		l.FailurePercentage = &LogHostFailures{uint32(e.Rates.Host)}
	default:
		l.Consecutive = &struct{}{}
	}
}

// logTime has milliseconds, unless they are zero.
func logTime(at time.Time) string {
	at = at.UTC().Truncate(time.Millisecond)
	if at.Nanosecond() == 0 {
		return at.Format("2006-01-02T15:04:05Z")
	}
	return at.Format("2006-01-02T15:04:05.000Z")
}

// TypeOfEvent is the detector that the event log names so. A log in JSON leaves
// the name out where it is the first of Envoy's list.
func TypeOfEvent(name string) (Type, bool) {
	if name == "" {
		return Consecutive5xx, true
	}
	for t, n := range typeNames {
		if n.event == name {
			return Type(t), true
		}
	}
	return 0, false
}
