// Package istiod runs an unmodified istiod as a child process, without Kubernetes.
//
//	i, err := istiod.Start(ctx, istiod.Options{Binary: "pilot-discovery", Dir: dir, Documents: documents})
//	defer i.Stop()
//	err = i.SetConfig(ctx, changed)           // istiod's own words when it refuses
//
// istiod reads its objects from a folder that holds one file, so that a change
// is one change. It insists on a Kubernetes API server, which is a Stub: empty,
// silent, on the loopback. An Envoy connects to GRPCAddr in plain text.
//
// Left out on purpose: TLS between istiod and its proxies, certificates, and
// knowing whether a push reached a proxy: that is the proxy's own counter.
package istiod
