package engine

import "github.com/faildrill/faildrill/harness/trace"

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
	e := trace.Change{At: trace.Sec(ch.At), Client: client, Host: c.hosts[ch.Host].Trace, Ejections: int32(c.Ejections(ch.Host))}
	switch ch.Kind {
	case HostEjected:
		e.Event, e.Cause, e.Until = trace.Ejected, ch.Type.String(), trace.Sec(ch.Until)
	case HostReturned:
		e.Event = trace.Returned
	case EjectionOverflow:
		e.Event, e.Cause = trace.OverflowEvent, ch.Type.String()
	case EjectionUnenforced:
		e.Event, e.Cause = trace.Detected, ch.Type.String()
	case LoadChanged:
	}
	return e
}
