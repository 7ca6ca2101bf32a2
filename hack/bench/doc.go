// Command bench measures what the README promises beside programs that do a
// comparable thing, all in one run:
//
//	hack/bench.sh                      every figure
//	hack/bench.sh -only prober         one of them: engine, scale, hour, prober, start, plan, envoy
//	hack/bench.sh -only kind -rounds 3 faildrill kind up, beside the same by hand; needs Docker, takes minutes
//
// A machine that is busy slows both sides, so what a goal is held to is the
// ratio inside one run. A figure runs each of its rows once a round, in turn,
// and prints medians with the least and the most. What neighbours do to the slowest
// requests is more than what tools differ by: figure envoy wants the machine to itself,
// or to come first on it (chrt -r 5 hack/bench.sh -only envoy).
//
// The module's path lets it import grpc-go's hierarchy package, without which
// its priority and weighted_target balancers cannot be driven from outside.
package main
