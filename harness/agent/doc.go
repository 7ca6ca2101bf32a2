// Package agent is what does a drill's work inside of a cluster: it sends a
// client's requests from its pod, asks the proxy beside it, reads the proxy's
// logs, and answers for the scenario's names. The harness talks to it over one
// stream, which is a `kubectl exec` for as long as the run lasts.
//
//	c := agent.Connect(stream)                 // in the harness
//	do, err := c.Load(ctx, &client.Load)       // a probe.Do whose requests leave the pod
//	stats, err := c.Get(ctx, "http://127.0.0.1:15000/stats")
//
//	err := agent.Serve(ctx, os.Stdin, os.Stdout)    // in the pod
//
// Both ways go JSON objects, a line each. A call has a number, and so has the reply to
// it; replies come in any order. The agent asks in turn what a name resolves to.
// When the stream ends, everything that it began ends.
package agent
