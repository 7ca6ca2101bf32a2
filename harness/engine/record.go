package engine

import (
	"time"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/trace"
)

// LoadEvent is the cluster's priority load as a trace event.
func (c *Cluster) LoadEvent(client int32, now int64) trace.Load {
	l := c.Loads()
	e := trace.Load{At: trace.Sec(now), Client: client, Cluster: c.cfg.Name, Percent: []int32{}, Panic: []bool{}}
	for p := range l.Levels() {
		e.Percent = append(e.Percent, int32(l.Percent(p)))
		e.Panic = append(e.Panic, l.Panic(p))
	}
	return e
}

// ChangeEvent is a change of a host, which it has just decided, as a trace
// event. LoadChanged is LoadEvent's.
func (c *Cluster) ChangeEvent(client int32, ch Change) trace.Change {
	e := trace.Change{At: trace.Sec(ch.At), Client: client, Host: c.hosts[ch.Host].Trace, Ejections: int32(ch.Ejections)}
	switch ch.Kind {
	case HostEjected:
		e.Event, e.Cause, e.Until = trace.Ejected, ch.Type.String(), trace.Sec(ch.Until)
	case HostReturned:
		e.Event = trace.Returned
	case EjectionOverflow:
		e.Event, e.Cause = trace.OverflowEvent, ch.Type.String()
	case EjectionUnenforced:
		e.Event, e.Cause = trace.Detected, ch.Type.String()
	case HostDegraded:
		e.Event, e.Cause, e.Until = trace.Degraded, ch.Type.String(), trace.Sec(ch.Until)
	case HostUndegraded:
		e.Event = trace.Undegraded
	case HostAdded:
		e.Event = trace.Added
	case HostRemoved:
		e.Event = trace.Removed
	case LoadChanged:
	}
	return e
}

// LogLine is the line that Envoy's event log has for a change; origin is the time
// of day at the start of the drill. It has none for an overflow and for loads.
//
// Rule: RuleEventLog.
func (c *Cluster) LogLine(ch *Change, origin time.Time) (outlier.LogLine, bool) {
	if ch.Kind == LoadChanged {
		return outlier.LogLine{}, false
	}
	return ch.Log(c.cfg.Name, c.hosts[ch.Host].Address, origin)
}
