// Package istio translates Istio resources to the clusters and routes that istiod pushes to one client.
//
//	p, _ := istio.ParseProfile("1.31")
//	t := istio.Translate(resources, istio.Client{Namespace: "default",
//	        Locality: xds.Locality{Region: "us-east1"}}, istio.Mesh{}, p)
//	east := t.Config.Cluster("outbound|80||mydb.com").Localities[0] // priority 0
//	for _, n := range t.NotModelled { fmt.Println(n) }
//
// It is pure: values in, values out, no cluster, no clock, no client library.
// Each rule names the function of istio/istio that it follows, and carries an ID
// from the list in rules.go; what differs between releases is in the table of
// version.go and nowhere else. Every field of a resource that no rule reads ends
// in Translation.NotModelled, found by walking the messages (notmodelled.go), so
// that nothing is dropped in silence.
//
// Left out on purpose: gateways, waypoints and ambient mode; listeners, so also
// TCP and TLS routes; Sidecar and EnvoyFilter; Kubernetes Services and pods as
// endpoints; creation times, for which resource names stand in, the order that
// istiod itself falls back to; the certificates that a secret's name stands for.
package istio
