package istio

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// addRoutes makes the virtual hosts of every HTTP port.
// Rule: RuleVirtualHosts, pilot/pkg/networking/core/httproute.go: BuildSidecarOutboundVirtualHosts.
func (t *translator) addRoutes(resources []*Resource) {
	rules := t.visibleVirtualServices(resources)
	ports := map[uint32]bool{}
	for _, l := range t.listed {
		for _, p := range entryOf(l.entry).Ports {
			if p != nil && isHTTP(p.Protocol) {
				ports[p.Number] = true
			}
		}
	}
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		t.addPort(port, rules)
	}
}

// visibleVirtualServices lists the VirtualServices for the mesh gateway, in the
// order in which they compete for a host: the namespace's own first, then those
// that are exported to it by name, then public ones.
// Rule: RuleRouteOrder, pilot/pkg/model/push_context.go: initVirtualServices, VirtualServicesForGateway.
func (t *translator) visibleVirtualServices(resources []*Resource) []*Resource {
	var own, byName, public []*Resource
	for _, r := range resources {
		vs, ok := r.Spec.(*networking.VirtualService)
		if !ok || len(vs.Hosts) == 0 || len(vs.Gateways) > 0 && !slices.Contains(vs.Gateways, "mesh") ||
			!t.exported(vs.ExportTo, r.Namespace) {
			continue
		}
		switch {
		case len(vs.ExportTo) == 0 || slices.Contains(vs.ExportTo, "*"):
			public = append(public, r)
		case r.Namespace == t.client.Namespace:
			own = append(own, r)
		default:
			byName = append(byName, r)
		}
	}
	return slices.Concat(own, byName, public)
}

// addPort makes the virtual hosts of one port.
func (t *translator) addPort(port uint32, rules []*Resource) {
	here := t.servicesOn(port)
	b := portBuilder{translator: t, port: port, services: here, owners: t.owners(rules), domains: map[string]bool{}, names: map[string]bool{}}

	routed := map[*service]bool{}
	for _, r := range rules {
		routes := b.routes(r)
		if len(routes) == 0 {
			continue
		}
		var names []string
		var matched []*service
		for _, host := range r.Spec.(*networking.VirtualService).Hosts {
			host = strings.ToLower(t.fullName(host, r.Namespace))
			found := b.matching(host, r)
			matched = append(matched, found...)
			if len(found) == 0 && !b.covers(host) {
				names = append(names, host)
			}
		}
		http := slices.DeleteFunc(slices.Clone(matched), func(s *service) bool { return !isHTTP(s.port(port).Protocol) })
		for _, s := range matched {
			routed[s] = true
		}
		// A VirtualService for unknown hosts alone counts on port 80 only.
		if len(http) == 0 && (port != 80 || len(matched) > 0) {
			continue
		}
		for _, name := range names {
			b.add(name, []string{name}, routes)
		}
		for _, s := range http {
			b.add(s.host, t.domains(s), routes)
		}
	}
	for _, s := range here {
		if !routed[s] && isHTTP(s.port(port).Protocol) {
			b.add(s.host, t.domains(s), []tracedRoute{t.defaultRoute(s, port)})
		}
	}
	slices.SortFunc(b.hosts, func(x, y xds.VirtualHost) int { return cmp.Compare(x.Name, y.Name) })
	t.out.Config.VirtualHosts = append(t.out.Config.VirtualHosts, b.hosts...)
}

// servicesOn are the services with that port, routed as HTTP or not, by host. They
// are not the merged ones that have clusters: of the entries with the port, the
// last one counts.
// Rule: RuleRouteServices, httproute.go: BuildSidecarOutboundVirtualHosts.
func (t *translator) servicesOn(port uint32) []*service {
	last := map[string]*service{}
	for _, l := range t.listed {
		s := &service{host: l.host, namespace: l.entry.Namespace, head: l.entry, addresses: entryOf(l.entry).Addresses}
		s.addPorts(l.entry)
		if s.port(port) != nil {
			last[strings.ToLower(l.host)] = s
		}
	}
	var list []*service
	for _, host := range slices.Sorted(maps.Keys(last)) {
		list = append(list, last[host])
	}
	return list
}

type portBuilder struct {
	*translator
	port     uint32
	services []*service
	owners   map[string]*Resource // of VirtualService hosts: the first rule that has one
	hosts    []xds.VirtualHost
	names    map[string]bool // of virtual hosts
	domains  map[string]bool // of all virtual hosts
}

// tracedRoute is a route with the uses that explain it.
type tracedRoute struct {
	xds.Route
	uses []Use
}

// add makes a virtual host, unless an earlier one has its name or all of its domains.
func (b *portBuilder) add(host string, domains []string, routes []tracedRoute) {
	name := fmt.Sprintf("%s:%d", host, b.port)
	if b.names[name] {
		return
	}
	b.names[name] = true
	vh := xds.VirtualHost{Name: name, Port: b.port}
	for _, d := range domains {
		if !b.domains[strings.ToLower(d)] {
			b.domains[strings.ToLower(d)] = true
			vh.Domains = append(vh.Domains, d)
		}
	}
	if len(vh.Domains) == 0 {
		return
	}
	for _, r := range routes {
		vh.Routes = append(vh.Routes, r.Route)
		for _, u := range r.uses {
			u.VirtualHost = name
			b.use(u)
		}
	}
	b.hosts = append(b.hosts, vh)
}

// matching returns the services of the port that this rule routes under the host.
// A service that several wildcards cover belongs to the most specific one, and to
// the first rule that has it, even if that routes nothing on this port.
// route.go: separateVSHostsAndServices.
func (b *portBuilder) matching(host string, r *Resource) []*service {
	var list []*service
	for _, s := range b.services {
		if !isWildcard(host) {
			if strings.ToLower(s.host) == host {
				list = append(list, s)
			}
			continue
		}
		if !hostCovers(host, s.host) {
			continue
		}
		if owner, ok := mostSpecific(s.host, b.owners); ok && owner == r {
			list = append(list, s)
		}
	}
	return list
}

// covers reports whether the host stands for a service of the port at all.
func (b *portBuilder) covers(host string) bool {
	return slices.ContainsFunc(b.services, func(s *service) bool { return hostCovers(host, strings.ToLower(s.host)) })
}

// owners maps each VirtualService host to the first rule that has it.
func (t *translator) owners(rules []*Resource) map[string]*Resource {
	m := map[string]*Resource{}
	for _, r := range rules {
		for _, h := range r.Spec.(*networking.VirtualService).Hosts {
			h = strings.ToLower(t.fullName(h, r.Namespace))
			if m[h] == nil {
				m[h] = r
			}
		}
	}
	return m
}

// domains are the Host headers that lead to the service; ports in them are ignored.
// httproute.go: generateVirtualHostDomains. Rule: RuleAbsoluteDomain.
func (t *translator) domains(s *service) []string {
	list := []string{s.host}
	if t.v.has(RuleAbsoluteDomain) && !isIP(s.host) {
		list = append(list, s.host+".")
	}
	for _, a := range s.addresses {
		list = append(list, strings.TrimSuffix(a, "/32"))
	}
	return list
}

// defaultRoute is the route of a service that no VirtualService routes.
// route.go: BuildDefaultHTTPOutboundRoute.
func (t *translator) defaultRoute(s *service, port uint32) tracedRoute {
	return tracedRoute{Route: xds.Route{
		Name: "default", Prefix: "/", Cluster: clusterName(port, "", s.host), Retry: t.retryPolicy(nil, false),
	}}
}

// routes translates the HTTP routes of a VirtualService for the port.
// route.go: BuildHTTPRoutesForVirtualService. Nothing follows a route that matches everything.
func (b *portBuilder) routes(r *Resource) []tracedRoute {
	var list []tracedRoute
	for i, h := range r.Spec.(*networking.VirtualService).Http {
		if h == nil || h.Delegate != nil {
			continue
		}
		matches := h.Match
		if len(matches) == 0 {
			matches = []*networking.HTTPMatchRequest{nil}
		}
		for _, m := range matches {
			prefix, ok := b.match(m)
			if !ok {
				continue
			}
			list = append(list, b.route(r, i, h, m, prefix))
			if prefix == "/" && catchesAll(m) {
				return list
			}
		}
	}
	return list
}

// match returns the path prefix of a match that this client's requests on this port can meet.
// Rule: RuleRouteMatch, route.go: TranslateRoute, sourceMatchHTTP, TranslateRouteMatch.
// What Route cannot express is listed as not modelled, and the route left out.
func (b *portBuilder) match(m *networking.HTTPMatchRequest) (string, bool) {
	if m == nil {
		return "/", true
	}
	if m.Port != 0 && m.Port != b.port {
		return "", false
	}
	if len(m.Gateways) > 0 {
		if !slices.Contains(m.Gateways, "mesh") {
			return "", false
		}
	} else if !containsAll(b.client.Labels, m.SourceLabels) || m.SourceNamespace != "" && m.SourceNamespace != b.client.Namespace {
		return "", false
	}
	if !catchesAll(m) {
		return "", false
	}
	switch uri := m.Uri.GetMatchType().(type) {
	case nil:
		return "/", true
	case *networking.StringMatch_Prefix:
		return uri.Prefix, true
	case *networking.StringMatch_Regex:
		return "/", uri.Regex == ".*"
	}
	return "", false
}

// catchesAll reports whether nothing but the path is looked at.
func catchesAll(m *networking.HTTPMatchRequest) bool {
	return m == nil || len(m.Headers)+len(m.WithoutHeaders)+len(m.QueryParams) == 0 &&
		m.Method == nil && m.Authority == nil && m.Scheme == nil
}

// route translates one HTTP route under one match.
// route.go: applyHTTPRouteDestination.
func (b *portBuilder) route(r *Resource, i int, h *networking.HTTPRoute, m *networking.HTTPMatchRequest, prefix string) tracedRoute {
	path := indexed("spec.http", i)
	out := tracedRoute{Route: xds.Route{Name: h.Name, Prefix: prefix}}
	if m.GetName() != "" {
		out.Name += "." + m.Name
	}
	hashed := false
	if d, single := destination(h); d != nil {
		out.Cluster = b.destinationCluster(r, d)
		hashed = single && b.hashed(r, d)
	}
	// Rule: RuleRouteTimeout, route.go: setTimeout. Without one there is no limit.
	out.Timeout = h.Timeout.AsDuration()
	out.Retry = b.retryPolicy(h.Retries, hashed)
	// Rule: RuleRewriteAuthority, route.go: applyHTTPRouteDestination.
	out.HostRewrite = h.Rewrite.GetAuthority()

	add := func(part Part, at string) {
		out.uses = append(out.uses, Use{Part: part, Cluster: out.Cluster, Resource: r, Path: at})
	}
	add(PartRoute, path)
	if h.Retries != nil {
		add(PartRetries, path+".retries")
	}
	if h.Timeout != nil {
		add(PartTimeout, path+".timeout")
	}
	return out
}

// destination is where the route leads: its only destination, or the only one
// with a weight. Several with weights are not modelled; the heaviest stands for
// them. nil: a redirect or a direct response.
func destination(h *networking.HTTPRoute) (d *networking.Destination, single bool) {
	if h.Redirect != nil || h.DirectResponse != nil {
		return nil, false
	}
	if len(h.Route) == 1 {
		return h.Route[0].GetDestination(), true
	}
	var best *networking.HTTPRouteDestination
	for _, d := range h.Route {
		if d.GetWeight() > best.GetWeight() {
			best = d
		}
	}
	return best.GetDestination(), false
}

// destinationCluster names the cluster of a destination.
// Rule: RuleRouteDestination, route.go: GetDestinationCluster. A destination
// without a port takes the port on which the request came.
func (b *portBuilder) destinationCluster(r *Resource, d *networking.Destination) string {
	host := b.fullName(d.Host, r.Namespace)
	port := b.port
	if d.Port != nil {
		port = d.Port.Number
	}
	return clusterName(port, d.Subset, host)
}

// hashed reports whether the destination's rule has a consistent hash.
// Rule: RuleRetryHashKeepsHost, route.go: HashForHTTPDestination. Retries then stay on the hashed host.
func (b *portBuilder) hashed(r *Resource, d *networking.Destination) bool {
	host := b.fullName(d.Host, r.Namespace)
	i := slices.IndexFunc(b.translator.services, func(s *service) bool { return s.host == host })
	if i < 0 {
		return false
	}
	rule := b.ruleFor(host, b.translator.services[i].namespace)
	if rule == nil {
		return false
	}
	hash := func(p *networking.TrafficPolicy) bool {
		for _, e := range p.GetPortLevelSettings() {
			if e.GetPort().GetNumber() == d.GetPort().GetNumber() && e.GetLoadBalancer().GetConsistentHash() != nil {
				return true
			}
		}
		return p.GetLoadBalancer().GetConsistentHash() != nil
	}
	if hash(rule.policy) {
		return true
	}
	sub := rule.subset(d.Subset)
	return sub != nil && hash(sub.TrafficPolicy)
}
