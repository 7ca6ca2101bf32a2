package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	networking "istio.io/api/networking/v1alpha3"
)

// What a scenario means that does not say.
const (
	DefaultProfile       = "1.31"
	defaultEvery         = Duration(2 * time.Second)
	defaultTimeout       = Duration(60 * time.Second)
	defaultLatency       = Duration(time.Millisecond)
	defaultTTL           = Duration(30 * time.Second)
	defaultConcurrency   = 64
	defaultSettle        = Duration(60 * time.Second)
	defaultRetries       = 2
	defaultMeshConnectTO = Duration(10 * time.Second)
)

// Defaults writes out what the scenario leaves open, as documented in
// types.go, so that the saved scenario says all that was played. Three stay
// open because their zero says the same: a count (as many as the duration
// holds), the start (0s), and an expectation's for (to the end of the drill).
func Defaults(in *Input) {
	if in.Scenario == nil {
		return
	}
	s := &in.Scenario.Spec
	s.Profile = cmp.Or(s.Profile, DefaultProfile)
	s.Duration = duration(s)
	s.Mesh = mesh(s.Mesh)
	s.Clients = in.clients()
	s.Upstreams = in.upstreams()
	names := faultNames(s.Timeline)
	for i := range s.Timeline {
		if f := s.Timeline[i].Fault; f != nil {
			f.Name = names[i]
			f.defaults(s.Upstreams)
		}
	}
}

func (f *Fault) defaults(upstreams []Upstream) {
	if f.DNS == "" {
		f.Percentage = cmp.Or(f.Percentage, 100)
		return
	}
	if i := f.Target(upstreams); i >= 0 && f.TTL == nil && len(f.Addresses) > 0 {
		f.TTL = upstreams[i].TTL
	}
}

// duration is how long the drill lasts: as given, or as long as anything is named, and time to settle.
func duration(s *Spec) Duration {
	if s.Duration != 0 {
		return s.Duration
	}
	var end Duration
	for _, step := range s.Timeline {
		end = max(end, step.At)
		if step.Fault != nil {
			end = max(end, step.At+step.Fault.For)
		}
	}
	for _, e := range s.Expect {
		end = max(end, e.end())
	}
	return min(end+defaultSettle, Duration(maxDuration))
}

// end is the last instant that the expectation names.
func (e Expectation) end() Duration {
	var end Duration
	if e.At != nil {
		end = *e.At
	}
	for _, d := range e.During {
		end = max(end, d)
	}
	if e.After != nil {
		end = max(end, *e.After+e.Within+e.For)
	}
	return end
}

func mesh(m *Mesh) *Mesh {
	if m == nil {
		m = new(Mesh)
	}
	m.ConnectTimeout = cmp.Or(m.ConnectTimeout, defaultMeshConnectTO)
	if m.LocalityFailover == nil {
		m.LocalityFailover = new(true)
	}
	if m.DefaultRetryAttempts == nil {
		m.DefaultRetryAttempts = new(defaultRetries)
	}
	return m
}

// clients is the scenario's clients, or one beside the first endpoint, with their traffic written out.
func (in *Input) clients() []Client {
	clients := slices.Clone(in.Scenario.Spec.Clients)
	if len(clients) == 0 {
		clients = []Client{{Name: "client"}}
		if addresses := in.Addresses(); len(addresses) > 0 {
			clients[0].Locality = addresses[0].Locality
		}
	}
	url := DefaultURL(in.Resources)
	for i := range clients {
		c, t := &clients[i], &clients[i].Traffic
		c.Namespace = cmp.Or(c.Namespace, defaultNamespace)
		t.URL = cmp.Or(t.URL, url)
		t.Method = cmp.Or(t.Method, "GET")
		t.Concurrency = cmp.Or(t.Concurrency, defaultConcurrency)
		t.Timeout = cmp.Or(t.Timeout, defaultTimeout)
		if t.Rate.IsZero() {
			t.Every = cmp.Or(t.Every, defaultEvery)
		}
		if t.KeepAlive == nil {
			t.KeepAlive = new(true)
		}
	}
	return clients
}

// upstreams is the scenario's upstreams, or those of the configuration, written out.
func (in *Input) upstreams() []Upstream {
	if len(in.Scenario.Spec.Upstreams) == 0 {
		return DefaultUpstreams(in)
	}
	upstreams := slices.Clone(in.Scenario.Spec.Upstreams)
	var addresses []Address
	if slices.ContainsFunc(upstreams, func(u Upstream) bool { return len(u.Ports) == 0 }) {
		addresses = in.Addresses()
	}
	for i := range upstreams {
		u := &upstreams[i]
		u.Addresses = cmp.Or(u.Addresses, 1)
		u.Latency = cmp.Or(u.Latency, defaultLatency)
		if u.TTL == nil && !isIP(u.Address) {
			u.TTL = new(defaultTTL)
		}
		if len(u.Ports) == 0 {
			u.Ports = portsOf(addresses, u.Address)
		}
	}
	for _, step := range in.Scenario.Spec.Timeline {
		step.Fault.portsInstead(upstreams)
	}
	for i := range upstreams {
		upstreams[i].TLS = upstreams[i].TLS.defaults(&upstreams[i])
	}
	return upstreams
}

// defaults writes out the TLS of an upstream. What no scenario says follows from
// the configuration: schedule.Compile finds it.
func (t *UpstreamTLS) defaults(u *Upstream) *UpstreamTLS {
	if t == nil {
		return nil
	}
	out := *t
	if len(out.Ports) == 0 {
		out.Ports = u.Ports
	}
	if len(out.Names) == 0 {
		out.Names = []string{canonical(u.Address)}
	}
	out.ClientCertificate = cmp.Or(out.ClientCertificate, "none")
	return &out
}

// portsInstead gives upstreams that a name resolves to for a while the ports of
// those that they stand in for.
func (f *Fault) portsInstead(upstreams []Upstream) {
	if f == nil || len(f.Addresses) == 0 {
		return
	}
	target := f.Target(upstreams)
	if target < 0 {
		return
	}
	for i := range upstreams {
		if u := &upstreams[i]; len(u.Ports) == 0 && slices.Contains(f.Addresses, u.Name) {
			u.Ports = upstreams[target].Ports
		}
	}
}

func portsOf(addresses []Address, name string) []int {
	for _, a := range addresses {
		if a.Name == canonical(name) {
			return a.Ports
		}
	}
	return nil
}

// DefaultUpstreams is one healthy upstream for each endpoint address, at 0s or
// applied later, on the ports that the address has when it is there first.
func DefaultUpstreams(in *Input) []Upstream {
	addresses := in.Addresses()
	names := make([]string, len(addresses))
	for i, a := range addresses {
		names[i] = a.Name
	}
	names = upstreamNames(names)
	upstreams := make([]Upstream, len(addresses))
	for i, a := range addresses {
		upstreams[i] = Upstream{Name: names[i], Address: a.Name, Ports: a.Ports, Addresses: 1, Latency: defaultLatency}
		if !isIP(a.Name) {
			upstreams[i].TTL = new(defaultTTL)
		}
	}
	return upstreams
}

// DefaultURL is the first host of the configuration on its first HTTP port,
// else on its first TLS port; "" if there is neither.
func DefaultURL(config []*istio.Resource) string {
	for _, scheme := range []string{"http", "https"} {
		for _, res := range config {
			se, ok := res.Spec.(*networking.ServiceEntry)
			if !ok {
				continue
			}
			for _, p := range se.Ports {
				i := slices.IndexFunc(se.Hosts, func(h string) bool { return !strings.HasPrefix(h, "*") })
				if i >= 0 && schemeOf(p) == scheme {
					return scheme + "://" + se.Hosts[i] + portSuffix(scheme, int(p.GetNumber())) + "/"
				}
			}
		}
	}
	return ""
}

// schemeOf tells from a port's protocol, else from its name, what a client speaks to it; "" for neither HTTP nor TLS.
func schemeOf(p *networking.ServicePort) string {
	protocol := p.GetProtocol()
	if protocol == "" {
		protocol, _, _ = strings.Cut(p.GetName(), "-")
	}
	switch strings.ToUpper(protocol) {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB":
		return "http"
	case "HTTPS", "TLS":
		return "https"
	}
	return ""
}

func portSuffix(scheme string, port int) string {
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		return ""
	}
	return fmt.Sprintf(":%d", port)
}
