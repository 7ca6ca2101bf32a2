// Package differential draws random small drills, and packs many of them into one
// that a single Envoy plays.
//
//	a := differential.Draw(seed, 0, profile)                 // small drills, each of one client
//	b := differential.Draw(seed, 1, profile)
//	p := differential.Pack([]*schedule.Schedule{a, b}, seed) // one schedule of two clients
//	err := backend.Play(ctx, p.Schedule, &collector)
//	ts := p.Split(&collector.Trace)                          // a trace of each
//	verdict := differential.Judge(a, ts[0])                  // by check.Accept
//	small := differential.Smaller(a)                         // candidates that are simpler
//
// What is drawn is what the engine models of a cluster whose endpoints do not
// change: load balancing, priorities, panic, outlier detection, retries, timeouts
// and circuit breakers, under faults that an HTTP server can have. The clients of a
// packed drill share nothing but the proxy's threads.
//
// It leaves out discovery, pushes, TLS and HTTP/2, and lost packets, which no
// server on the same machine can bring about by itself.
package differential
