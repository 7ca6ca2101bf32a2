// Package kindup brings up the kind cluster with Istio that drills are played on,
// and takes it down.
//
//	err := kindup.Up(ctx, kindup.Options{}, say)     // idempotent; says what it does
//	err := kindup.Down(ctx, say)
//
// A cluster is kept as long as it is what Up would make: the images, the versions
// and the configuration have a fingerprint, which is written into the cluster.
// The images are those that hack/airgap built, where it did, else the usual ones, which
// Docker pulls.
package kindup
