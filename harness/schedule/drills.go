package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/xds"
)

// The load of a generated drill: a few requests, the loss between two of them,
// and two minutes of watching what becomes of it.
const (
	requestsBefore = 5
	requestEvery   = 2 * time.Second
	lossAt         = requestsBefore*requestEvery - 500*time.Millisecond
	watched        = 2 * time.Minute
	// Off the full second, so that no request meets a tick of a whole-second interval.
	firstRequest = 300 * time.Millisecond
)

// ClientOverride replaces the clients that Drills would assume.
type ClientOverride struct {
	Namespace string
	Locality  string
	Labels    map[string]string
}

// Drills makes the drills of plain Istio YAML: for every HTTP host and port,
// one client in each region that the endpoints are in, which loses each
// endpoint, and each locality of more than one endpoint, in turn.
func Drills(in *scenario.Input, o Options, override *ClientOverride) ([]*Drill, error) {
	p := istio.DefaultProfile()
	if o.Profile != nil {
		p = *o.Profile
	}
	var drills []*Drill
	of := &shared{configs: [][]*istio.Resource{in.Resources}}
	at := map[string]int{}
	upstreams := scenario.DefaultUpstreams(in)
	for i, u := range upstreams {
		at[canonical(u.Address)] = i
	}
	for _, svc := range services(in, override, p) {
		var own []scenario.Upstream
		for _, i := range svc.upstreams(at) {
			own = append(own, upstreams[i])
		}
		for _, cl := range clientsFor(svc, override) {
			for _, lost := range losses(svc) {
				d, err := newDrill(in, o, p, svc, cl, lost, own)
				if err != nil {
					return nil, err
				}
				d.shared = of
				drills = append(drills, d)
			}
		}
	}
	return drills, nil
}

// service is one host and port that a client can call.
type service struct {
	host      string
	port      uint32
	endpoints []endpoint
	addresses map[string]bool // of all clusters that requests to the host can reach
}

// reached is the part of a configuration that requests to a host can meet. A
// generated drill plays no more of it: there are as many drills as endpoints, and
// each would play every service of the mesh.
func reached(c *xds.Config, host string) xds.Config {
	out := xds.Config{Clusters: []xds.Cluster{}, VirtualHosts: []xds.VirtualHost{}}
	for _, v := range c.VirtualHosts {
		if v.Matches(host) {
			out.VirtualHosts = append(out.VirtualHosts, v)
		}
	}
	for _, k := range c.Clusters {
		leads := func(r xds.Route) bool { return r.Cluster == k.Name }
		if slices.ContainsFunc(out.VirtualHosts, func(v xds.VirtualHost) bool { return slices.ContainsFunc(v.Routes, leads) }) {
			out.Clusters = append(out.Clusters, k)
		}
	}
	return out
}

type endpoint struct {
	address  string
	locality xds.Locality
}

// upstreams are the places of those that serve the addresses, in order.
func (s *service) upstreams(at map[string]int) []int {
	var out []int
	for a := range s.addresses {
		if i, ok := at[a]; ok {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// services are the HTTP services of the configuration, with the endpoints of
// the cluster that a request to them reaches.
func services(in *scenario.Input, o *ClientOverride, p istio.Profile) []service {
	c := istio.Client{Namespace: "default"}
	if o != nil {
		c.Namespace, c.Labels = orDefault(o.Namespace, "default"), o.Labels
	}
	t := istio.Translate(in.Resources, c, istio.Mesh{}, p)
	var out []service
	for _, v := range t.Config.VirtualHosts {
		if len(v.Routes) == 0 || len(v.Domains) == 0 || strings.HasPrefix(v.Domains[0], "*") {
			continue
		}
		cluster := t.Config.Cluster(v.Routes[0].Cluster)
		if cluster == nil {
			continue
		}
		s := service{host: v.Domains[0], port: v.Port, addresses: map[string]bool{}}
		meets := reached(&t.Config, s.host)
		for _, k := range meets.Clusters {
			for _, l := range k.Localities {
				for _, e := range l.Endpoints {
					s.addresses[canonical(e.Address)] = true
				}
			}
		}
		for _, l := range cluster.Localities {
			for _, e := range l.Endpoints {
				s.endpoints = append(s.endpoints, endpoint{e.Address, l.Locality})
			}
		}
		if len(s.endpoints) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// generatedClient is a client of a generated drill with what was assumed for it.
type generatedClient struct {
	scenario.Client
	words   string
	assumed string
}

// clientsFor is one client a region, in the order of the endpoints.
func clientsFor(s service, o *ClientOverride) []generatedClient {
	if o != nil {
		words := "the client"
		if o.Locality != "" {
			words = o.Locality
		}
		return []generatedClient{{
			Client: scenario.Client{Name: "client", Namespace: orDefault(o.Namespace, "default"), Locality: o.Locality, Labels: o.Labels},
			words:  words,
		}}
	}
	var out []generatedClient
	seen := map[string]bool{}
	for _, e := range s.endpoints {
		r := e.locality.Region
		if r == "" || seen[r] {
			continue
		}
		seen[r] = true
		out = append(out, generatedClient{
			Client:  scenario.Client{Name: dnsLabel(r), Namespace: "default", Locality: r},
			words:   r,
			assumed: fmt.Sprintf("a client in region %s, namespace default, without labels (--client locality=...,namespace=...,labels=...)", r),
		})
	}
	if len(out) == 0 {
		out = append(out, generatedClient{
			Client: scenario.Client{Name: "client", Namespace: "default"}, words: "a client",
			assumed: "a client without a locality, because no endpoint has one (--client locality=...)",
		})
	}
	return out
}

// dnsLabel makes a name of a region: lower case, other characters as dashes.
func dnsLabel(s string) string {
	b := []byte(strings.ToLower(s))
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			b[i] = '-'
		}
	}
	if l := strings.Trim(string(b), "-"); l != "" {
		return strings.TrimRight(l[:min(len(l), 63)], "-")
	}
	return "client"
}

// loss is what a drill breaks: one or more endpoint addresses.
type loss struct {
	words     string
	addresses []string
}

// losses are each endpoint, then each locality with several of them, except
// one that holds them all: losing everything teaches nothing about failover.
func losses(s service) []loss {
	var out []loss
	byLocality := map[xds.Locality][]string{}
	var order []xds.Locality
	for _, e := range s.endpoints {
		if slices.ContainsFunc(out, func(l loss) bool { return SameAddress(l.addresses[0], e.address) }) {
			continue
		}
		out = append(out, loss{e.address, []string{e.address}})
		if byLocality[e.locality] == nil {
			order = append(order, e.locality)
		}
		byLocality[e.locality] = append(byLocality[e.locality], e.address)
	}
	for _, l := range order {
		if a := byLocality[l]; len(a) > 1 && len(order) > 1 {
			name := l.String()
			if name == "" {
				name = "no locality"
			}
			out = append(out, loss{fmt.Sprintf("locality %s (%d endpoints)", name, len(a)), a})
		}
	}
	return out
}

// newDrill writes the drill as a scenario and makes it like any other.
func newDrill(in *scenario.Input, o Options, p istio.Profile, svc service, cl generatedClient, lost loss, upstreams []scenario.Upstream) (*Drill, error) {
	c := cl.Client
	c.Traffic = scenario.Traffic{URL: svc.url(), Every: scenario.Duration(requestEvery), Start: scenario.Duration(firstRequest)}
	sc := &scenario.Scenario{APIVersion: "faildrill.dev/v1alpha1", Kind: "Scenario"}
	sc.Metadata.Name = in.Name
	sc.Spec.Profile = p.Istio
	sc.Spec.Duration = scenario.Duration(requestsBefore*requestEvery + watched)
	sc.Spec.Clients = []scenario.Client{c}
	sc.Spec.Upstreams = slices.Clone(upstreams)
	for _, u := range sc.Spec.Upstreams {
		if slices.ContainsFunc(lost.addresses, func(a string) bool { return SameAddress(a, u.Address) }) {
			sc.Spec.Timeline = append(sc.Spec.Timeline, scenario.Step{
				At: scenario.Duration(lossAt), Fault: &scenario.Fault{Name: u.Name + "-lost", Upstream: u.Name, Refuse: true, Percentage: 100},
			})
		}
	}
	gen := *in
	gen.Scenario = sc
	gen.Applied = nil
	d, err := New(&gen, Options{Profile: &p, Seed: o.Seed})
	if err != nil {
		return nil, err
	}
	d.Generated = true
	d.Name = cl.words + " loses " + lost.words
	if cl.assumed != "" {
		d.Assumed = append(d.Assumed, cl.assumed)
	}
	d.Assumed = append(d.Assumed,
		fmt.Sprintf("%s, %d requests and then one every %v for %v", svc.url(), requestsBefore, requestEvery, watched),
		"every endpoint name resolves to one address; what is lost refuses connections")
	return d, nil
}

func (s *service) url() string {
	if s.port == 80 {
		return "http://" + s.host + "/"
	}
	return fmt.Sprintf("http://%s:%d/", s.host, s.port)
}
