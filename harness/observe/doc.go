// Package observe turns what an Envoy proxy leaves behind - access log, upstream
// log, outlier event log, counters read now and then - into the events of a trace.
//
//	access, err := observe.Access(file)           // one line a request
//	upstream, err := observe.Upstream(file)       // one line an attempt
//	events, err := observe.Outlier(file)          // ejections and returns
//	out := observe.Merge(observe.Input{Schedule: s, Origin: origin, Requests: seen, Clients: ...})
//	for _, e := range out.Events() { sink.Event(e) }
//
// The proxy writes its logs in the formats AccessLog and UpstreamLog, whose
// operators Envoy 1.36 to 1.40 know. Times in them are in microseconds by the wall
// clock, durations in nanoseconds; the event log cuts its times to milliseconds,
// so that an ejection can be written before the answer that caused it: Merge puts
// the one after the other again. A refused ejection has no event but a counter.
//
// Merge is a function of its input: logs that were kept can be merged again. It
// leaves out reading files and asking the proxy, and whether the proxy may behave
// like this: that is check.Accept's.
package observe
