// Package probe sends requests when they are due, not when the one before has
// been answered, and says what became of each.
//
//	do, closeIdle, err := probe.HTTP(probe.HTTPOptions{URL: "http://mydb.com/", Timeout: time.Second})
//	defer closeIdle()
//	load := probe.Load{Every: 2 * time.Second, Duration: time.Minute}
//	summary, err := probe.Run(ctx, probe.Clock{}, load, do, func(r probe.Result) { fmt.Println(r.Due, r.Status) })
//	fmt.Println(summary.Latency.P99, summary.Lateness.P99, summary.Pacer)
//
// Clients of a service that hangs do not stop coming, so the load is open: a
// slow answer delays no later request, and latency counts from the instant at
// which a request was due. What the probe itself was late is measured too, so
// that a busy machine is not taken for a slow mesh.
//
// Left out on purpose: retries, redirects and connection draining (what is sent
// is one attempt, as an application without any of these would make it),
// ramps and bursts, and any judgement of the results.
package probe
