package observe

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/trace"
)

// Event is a line of the outlier detection event log.
type Event struct {
	At        time.Time // cut to milliseconds
	Cluster   string
	Host      string // ip:port
	Kind      string // a kind of trace.Change
	Cause     string // the detector, as statistics name it; "" for a return
	AtTick    bool   // hosts are compared when the interval timer fires
	Ejections int32  // so far
}

// cutBy is how much of a time the event log can leave out.
const cutBy = trace.Sec(time.Millisecond)

// Outlier reads an event log. The end of an ejection and the end of a degradation
// look the same there: which one it is follows from the line before it of the same host.
func Outlier(log []byte) ([]Event, error) {
	out, err := lines(log, parseEvent)
	type key struct{ cluster, host string }
	degraded := map[key]bool{}
	for i := range out {
		e := &out[i]
		k := key{e.Cluster, e.Host}
		if e.Kind == trace.Returned && degraded[k] {
			e.Kind = trace.Undegraded
		}
		degraded[k] = e.Kind == trace.Degraded
	}
	return out, err
}

func parseEvent(text []byte) (Event, error) {
	var l outlier.LogLine
	if err := json.Unmarshal(text, &l); err != nil {
		return Event{}, err
	}
	at, err := time.Parse(time.RFC3339, l.Timestamp)
	if err != nil {
		return Event{}, fmt.Errorf("timestamp: %w", err)
	}
	e := Event{At: at, Cluster: l.ClusterName, Host: l.UpstreamURL, Ejections: int32(l.NumEjections)}
	switch l.Action {
	case "UNEJECT":
		e.Kind = trace.Returned
		return e, nil
	case "EJECT", "":
	default:
		return Event{}, fmt.Errorf("unknown action %q", l.Action)
	}
	t, ok := outlier.TypeOfEvent(l.Type)
	if !ok {
		return Event{}, fmt.Errorf("unknown type %q", l.Type)
	}
	e.Cause, e.AtTick = t.String(), t.AtTick()
	switch {
	case t == outlier.Degradation:
		e.Kind = trace.Degraded
	case l.Enforced:
		e.Kind = trace.Ejected
	default:
		e.Kind = trace.Detected
	}
	return e, nil
}
