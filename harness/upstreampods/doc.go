// Package upstreampods runs the fake upstreams of a drill as pods of its namespace, one
// for each address, where nothing but the namespace is ours.
//
//	u := upstreampods.New(schedule, certificates, cluster, upstreampods.Options{Namespace: "drill", Run: run, Image: image})
//	err := u.Start(ctx)
//	u.Addresses()                          // where each address of the schedule is
//	err = u.Apply(ctx, upstream, fault)
//	err = u.Stop(ctx)                      // hangs up; the pods are removed by their label
//
// A pod's control API listens on its loopback interface alone: it is asked through an
// agent that is started in the same container, so that the rights of `kubectl exec` are
// enough and nobody else in the cluster can reach it. Pods that are paused, killed or cut off
// would need rights on nodes; those faults are not here.
package upstreampods
