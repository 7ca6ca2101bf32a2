// Command bench measures what the README promises beside programs that do a
// comparable thing, all in one run:
//
//	hack/bench.sh                      every figure
//	hack/bench.sh -only prober         one of them: engine, scale, hour, prober, start, plan
//
// A machine that is busy slows both sides, so what a goal is held to is the
// ratio inside one run. A figure runs each of its rows once a round, in turn,
// and prints medians with the least and the most.
//
// The module's path lets it import grpc-go's hierarchy package, without which
// its priority and weighted_target balancers cannot be driven from outside.
package main
