// Package kube is what a drill needs of a cluster's API: objects applied and
// removed, pods that are ready, and a stream to a program in a pod.
//
//	c, err := kube.New(kubeconfig, context)
//	err = c.Apply(ctx, objects...)                           // server-side, as FieldManager
//	pod, err := c.Ready(ctx, namespace, "app=sleep")
//	stream, err := c.Exec(ctx, namespace, pod, "sleep", "/faildrill-agent", "serve")
//
// Every call ends when its context does: an API server that does not answer is an
// error of one sentence, not a hang.
package kube
