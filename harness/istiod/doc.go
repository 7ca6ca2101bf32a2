// Package istiod runs an unmodified istiod as a child process, without Kubernetes.
//
//	i, err := istiod.Start(ctx, istiod.Options{Binary: "pilot-discovery", Dir: dir, Documents: documents})
//	defer i.Stop()
//	err = i.SetConfig(ctx, changed)           // istiod's own words when it refuses
//
// istiod reads its objects from a folder that holds one file, so that a change
// is one change. It insists on a Kubernetes API server, which is a Stub: empty,
// silent, on the loopback. An Envoy connects to GRPCAddr in plain text. Fetch does
// the same as an Envoy would, and returns clusters, endpoints, listeners and
// routes of one push as Envoy's messages:
//
//	s, err := istiod.Fetch(ctx, i.GRPCAddr(), istiod.Node{Namespace: "default"}, nil)
//	config, unread := s.Read()
//
// Read turns them into the values of harness/xds and lists the fields that those
// have no place for.
//
// Left out on purpose: TLS between istiod and its proxies, certificates, and
// knowing whether a push reached a proxy: that is the proxy's own counter.
package istiod
