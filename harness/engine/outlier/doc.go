// Package outlier ejects hosts the way Envoy does.
//
// A Detector watches the hosts of one cluster. Results of upstream attempts go
// in, detections come out; what a detection leads to is decided apart from it,
// because Envoy decides on its main thread, a moment later:
//
//	d := outlier.New(cfg, rules, 2, now)
//	ds := d.Report(host, outlier.ConnectFailed, 0)
//	for _, t := range ds.List() {
//	        e := d.Detected(now, host, t, chance)   // e.Verdict: Ejected, Overflow, ...
//	}
//	for d.NextTick() <= now {
//	        d.OnInterval(chance, func(e outlier.Event) { ... })
//	}
//
// Time is in nanoseconds from any origin, and Chance decides what Envoy draws a
// number for. The files follow Envoy's page "Outlier detection":
//
//	results.go            what the router reports, and what it counts as
//	consecutive.go        consecutive 5xx, gateway failures, local origin failures
//	interval.go           what the interval timer does, in its order
//	rates.go              the windows, and who is compared with whom
//	successrate.go        success rate
//	failurepercentage.go  failure percentage
//	ejection.go           whether a detection ejects, for how long, and the return
//	degraded.go           degraded hosts
//	stats.go              the statistics
//	eventlog.go           the event log
//
// Rules: that page, and source/common/upstream/outlier_detection_impl.cc. Not
// here: active health checks and what they uneject, runtime overrides.
package outlier
