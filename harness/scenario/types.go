package scenario

// This file is the format: the reference and the JSON schema are generated
// from these types, their tags and their comments. A field's comment is its
// documentation. In a comment's last lines, `Default:` and `Example:` are
// taken apart by the generator. A tag `required` and the list of an `enum`
// tag are checked by the reader.

// Scenario is one drill: mesh configuration, clients, upstreams, a timeline of
// faults, and what is expected.
type Scenario struct {
	// APIVersion is faildrill.dev/v1alpha1.
	APIVersion string `yaml:"apiVersion" required:"true" enum:"faildrill.dev/v1alpha1"`
	// Kind is Scenario.
	Kind string `yaml:"kind" required:"true" enum:"Scenario"`
	// Metadata names and labels the scenario.
	Metadata Metadata `yaml:"metadata" required:"true"`
	// Spec is what happens.
	Spec Spec `yaml:"spec" required:"true"`
}

// Metadata names and labels the scenario.
type Metadata struct {
	// Name is a DNS label: lower-case letters, digits and dashes, at most 63. It is unique among the inputs of one command.
	Name string `yaml:"name" required:"true"`
	// Labels select scenarios (topic, recipe).
	Labels map[string]string `yaml:"labels,omitempty"`
	// Description says what the drill teaches.
	Description string `yaml:"description,omitempty"`
}

// Spec is what happens, to whom, and what should come out.
type Spec struct {
	// Config names files or folders with Istio YAML, relative to this file. Documents after `---` in this file are configuration too.
	Config []string `yaml:"config,omitempty"`
	// Profile is the pair of releases whose rules the prediction follows: an Istio release (`"1.31"`), or `istio=1.31,envoy=1.36`. Quote it: the text decides.
	// Default: "1.31"
	Profile string `yaml:"profile,omitempty"`
	// Duration is how long the drill lasts, at most 24h.
	// Default: the end of the last timeline entry or expectation plus 60s
	Duration Duration `yaml:"duration,omitempty"`
	// Mesh is the part of MeshConfig that matters for failover.
	Mesh *Mesh `yaml:"mesh,omitempty"`
	// Clients are where requests come from, each with a proxy of its own.
	// Default: one client `client` in the locality of the first endpoint, a request every 2s to the first host and port of the configuration
	Clients []Client `yaml:"clients,omitempty"`
	// Upstreams are the fake regional servers.
	// Default: one for each endpoint address, on the ports that it has at 0s (or when a step brings it), healthy
	Upstreams []Upstream `yaml:"upstreams,omitempty"`
	// Timeline is what changes, in order of time.
	Timeline []Step `yaml:"timeline,omitempty"`
	// Expect is what should come out. Without it the drill passes when no request fails after it has settled.
	Expect []Expectation `yaml:"expect,omitempty"`
}

// Mesh is the part of Istio's MeshConfig that matters for failover.
type Mesh struct {
	// ConnectTimeout is how long a proxy waits for a connection.
	// Default: 10s
	ConnectTimeout Duration `yaml:"connectTimeout,omitempty"`
	// LocalityFailover is meshConfig.localityLbSetting.enabled.
	// Default: true
	LocalityFailover *bool `yaml:"localityFailover,omitempty"`
	// Failover is meshConfig.localityLbSetting.failover.
	Failover []RegionFailover `yaml:"failover,omitempty"`
	// DefaultRetryAttempts is meshConfig.defaultHttpRetryPolicy.attempts.
	// Default: 2
	DefaultRetryAttempts *int `yaml:"defaultRetryAttempts,omitempty"`
}

// RegionFailover is one rule of localityLbSetting.failover.
type RegionFailover struct {
	// From is a region.
	From string `yaml:"from" required:"true"`
	// To is the region that takes over.
	To string `yaml:"to" required:"true"`
}

// Client is a workload whose requests are watched.
type Client struct {
	// Name is a DNS label, unique among the clients.
	Name string `yaml:"name" required:"true"`
	// Namespace is where the client runs.
	// Default: default
	Namespace string `yaml:"namespace,omitempty"`
	// Locality is region[/zone[/subzone]]. Give this or nodeLabels, not both.
	Locality string `yaml:"locality,omitempty"`
	// NodeLabels are the labels of the client's node: topology.kubernetes.io/region and zone, topology.istio.io/subzone, or the old failure-domain.beta.kubernetes.io names.
	NodeLabels map[string]string `yaml:"nodeLabels,omitempty"`
	// Labels are the labels of the client's pod.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Traffic is what the client sends.
	Traffic Traffic `yaml:"traffic"`
}

// Traffic is an open loop of requests: one is sent when it is due, whether or not earlier ones are answered.
type Traffic struct {
	// URL is what is requested, with a host of the configuration.
	// Default: http:// and the first host and HTTP port of the configuration
	URL string `yaml:"url,omitempty"`
	// Every is the time between two requests. Give this or rate.
	// Default: 2s
	Every Duration `yaml:"every,omitempty"`
	// Rate is the number of requests in a time: 50/s, 600/m.
	Rate Rate `yaml:"rate,omitempty"`
	// Count ends the traffic after so many requests.
	// Default: as many as the duration holds
	Count int `yaml:"count,omitempty"`
	// Start is when the first request is due.
	// Default: 0s
	Start Duration `yaml:"start,omitempty"`
	// Method is the HTTP method.
	// Default: GET
	Method string `yaml:"method,omitempty"`
	// Headers are sent with every request.
	Headers map[string]string `yaml:"headers,omitempty"`
	// KeepAlive keeps the client's connections open.
	// Default: true
	KeepAlive *bool `yaml:"keepAlive,omitempty"`
	// Concurrency is the most requests in flight; one that is due beyond it waits, and its latency counts from when it was due.
	// Default: 64
	Concurrency int `yaml:"concurrency,omitempty"`
	// Timeout is how long the client waits for an answer.
	// Default: 60s
	Timeout Duration `yaml:"timeout,omitempty"`
}

// Upstream is a fake regional server that answers at an endpoint address of the configuration.
type Upstream struct {
	// Name is a DNS label, unique among the upstreams.
	Name string `yaml:"name" required:"true"`
	// Address is the endpoint address of the configuration: a DNS name or an IP.
	Address string `yaml:"address" required:"true"`
	// Ports are the ports that it listens on, at most 64.
	// Default: the ports that the address has when the configuration has it first
	Ports []int `yaml:"ports,omitempty"`
	// Addresses is how many IP addresses the name resolves to, 1 to 64.
	// Default: 1
	Addresses int `yaml:"addresses,omitempty"`
	// Latency is how long a healthy answer takes.
	// Default: 1ms
	Latency Duration `yaml:"latency,omitempty"`
	// TTL is how long the DNS says that the addresses of the name are good for, in whole seconds: a proxy asks again after it. With 0s it asks after the mesh's dnsRefreshRate, 60s.
	// Default: 30s
	TTL *Duration `yaml:"ttl,omitempty"`
	// TLS is what it shows to clients that begin TLS.
	// Default: TLS with a certificate for the address, on the ports to which the configuration that has the address first begins TLS
	TLS *UpstreamTLS `yaml:"tls,omitempty"`
}

// UpstreamTLS is the TLS of an upstream. Its certificate is valid and issued by a CA that proxies trust, whichever file they take it from.
type UpstreamTLS struct {
	// Ports are those of the upstream's ports that speak TLS.
	// Default: all of them
	Ports []int `yaml:"ports,omitempty"`
	// Names are the names in the certificate: DNS names, also with a wildcard (*.example.com), IPs, and URIs (spiffe://cluster.local/ns/default/sa/httpbin).
	// Default: the address of the upstream
	Names []string `yaml:"names,omitempty"`
	// ClientCertificate says whether clients must show one: required ends the connection after the handshake of a client without, as TLS 1.3 does.
	// Default: none
	ClientCertificate string `yaml:"clientCertificate,omitempty" enum:"none,required"`
}

// Step is one entry of the timeline: a time and exactly one change.
type Step struct {
	// At is when, from the start of the drill. Entries are in order of time, and end before the duration does.
	At Duration `yaml:"at" required:"true"`
	// Name is how reports call this entry.
	Name string `yaml:"name,omitempty"`
	// Apply names a file or folder with Istio YAML; its objects replace those of the same kind, namespace and name, or are added.
	Apply string `yaml:"apply,omitempty" oneof:"change"`
	// Patch changes an object of the configuration as `kubectl patch --type merge` does.
	Patch *Patch `yaml:"patch,omitempty" oneof:"change"`
	// Delete removes an object, written Kind/name or Kind/namespace/name.
	Delete string `yaml:"delete,omitempty" oneof:"change"`
	// Fault breaks an upstream, or what the DNS says about it, until it is healed.
	Fault *Fault `yaml:"fault,omitempty" oneof:"change"`
	// Heal ends the fault of that name.
	Heal string `yaml:"heal,omitempty" oneof:"change"`
	// Restart restarts a part of the mesh's control plane while traffic goes on. The proxies keep what they have until the new one answers. Where there is no control plane nothing happens.
	Restart string `yaml:"restart,omitempty" oneof:"change" enum:"istiod"`
}

// Patch changes one object of the configuration that is in force.
type Patch struct {
	// Kind is that of the object: ServiceEntry.
	Kind string `yaml:"kind" required:"true"`
	// Namespace is where the object is.
	// Default: default
	Namespace string `yaml:"namespace,omitempty"`
	// Name is the object's.
	Name string `yaml:"name" required:"true"`
	// Merge is laid over the object (JSON merge patch, RFC 7386): mappings key by key, null removes a key, and everything else, a list too, takes the place of what is there: {spec: {resolution: STATIC}}.
	Merge Merge `yaml:"merge" required:"true"`
}

// Fault is what one upstream does wrong, or what the DNS says about one: exactly one behaviour, and which requests it meets.
type Fault struct {
	// Name is how heal refers to it, unique among the faults.
	// Default: the upstream and the behaviour, for instance east-refuse or east-nxdomain
	Name string `yaml:"name,omitempty"`
	// Upstream is the name of an upstream. Give this or dns.
	Upstream string `yaml:"upstream,omitempty"`
	// DNS is the name of an upstream, or the DNS name that is its address. Its behaviour is answer or addresses. A proxy hears of it at its next look-up, and at 0s at its first.
	// Of several faults of one name the one that began last counts.
	DNS string `yaml:"dns,omitempty"`

	// Status answers with this HTTP status, 200 to 599.
	Status int `yaml:"status,omitempty" oneof:"behaviour"`
	// Delay answers late by this time, plus up to jitter.
	Delay Duration `yaml:"delay,omitempty" oneof:"behaviour"`
	// Jitter is the most that is added to delay, drawn evenly for each request.
	Jitter Duration `yaml:"jitter,omitempty"`
	// Refuse closes the port: connections are refused.
	Refuse bool `yaml:"refuse,omitempty" oneof:"behaviour"`
	// Blackhole drops packets: connections are neither accepted nor refused.
	Blackhole bool `yaml:"blackhole,omitempty" oneof:"behaviour"`
	// Pause makes the server stand still, as `docker pause` does: connections stay and new ones are accepted, but nothing is answered, and no TLS begins. After the heal what waited is answered.
	Pause bool `yaml:"pause,omitempty" oneof:"behaviour"`
	// Stop ends the server, as `docker kill` does: its connections are closed, requests that run included, and its address answers nobody; the DNS keeps it. The heal starts the server again.
	Stop bool `yaml:"stop,omitempty" oneof:"behaviour"`
	// Partition is a firewall's rule before the server. With drop no packet passes, either way: new connections are not answered, and those that are there stay and are silent; after the heal what waited is sent again.
	// With reject every packet to the server is answered with a TCP reset: new connections are refused, and one that is there ends at its next request.
	Partition string `yaml:"partition,omitempty" oneof:"behaviour" enum:"drop,reject"`
	// Reset accepts the connection, reads the request and resets it before a response byte.
	Reset bool `yaml:"reset,omitempty" oneof:"behaviour"`
	// Hang accepts the request and never answers (headers), or stops in the middle of the answer (body).
	Hang string `yaml:"hang,omitempty" oneof:"behaviour" enum:"headers,body"`
	// SlowBody drips the body over this time.
	SlowBody Duration `yaml:"slowBody,omitempty" oneof:"behaviour"`
	// CloseAfter closes each connection after so many requests.
	CloseAfter int `yaml:"closeAfter,omitempty" oneof:"behaviour"`
	// TLS restarts the upstream with other TLS: a certificate that is expired, for a wrong name (wrongName), or of a CA that nobody trusts (unknownIssuer); clientCertificateRequired turns clients without one away; plaintext answers hellos without TLS.
	TLS string `yaml:"tls,omitempty" oneof:"behaviour" enum:"expired,wrongName,unknownIssuer,clientCertificateRequired,plaintext"`
	// Answer is what the DNS says: NXDOMAIN (no such name) and NODATA (no address) empty the endpoint, and proxies ask again after dnsRefreshRate; SERVFAIL, REFUSED and timeout (no answer) change nothing.
	Answer string `yaml:"answer,omitempty" oneof:"behaviour" enum:"NXDOMAIN,NODATA,SERVFAIL,REFUSED,timeout"`
	// Addresses is what the DNS name resolves to instead: names of upstreams, each with all its addresses, or IPs. An upstream that only stands here needs no endpoint in the configuration.
	// At an IP that no upstream has, connections are refused.
	Addresses []string `yaml:"addresses,omitempty" oneof:"behaviour"`
	// TTL is that of addresses, in whole seconds.
	// Default: the ttl of the upstream
	TTL *Duration `yaml:"ttl,omitempty"`

	// Percentage is the share of requests that it meets, over 0 to 100, drawn for each.
	// Default: 100
	Percentage float64 `yaml:"percentage,omitempty"`
	// First meets only the first n requests after it begins.
	First int `yaml:"first,omitempty"`
	// EveryNth meets every n-th request.
	EveryNth int `yaml:"everyNth,omitempty"`
	// For ends the fault after this time.
	For Duration `yaml:"for,omitempty"`
	// Path meets only requests whose path starts so.
	Path string `yaml:"path,omitempty"`
	// Headers meets only requests that carry these headers.
	Headers map[string]string `yaml:"headers,omitempty"`
	// Port breaks only this port of the upstream.
	Port int `yaml:"port,omitempty"`
}

// Expectation is one thing that has to hold, in a window of time or at an instant.
// Give at (an instant), during (a window), or after with within and for (it holds at the latest within that time, and stays so).
// Without any of them the window is the whole drill.
type Expectation struct {
	// Name is how reports call it, unique among the expectations.
	Name string `yaml:"name" required:"true"`
	// Client is whose requests count.
	// Default: all clients together
	Client string `yaml:"client,omitempty"`

	// At is an instant.
	At *Duration `yaml:"at,omitempty"`
	// During is a window: [from, to]; requests that are due in it count, from included, to not.
	During []Duration `yaml:"during,omitempty"`
	// After is where the search for a moment begins from which it holds.
	After *Duration `yaml:"after,omitempty"`
	// Within is the latest that this moment may come after `after`.
	// Default: 0s
	Within Duration `yaml:"within,omitempty"`
	// For is how long it has to stay so.
	// Default: to the end of the drill
	For Duration `yaml:"for,omitempty"`

	// Share is the share of answered requests by the upstream of the final answer: {east: 100%}. An upstream that is not named is free.
	// Other keys are `locality:us-east1` and `priority:0`. A value is a percentage, or a comparison (">= 30%", "20%..40%").
	Share map[string]Bound `yaml:"share,omitempty"`
	// Errors is the number (`0`, "<= 3") or the share ("1%", "<= 5%") of requests that failed: no answer, or a status of 500 and more.
	Errors *Bound `yaml:"errors,omitempty"`
	// Statuses is the number or share of requests by final status: {"503": 5}. 0 means no answer at all.
	Statuses map[string]Bound `yaml:"statuses,omitempty"`
	// Flags is the number or share of requests by Envoy response flag: {UF: 5}. Backends that cannot see flags say so.
	Flags map[string]Bound `yaml:"flags,omitempty"`
	// Attempts is the number of upstream attempts by upstream, retries included: {east: 15}.
	Attempts map[string]Bound `yaml:"attempts,omitempty"`
	// Requests is the number of requests in the window.
	Requests *Bound `yaml:"requests,omitempty"`
	// Endpoint is the state of one upstream's endpoints, as in the columns of `istioctl proxy-config endpoints`. Needs at.
	Endpoint *EndpointState `yaml:"endpoint,omitempty"`
	// Events is the number of endpoint events in the window by upstream and kind: {east: {ejected: 1, returned: 0}}.
	Events map[string]EventCounts `yaml:"events,omitempty"`
	// Failover bounds the time from the first fault or change to the first request of the remaining error-free run: "<= 5s".
	Failover *DurationBound `yaml:"failover,omitempty"`
	// Return bounds the time from heal to the first request that the healed upstream answers: "<= 90s".
	Return *DurationBound `yaml:"return,omitempty"`
	// Outcome is what the mesh did in the whole drill, as plans name it. A drill whose configuration istiod refuses is not played, and passes only when this says rejected.
	Outcome string `yaml:"outcome,omitempty" enum:"no-impact,fails-over,partial,never-fails-over,total-loss,rejected"`
	// CEL is an expression for everything else; see the page on expressions.
	CEL string `yaml:"cel,omitempty"`
}

// EndpointState is the state of the endpoints of one upstream.
type EndpointState struct {
	// Upstream is the name of an upstream.
	Upstream string `yaml:"upstream" required:"true"`
	// Status is the column STATUS: the health that the control plane gave.
	Status string `yaml:"status,omitempty" enum:"HEALTHY,UNHEALTHY,DRAINING,DEGRADED,UNKNOWN,TIMEOUT"`
	// OutlierCheck is the column OUTLIER CHECK: FAILED while ejected.
	OutlierCheck string `yaml:"outlierCheck,omitempty" enum:"OK,FAILED"`
	// Priority is the priority that the endpoint has in the proxy.
	Priority *int `yaml:"priority,omitempty"`
	// Ejections is how often it has been ejected so far.
	Ejections *Bound `yaml:"ejections,omitempty"`
}

// EventCounts bounds the endpoint events of one upstream.
type EventCounts struct {
	// Ejected counts ejections.
	Ejected *Bound `yaml:"ejected,omitempty"`
	// Returned counts returns after an ejection.
	Returned *Bound `yaml:"returned,omitempty"`
	// Overflow counts ejections that maxEjectionPercent refused.
	Overflow *Bound `yaml:"overflow,omitempty"`
}
