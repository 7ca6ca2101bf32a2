// Package sandbox gives a program a machine of its own for a drill: namespaces in
// which the endpoints' real addresses and ports can be used, from which nothing
// reaches the outside, and of which nothing is left when the first process ends.
//
//	if err := sandbox.Check(); err != nil { ... }       // why there are none
//	cmd := sandbox.Command("/path/to/program")          // its namespaces are new
//	cmd := sandbox.Group("/path/to/program")            // without namespaces: a process group
//
// What the program makes of them is in package machine, which has libraries that
// this one leaves out.
package sandbox

import "errors"

// ErrUnavailable says that the system does not give this process namespaces.
var ErrUnavailable = errors.New("no namespaces")
