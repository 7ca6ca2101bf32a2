// Package incluster is a drill inside of a Kubernetes cluster that has Istio: a
// namespace of its own with the client's workloads, whose sidecars are injected, a
// DNS server that knows the scenario's names, and the user's configuration as it
// is. What differs between clusters - where the fake upstreams run - is an Upstreams.
//
// The proxies' logs lie in a volume that the client's container shares, so that the
// agent there reads them (package agent); an EnvoyFilter of the namespace makes the
// proxies write them, and changes no decision.
package incluster
