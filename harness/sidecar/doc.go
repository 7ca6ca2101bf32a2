// Package sidecar asks one Envoy, through its admin interface, for what a live
// backend needs to know of it, and brings what several of them wrote down into a
// trace. Where the Envoy runs - beside this process, or in a pod - is the
// backend's matter: it hands over a function that asks, and the logs.
//
//	x := &sidecar.Proxy{Name: "sleep", Ask: get}
//	err = x.Mark(step)                                        // before a configuration is handed over
//	err = x.TakenSince(ctx, await, step, quiet)               // after it
//	client, err := x.Left(logs)                               // at the end: what is known of it
//
//	book := sidecar.NewBook(schedule, sink)                   // the sink of live.Play
//	answer, err := x.Get(sidecar.ClustersPath)
//	rows, err := book.Rows(x, 0, answer, at)                  // the endpoint table, now
//	out := book.Tell(origin, []observe.Client{client})        // at the end: the trace
package sidecar
