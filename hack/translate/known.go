package main

import (
	"net/netip"
	"regexp"
	"slices"

	"github.com/faildrill/faildrill/harness/xds"
)

// unreadField says why a field of Envoy's messages has no place in harness/xds.
type unreadField struct {
	why string
	// needs is a field of Istio's API that only a pair with such a message can
	// have; the translation has to list it as not modelled. "": istiod always sends it.
	needs string
}

// unread are the fields that istiod sends and harness/xds has no place for.
var unread = map[string]unreadField{
	"cluster.alt_stat_name":                                    {why: "a name of statistics"},
	"cluster.metadata":                                         {why: "which rule made it, for people"},
	"cluster.typed_dns_resolver_config":                        {why: "how the resolver is asked, not what"},
	"cluster.original_dst_lb_config":                           {why: "another port than the one that was dialled", needs: ".targetPort"},
	"http_protocol_options.use_downstream_protocol_config":     {why: "the client's own protocol, which is HTTP/1.1"},
	"cluster.ring_hash_lb_config":                              {why: "hash tables are not modelled", needs: ".consistentHash"},
	"cluster.maglev_lb_config":                                 {why: "hash tables are not modelled", needs: ".consistentHash"},
	"route.route.hash_policy":                                  {why: "hash keys are not modelled", needs: ".consistentHash"},
	"cluster.upstream_connection_options":                      {why: "keep-alive finds dead idle connections, not hosts", needs: ".tcpKeepalive"},
	"http_protocol_options.common.idle_timeout":                {why: "connections are renewed, hosts stay", needs: "dleTimeout"},
	"http_protocol_options.common.max_connection_duration":     {why: "connections are renewed, hosts stay", needs: ".maxConnectionDuration"},
	"http_protocol_options.common.max_requests_per_connection": {why: "connections are renewed, hosts stay", needs: ".maxRequestsPerConnection"},
	"lb_endpoint.metadata":                                     {why: "labels for telemetry"},
	"route.route.weighted_clusters":                            {why: "the heaviest destination stands for all", needs: ".route"},
	"route.decorator":                                          {why: "a name of traces"},
	"route.metadata":                                           {why: "which rule made it, for people"},
	"route.route.max_grpc_timeout":                             {why: "only gRPC clients send a deadline"},
	"routes.ignore_port_in_host_matching":                      {why: "always on; VirtualHost.Matches takes names without ports"},
	"routes.max_direct_response_body_size_bytes":               {why: "of direct responses, which are not modelled"},
	"routes.validate_clusters":                                 {why: "whether unknown clusters are refused: never"},
	"virtual_host.include_request_attempt_count":               {why: "a header to the upstream"},
}

// explain returns what is wrong with an unread field; "" is nothing.
func (p *sides) explain(field string) string {
	u, ok := unread[field]
	switch {
	case !ok:
		return "nobody knows why it is not read"
	case u.needs != "" && !p.notModelledField(u.needs, false):
		return "the translation does not list " + u.needs + " as not modelled"
	}
	return ""
}

// refusals are differences in what is refused that have a reason.
var refusals = []struct {
	sign *regexp.Regexp
	why  string
}{
	{
		regexp.MustCompile(`^refused by harness/istio alone: .*\.distribute\[#\]\.to\..* overlaps with `),
		"Istio visits the patterns of distribute.to in the random order of a map, and refuses an overlap only if the wider one comes first",
	},
}

// knownRefusal returns the reason of a difference; "" if it has none.
func knownRefusal(sign string) string {
	for _, r := range refusals {
		if r.sign.MatchString(sign) {
			return r.why
		}
	}
	return ""
}

// forgive takes from both sides what differs for a reason.
//
// An address that several hosts of an entry share is a domain of one of them:
// istiod visits them in the random order of a map, so that the addresses of a
// port are compared without their host.
//
// An endpoint of a network without an address is sent with an empty one, which
// nobody can dial; harness/istio leaves it out and warns.
func (p *sides) forgive() {
	for _, c := range []*xds.Config{&p.got, &p.want} {
		hosts := map[uint32]int{}
		for _, h := range c.VirtualHosts {
			hosts[h.Port]++
		}
		addresses := map[uint32][]string{}
		for i := range c.VirtualHosts {
			h := &c.VirtualHosts[i]
			if hosts[h.Port] < 2 {
				continue
			}
			for _, d := range h.Domains {
				if isAddress(d) && !slices.Contains(addresses[h.Port], d) {
					addresses[h.Port] = append(addresses[h.Port], d)
				}
			}
			h.Domains = slices.DeleteFunc(slices.Clone(h.Domains), isAddress)
		}
		for port, list := range addresses {
			slices.Sort(list)
			c.VirtualHosts = append(c.VirtualHosts, xds.VirtualHost{Name: "addresses", Port: port, Domains: list})
		}
	}
	for i := range p.got.Clusters {
		c := &p.got.Clusters[i]
		for j := range c.Localities {
			c.Localities[j].Endpoints = slices.DeleteFunc(c.Localities[j].Endpoints, func(e xds.Endpoint) bool {
				return e.Address == ""
			})
		}
		c.Localities = slices.DeleteFunc(c.Localities, func(l xds.LocalityEndpoints) bool {
			want := p.want.Cluster(c.Name)
			return len(l.Endpoints) == 0 && (want == nil || len(want.Localities) == 0)
		})
	}
}

func isAddress(domain string) bool {
	_, err := netip.ParseAddr(domain)
	return err == nil
}
