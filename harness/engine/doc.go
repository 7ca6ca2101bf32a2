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
// # What is exact, and where Envoy is free
//
// A prediction is one way in which a drill can go. What follows is exact: a live
// run that differs from it did what Envoy does not do.
//
//   - The answer, the response flags and the number of attempts of a request, given
//     the hosts that it met; which failures are retried, and which are charged.
//   - Every counter of outlier detection, what it detects, ejects and refuses, and
//     the tick of every return, counted from the cluster's construction.
//   - The load of each priority, panic, and the priority itself while the loads are
//     100 and 0; how long the merge window holds an update back.
//   - Round robin after its first pick, one counter for each list of hosts, and the
//     picks that a retry's predicate rejected counted too; a schedule of unequal
//     weights but for where it starts.
//   - What circuit breakers refuse, in what order a failed connection fails what
//     waits for it, and what a changed cluster forgets.
//
// Elsewhere Envoy is free. Where one of a few things happens and nobody can know
// which, the engine carries the set; where a number is drawn, the distribution:
//
//	what                                         predicting                 accepting
//	who decays at the first or the second tick   37 : 63, as measured       either (DrawDecay)
//	a change as a merge window ends              by the millisecond         either (DrawMerge)
//	which equal outlier goes under the cap       any                        the one that went (DrawOutlier)
//	which of several returns is told at once     the first                  any of them (DrawReturn)
//	which of several merged updates comes first  the lowest priority's      any of them (DrawTimer)
//	a pick within two thread hops of a change    after both hops (Delays)   before or after it
//	several events of one instant                as they were scheduled     any order of picks
//	where round robin starts                     any                        the first picks say (DrawSeed)
//	the level under a split load                 by load                    any level with load (DrawLevel)
//	locality, zone, random, least request        by weight or uniformly     any host it can be (DrawHost)
//	enforcing percentages of 1 to 99             by percentage              either (DrawSample)
//	the jitter of ejections and look-ups         uniformly                  whatever it must have been (DrawJitter)
//	the jitter of a back-off                     uniformly below its window any wait (DrawBackOff)
//
// Accepting keeps every state that explains what was seen so far. The state is one
// value with Clone; states that cannot differ any more are one. When there are more
// explanations than it follows, the verdict is inconclusive. Shares are held
// against what the prediction says of the same windows, with bounds computed from
// the number of requests (check.Judge); a share that is exactly 0 or 100 % because
// chance has no part in it needs one request.
//
// The rules that it follows, and where Envoy has them, are in rules.go.
//
// It leaves out active health checks, ring hash and maglev, and warming: a cluster
// whose names the DNS does not answer for is there at once, without hosts.
package engine
