// Package engine predicts, request by request, what an Envoy proxy does while
// its upstreams fail.
//
//	tr := engine.Play(schedule)               // a drill in virtual time: the prediction
//
//	c := engine.NewCluster(cfg, rules, hosts, engine.Delays{}, now, &chooser)
//	h := c.Pick(tried, policy, &chooser)      // the same machine as a proxy's brain
//	c.Report(now, h, outlier.ConnectFailed, 0, &chooser, tell)
//	c.Advance(now, &chooser, tell)            // ticks, merged updates
//	fmt.Print(c.Draw())                       // its state as text
//
// A Cluster is the state machine of one cluster of one proxy; it is made of the
// parts in the packages below, each of which can be read beside Envoy's
// documentation. World time, requests, retries, connection pools and upstreams
// are added by Play. Every draw and every tie goes through one Chooser: the seed
// decides when predicting, the observation when a live trace is accepted (check.Accept).
//
// What is exact and what is free:
//
//   - exact: status, flags, retries, which priority when loads are 100 and 0,
//     every counter, ejections, refusals, the tick of a return, round robin after
//     its first pick, schedules by weight but for where they start;
//   - either: whether the back-off multiplier decays at the first or the second
//     tick after a return; which of several outliers a tick ejects when not all may
//     go; what a pick within the two thread hops of a health change has seen; which
//     of several events of one instant comes first; which of several hosts that
//     return in one tick the workers hear of at once;
//   - chance: the priority under a split load, where a schedule of localities
//     starts, zone-aware routing, random and least request, the jitter of retries
//     and of ejections, enforcing percentages between 0 and 100.
//
// The rules that it follows, and where Envoy has them, are in rules.go.
//
// It leaves out active health checks, ring hash and maglev, and DNS that changes
// during a drill.
package engine
