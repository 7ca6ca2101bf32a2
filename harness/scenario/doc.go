// Package scenario reads what people have: scenarios, and plain Istio YAML.
//
//	inputs, err := scenario.Load(scenario.Disk(), []string{"scenarios/failover/"})
//	if err != nil {
//		return err // scenario.Problems: everything that is wrong, as file:line:col: message
//	}
//	for _, in := range inputs {
//		scenario.Defaults(in)
//		clusters := istio.Translate(in.Resources, ...)
//	}
//
// Reading is strict and complete: YAML nodes are checked against the format's
// own types (types.go) or against the protobuf descriptors of the Istio API, so
// that a field that nobody would read is an error with its place, what was
// found, and what was expected. All problems come in one go, in order of file,
// line and column. A scalar's text decides: an unquoted 1.30 is not 1.3.
//
// What a scenario says is checked as far as it can be without translating the
// configuration: names, references, times, shares, addresses. What is left out
// on purpose: whether Istio's own admission would refuse a resource (package
// istio), whether a profile is known, whether a CEL expression compiles (both
// come in through Files.Checks), and everything about what will happen.
package scenario
