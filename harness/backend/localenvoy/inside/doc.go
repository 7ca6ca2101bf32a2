// Package inside is what runs in the namespaces of a drill: the fake upstreams, the
// DNS, the control plane, an Envoy for each client, and the load.
//
//	os.Exit(child.Serve(inside.Play, inside.Orphaned))     // the main function of faildrill-live
//
// Play is the first process of its namespaces: with it everything ends. Its files
// are in memory (machine.Machine.Dir), so that nothing is left of them either; what is
// worth keeping goes to the sink as evidence. A job without namespaces is played on
// the loopback interface instead; where they differ is the interface place.
//
// It decides nothing about failover: it carries out steps, reads what Envoy and
// istiod write down, and hands that to package observe.
package inside
