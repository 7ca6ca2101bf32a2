// Package check decides what a trace means.
//
//	v := check.Judge(expectations, tr, prediction)       // verdicts, one an expectation
//	o := check.Outcome(tr)                               // what the mesh did
//	d := check.Accept(schedule, tr)                      // may a proxy behave like this?
//	c, err := check.Config(predicted, dump)              // has it the configuration that was predicted?
//
// Expectations are read on windows of time or at instants. Nothing passes
// because nothing happened: a window without requests, or a fault that nobody
// saw, is inconclusive. Where chance decides, the tolerance is computed from
// the number of requests at an error rate of ErrorRate an expectation; what the
// prediction gives as exactly none or all is not chance, and one request
// decides.
//
// Everything here is a function of values. It leaves out explaining why: that
// is package explain.
package check
