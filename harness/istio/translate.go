package istio

import (
	"slices"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// Client is the workload whose sidecar is configured.
type Client struct {
	Name      string
	Namespace string            // "" is "default"
	Locality  xds.Locality      // used unless Labels carry a locality
	Labels    map[string]string // of the workload, with its node's topology labels if they are known
	Network   string            // "" is none
}

// Mesh is the mesh configuration as far as it decides; the zero value is Istio's defaults.
type Mesh struct {
	RootNamespace        string        // "" is istio-system
	Domain               string        // "" is cluster.local
	TrustDomain          string        // of identities; "" is cluster.local
	ConnectTimeout       time.Duration // 0 is 10 s
	DNSRefreshRate       time.Duration // of failed look-ups; 0 is 60 s (5 s before Istio 1.14)
	LocalityEnabled      *bool         // localityLbSetting.enabled; nil is true
	Failover             []Failover    // localityLbSetting.failover
	FailoverPriority     []string      // localityLbSetting.failoverPriority
	Distribute           []Distribute  // localityLbSetting.distribute
	DefaultRetryAttempts *int          // defaultHttpRetryPolicy.attempts; nil is Istio's own policy, 0 switches retries off
}

// Failover sends a region's clients to another region when their own has failed.
type Failover struct{ From, To string }

// Distribute shares out the traffic of one locality: percent by locality pattern.
type Distribute struct {
	From string
	To   map[string]uint32
}

// Translation is what istiod makes of the resources for one client, and what could not be translated.
type Translation struct {
	Config xds.Config

	// NotModelled has every field and kind that no rule reads, in file order.
	NotModelled []NotModelled
	// Rejected has what istiod's validation refuses. It keeps a rejected object
	// out of the mesh; Config is what it would mean if it were let in.
	Rejected []Problem
	// Warnings has what is accepted and does nothing.
	Warnings []Problem
	// Crash is set when the configuration kills istiod itself.
	Crash *Problem
	// Uses says where each part of Config comes from.
	Uses []Use
}

// Problem is a finding about one resource.
type Problem struct {
	Pos      Position `json:"pos"`
	Resource string   `json:"resource"` // as Resource.ID
	Field    string   `json:"field"`    // path in the document; "" is the whole
	Message  string   `json:"message"`
}

func (p Problem) String() string { return p.Pos.String() + ": " + p.Message }

// Part names the part of the configuration that a Use explains.
type Part string

// The parts. A policy is where the cluster's trafficPolicy is or would be
// written: the place for a block that is missing.
const (
	PartService          Part = "service"
	PartEndpoint         Part = "endpoint"
	PartPolicy           Part = "policy"
	PartOutlierDetection Part = "outlierDetection"
	PartLoadBalancer     Part = "loadBalancer"
	PartLocality         Part = "localityLbSetting"
	PartConnectionPool   Part = "connectionPool"
	PartTLS              Part = "tls"
	PartRoute            Part = "route"
	PartRetries          Part = "retries"
	PartTimeout          Part = "timeout"
)

// Use says which field of which resource gave one part of the configuration.
// A part that is left to defaults has none.
type Use struct {
	Part     Part
	Cluster  string // the cluster's name; for the parts of a route, the cluster it leads to
	Resource *Resource
	Path     string // of the block in the resource: "spec.trafficPolicy.outlierDetection", "spec.endpoints[1]"

	// For PartEndpoint, where the endpoint is: Cluster.Localities[Group].Endpoints[Index].
	Group, Index int
	// For the parts of a route, the name of its virtual host.
	VirtualHost string
}

// Pos is where the used field is written.
func (u Use) Pos() Position { return u.Resource.Where(u.Path) }

// Use returns the first use of that part for the cluster.
func (t *Translation) Use(cluster string, part Part) (Use, bool) {
	for _, u := range t.Uses {
		if u.Cluster == cluster && u.Part == part {
			return u, true
		}
	}
	return Use{}, false
}

// EndpointUse returns what gave Cluster.Localities[group].Endpoints[index].
func (t *Translation) EndpointUse(cluster string, group, index int) (Use, bool) {
	for _, u := range t.Uses {
		if u.Cluster == cluster && u.Part == PartEndpoint && u.Group == group && u.Index == index {
			return u, true
		}
	}
	return Use{}, false
}

// Translate returns the clusters and routes that istiod of that profile pushes
// to the client. It never fails and never changes its arguments.
func Translate(resources []*Resource, client Client, mesh Mesh, p Profile) Translation {
	t := &translator{v: p.versions(), mesh: mesh.withDefaults(), used: map[*Resource]bool{}}
	t.mesh.refresh(t.v)
	t.client = t.complete(client)

	resources = inOrder(resources)
	t.validate(resources)
	t.services = t.visibleServices(resources)
	t.rules = t.indexRules(resources)
	for _, s := range t.services {
		t.addClusters(s)
	}
	t.addRoutes(resources)
	t.listNotModelled(resources)
	t.warnUnused(resources)
	return t.out
}

type translator struct {
	v        versions
	mesh     meshSettings
	client   Client
	services []*service
	listed   []listing // the ServiceEntries behind them, unmerged, in istiod's order
	rules    ruleIndex
	used     map[*Resource]bool // the resources that shaped something this client gets
	out      Translation
}

// meshSettings is Mesh with the defaults written out and the locality setting as Istio's own message.
type meshSettings struct {
	Mesh
	locality *networking.LocalityLoadBalancerSetting // nil: switched off
}

func (m Mesh) withDefaults() meshSettings {
	if m.RootNamespace == "" {
		m.RootNamespace = "istio-system"
	}
	if m.Domain == "" {
		m.Domain = "cluster.local"
	}
	if m.TrustDomain == "" {
		m.TrustDomain = "cluster.local"
	}
	if m.ConnectTimeout == 0 {
		m.ConnectTimeout = 10 * time.Second
	}
	s := meshSettings{Mesh: m}
	if m.LocalityEnabled == nil || *m.LocalityEnabled {
		l := &networking.LocalityLoadBalancerSetting{FailoverPriority: m.FailoverPriority}
		for _, f := range m.Failover {
			l.Failover = append(l.Failover, &networking.LocalityLoadBalancerSetting_Failover{From: f.From, To: f.To})
		}
		for _, d := range m.Distribute {
			l.Distribute = append(l.Distribute, &networking.LocalityLoadBalancerSetting_Distribute{From: d.From, To: d.To})
		}
		s.locality = l
	}
	return s
}

// refresh fills in the one mesh default that depends on the release.
// Rule: RuleDNSRefreshMinute, pkg/config/mesh/mesh.go: DefaultMeshConfig.
func (m *meshSettings) refresh(v versions) {
	switch {
	case m.DNSRefreshRate != 0:
	case v.has(RuleDNSRefreshMinute):
		m.DNSRefreshRate = 60 * time.Second
	default:
		m.DNSRefreshRate = 5 * time.Second
	}
}

// complete gives the client its locality and the labels that istiod adds.
func (t *translator) complete(c Client) Client {
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	c.Locality = t.clientLocality(c)
	c.Labels = augmentLabels(c.Labels, c.Locality, c.Network)
	return c
}

// inOrder sorts by name, then namespace: the order that istiod falls back to
// among objects of one age, which is what objects of one file have. Services
// have an order of their own, byNamespace.
func inOrder(resources []*Resource) []*Resource {
	var sorted []*Resource
	for _, r := range resources {
		if r != nil && (r.Spec == nil || r.Spec.ProtoReflect().IsValid()) {
			sorted = append(sorted, r)
		}
	}
	slices.SortStableFunc(sorted, func(a, b *Resource) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.Namespace, b.Namespace)
	})
	return sorted
}

func (t *translator) use(u Use) {
	t.used[u.Resource] = true
	t.out.Uses = append(t.out.Uses, u)
}
