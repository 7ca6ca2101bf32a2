package istio

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// serviceEntry is ValidateServiceEntry.
func (v validator) serviceEntry(se *networking.ServiceEntry) {
	if se.WorkloadSelector != nil {
		if len(se.Endpoints) > 0 {
			v.refuse("spec.workloadSelector", "a ServiceEntry has either endpoints or a workloadSelector")
		}
		if len(se.WorkloadSelector.Labels) == 0 {
			v.warn("spec.workloadSelector", "without labels it selects every workload of the namespace")
		}
	}
	if len(se.Hosts) == 0 {
		v.refuse("spec.hosts", "a ServiceEntry needs at least one host")
	}
	for i, h := range se.Hosts {
		field := indexed("spec.hosts", i)
		if h == "*" {
			v.refuse(field, "host * is not allowed")
		} else if err := wildcardHost(h); err != nil {
			v.refuse(field, "%v", err)
		}
	}
	v.addresses(se)
	names := v.servicePorts(se)
	switch se.Resolution {
	case networking.ServiceEntry_NONE:
		if len(se.Endpoints) > 0 {
			v.refuse("spec.endpoints", "resolution NONE takes no endpoints; use STATIC or DNS")
		}
	case networking.ServiceEntry_STATIC:
		for i, e := range se.Endpoints {
			v.staticEndpoint(indexed("spec.endpoints", i), e, names)
		}
	case networking.ServiceEntry_DNS, networking.ServiceEntry_DNS_ROUND_ROBIN:
		v.dnsEndpoints(se, names)
	case networking.ServiceEntry_DYNAMIC_DNS:
		v.dynamicDNS(se)
	default:
		v.refuse("spec.resolution", "%v is not a resolution", se.Resolution)
	}
	if se.Resolution != networking.ServiceEntry_NONE && len(se.Hosts) > 1 {
		for i, p := range se.Ports {
			switch protocolOf(p.GetProtocol()) {
			case "HTTP", "HTTP2", "HTTP_PROXY", "GRPC", "GRPC-WEB", "HTTPS", "TLS":
			default:
				v.refuse(indexed("spec.ports", i)+".protocol", "several hosts on a port that is neither HTTP nor TLS cannot be told apart")
			}
		}
	}
	v.exportTo(se.ExportTo, true, false)
}

func (v validator) addresses(se *networking.ServiceEntry) {
	for i, a := range se.Addresses {
		field := indexed("spec.addresses", i)
		if !strings.Contains(a, "/") {
			if !isIP(a) {
				v.refuse(field, "%q is neither an IP address nor a CIDR block", a)
			}
			continue
		}
		if _, err := netip.ParsePrefix(a); err != nil {
			v.refuse(field, "%q is not a CIDR block", a)
		}
		if se.Resolution != networking.ServiceEntry_NONE && se.Resolution != networking.ServiceEntry_STATIC {
			v.refuse(field, "a CIDR block needs resolution NONE or STATIC, not %v", se.Resolution)
		}
	}
}

// servicePorts returns the port names.
func (v validator) servicePorts(se *networking.ServiceEntry) []string {
	var names []string
	numbers := map[uint32]bool{}
	for i, p := range se.Ports {
		field := indexed("spec.ports", i)
		if p == nil {
			v.refuse(field, "the port is null")
			continue
		}
		if slices.Contains(names, p.Name) {
			v.refuse(field+".name", "port name %q is there twice", p.Name)
		}
		if numbers[p.Number] {
			v.refuse(field+".number", "port %d is there twice", p.Number)
		}
		names, numbers[p.Number] = append(names, p.Name), true
		v.port(field+".number", p.Number)
		if p.TargetPort != 0 {
			v.port(field+".targetPort", p.TargetPort)
		}
		if !isDNSLabel(p.Name) {
			v.refuse(field+".name", "%q is not a port name", p.Name)
		}
		if p.Protocol != "" && protocolOf(p.Protocol) == "" {
			v.refuse(field+".protocol", "unknown protocol %q", p.Protocol)
		}
	}
	return names
}

// staticEndpoint is validateWorkloadEntry without host names.
func (v validator) staticEndpoint(field string, e *networking.WorkloadEntry, names []string) {
	if e == nil {
		v.refuse(field, "the endpoint is null")
		return
	}
	switch {
	case e.Address == "" && e.Network == "":
		v.refuse(field, "the endpoint has no address")
	case e.Address == "":
		v.warn(field, "the endpoint has no address; without a gateway to network %s it is left out", e.Network)
	case strings.HasPrefix(e.Address, unixPrefix):
		if path := strings.TrimPrefix(e.Address, unixPrefix); !strings.HasPrefix(path, "@") && (!strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/")) {
			v.refuse(field+".address", "%q is not the absolute path of a socket", path)
		}
		if len(e.Ports) > 0 {
			v.refuse(field+".ports", "a socket has no ports")
		}
		if len(names) != 1 {
			v.refuse(field+".address", "a socket needs a ServiceEntry with one port, not %d", len(names))
		}
	case !isIP(e.Address):
		v.refuse(field+".address", "%q is not an IP address; resolution STATIC does not look names up, use DNS", e.Address)
	}
	v.endpointPorts(field, e, names)
	v.labels(field+".labels", e.Labels)
}

func (v validator) dnsEndpoints(se *networking.ServiceEntry, names []string) {
	if len(se.Endpoints) == 0 {
		for i, h := range se.Hosts {
			if fqdn(h) != nil {
				v.refuse(indexed("spec.hosts", i), "%q cannot be looked up; resolution %v without endpoints needs full host names", h, se.Resolution)
				break
			}
		}
	}
	if se.Resolution == networking.ServiceEntry_DNS_ROUND_ROBIN && len(se.Endpoints) > 1 {
		v.refuse("spec.endpoints", "resolution DNS_ROUND_ROBIN takes one endpoint, not %d; use DNS", len(se.Endpoints))
	}
	for i, e := range se.Endpoints {
		field := indexed("spec.endpoints", i)
		if e == nil {
			v.refuse(field, "the endpoint is null")
			continue
		}
		if !isIP(e.Address) && fqdn(e.Address) != nil {
			v.refuse(field+".address", "%q is neither a host name nor an IP address", e.Address)
		}
		v.endpointPorts(field, e, names)
		v.labels(field+".labels", e.Labels)
	}
}

func (v validator) endpointPorts(field string, e *networking.WorkloadEntry, names []string) {
	for _, name := range slices.Sorted(maps.Keys(e.Ports)) {
		at := field + ".ports." + name
		if !slices.Contains(names, name) {
			v.refuse(at, "no port of the ServiceEntry is named %q; expected one of %s", name, strings.Join(names, ", "))
		}
		v.port(at, e.Ports[name])
	}
}

func (v validator) dynamicDNS(se *networking.ServiceEntry) {
	for i, h := range se.Hosts {
		if !isWildcard(h) {
			v.refuse(indexed("spec.hosts", i), "resolution DYNAMIC_DNS needs a wildcard host, not %q", h)
		}
	}
	if len(se.Addresses) > 0 {
		v.refuse("spec.addresses", "resolution DYNAMIC_DNS takes no addresses")
	}
	if len(se.Endpoints) > 0 {
		v.refuse("spec.endpoints", "resolution DYNAMIC_DNS takes no endpoints")
	}
	for i, p := range se.Ports {
		switch protocolOf(p.GetProtocol()) {
		case "HTTP", "TLS", "GRPC", "HTTP2":
		default:
			v.refuse(indexed("spec.ports", i)+".protocol", "resolution DYNAMIC_DNS takes HTTP, HTTP2, GRPC and TLS, not %q", p.GetProtocol())
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
