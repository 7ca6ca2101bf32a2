package istio

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// service is one host as the client sees it: the ServiceEntries of that host in one namespace, merged.
type service struct {
	host         string
	namespace    string
	head         *Resource // the entry that gives resolution and location
	resolution   networking.ServiceEntry_Resolution
	external     bool
	ports        []*networking.ServicePort
	portAt       []place // where ports[i] is written
	instances    []instance
	addresses    []string
	distribution []string // failoverPriority labels that a traffic-distribution annotation stands for
}

// instance is one endpoint on one port of a service.
type instance struct {
	entry    *Resource
	index    int // in spec.endpoints; -1: the host itself
	address  string
	port     uint32
	service  uint32 // the service port
	portName string
	locality string // as written: the grouping compares text
	weight   uint32
	labels   map[string]string
	tlsMode  string // "istio": behind a sidecar
	account  string // the service account that it runs as
}

const unixPrefix = "unix://"

// The cluster that istiod and the client are in: a label on both sides, so it never tells endpoints apart.
const meshCluster = "Kubernetes"

func entryOf(r *Resource) *networking.ServiceEntry {
	se, _ := r.Spec.(*networking.ServiceEntry)
	return se
}

// hostKey is a host in a namespace: what ServiceEntries share that make one service.
type hostKey struct{ host, namespace string }

// listing is a host of a ServiceEntry, as istiod lists services.
type listing struct {
	host  string
	entry *Resource
}

// visibleServices picks, for each host, the namespace whose service the client gets, and merges its entries.
func (t *translator) visibleServices(resources []*Resource) []*service {
	entries := map[hostKey][]*Resource{}
	var explicit, public []listing
	for _, r := range byNamespace(resources) {
		se := entryOf(r)
		if se == nil {
			continue
		}
		for _, host := range unique(se.Hosts) {
			k := hostKey{host, r.Namespace}
			entries[k] = append(entries[k], r)
			switch {
			case !t.exported(se.ExportTo, r.Namespace):
			case explicitly(se):
				explicit = append(explicit, listing{host, r})
			default:
				public = append(public, listing{host, r})
			}
		}
	}
	// Rule: RuleServiceOrder, pilot/pkg/model/push_context.go: servicesExportedToNamespace.
	// Entries that are exported by name come first.
	t.listed = slices.Concat(explicit, public)

	// Rule: RulePickNamespace, pilot/pkg/model/sidecar.go: selectServices.
	// The client's own namespace wins; otherwise the first in the list.
	chosen := map[string]string{}
	for _, l := range t.listed {
		if _, ok := chosen[l.host]; !ok || l.entry.Namespace == t.client.Namespace {
			chosen[l.host] = l.entry.Namespace
		}
	}
	t.listed = slices.DeleteFunc(t.listed, func(l listing) bool { return l.entry.Namespace != chosen[l.host] })
	var services []*service
	for _, host := range slices.Sorted(maps.Keys(chosen)) {
		k := hostKey{host, chosen[host]}
		services = append(services, t.mergeEntries(host, t.entriesOf(k.host), entries[k]))
	}
	return append(services, t.hiddenDestinations(resources, entries, chosen)...)
}

// byNamespace is the order of services of one age: by namespace, then by name.
// pilot/pkg/model/push_context.go: SortServicesByCreationTime. In one namespace
// istiod leaves the order of entries of one age to chance; their names stand in
// for it.
func byNamespace(resources []*Resource) []*Resource {
	out := slices.Clone(resources)
	slices.SortStableFunc(out, func(a, b *Resource) int { return strings.Compare(a.Namespace, b.Namespace) })
	return out
}

// entriesOf are the listed entries of a host.
func (t *translator) entriesOf(host string) []*Resource {
	var list []*Resource
	for _, l := range t.listed {
		if l.host == host {
			list = append(list, l.entry)
		}
	}
	return list
}

// hiddenDestinations are the services of the client's own namespace that are
// not exported to it, but that a VirtualService leads to: their clusters are
// sent, with the ports that it leads to.
// Rule: RuleHiddenDestination, pilot/pkg/model/sidecar.go: initSidecarScopeInternalIndexes,
// push_context.go: virtualServiceDestinationsFilteredBySourceNamespace.
func (t *translator) hiddenDestinations(resources []*Resource, entries map[hostKey][]*Resource, chosen map[string]string) []*service {
	ports := map[string][]uint32{} // by host; 0 is all
	for _, r := range t.visibleVirtualServices(resources) {
		for _, h := range r.Spec.(*networking.VirtualService).Http {
			if h == nil || !t.fromNamespace(h) {
				continue
			}
			for _, d := range h.Route {
				if d.GetDestination() != nil {
					host := t.fullName(d.Destination.Host, r.Namespace)
					ports[host] = append(ports[host], d.Destination.Port.GetNumber())
				}
			}
		}
	}
	var list []*service
	for _, host := range slices.Sorted(maps.Keys(ports)) {
		own := entries[hostKey{host, t.client.Namespace}]
		if chosen[host] != "" || len(own) == 0 {
			continue
		}
		s := t.mergeEntries(host, own[:1], own)
		if !slices.Contains(ports[host], 0) {
			s.keepPorts(ports[host])
		}
		if len(s.ports) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// fromNamespace reports whether one of the matches that name a namespace names the client's.
func (t *translator) fromNamespace(h *networking.HTTPRoute) bool {
	ok := true
	for _, m := range h.Match {
		if ns := m.GetSourceNamespace(); ns != "" {
			if ok = ns == t.client.Namespace; ok {
				return true
			}
		}
	}
	return ok
}

// exported reports whether a resource of that namespace is visible to the client.
// Rule: RuleServiceExport, pilot/pkg/model/push_context.go: IsServiceVisible.
func (t *translator) exported(exportTo []string, namespace string) bool {
	if len(exportTo) == 0 {
		return true
	}
	for _, e := range exportTo {
		if e == "*" || e == t.client.Namespace || e == "." && namespace == t.client.Namespace {
			return true
		}
	}
	return false
}

// mergeEntries makes one service of all entries of a host and namespace.
// Rule: RuleMergeSameHost, pilot/pkg/serviceregistry/serviceentry/conversion.go:
// mergeServicesInstancesByNamespaceHost, and pilot/pkg/model/sidecar.go: appendSidecarServices.
// Endpoints of all entries count; ports only of entries that agree with the
// first visible one, which also gives everything else.
func (t *translator) mergeEntries(host string, listed, entries []*Resource) *service {
	head := listed[0]
	s := &service{
		host: host, namespace: head.Namespace, head: head,
		resolution:   entryOf(head).Resolution,
		external:     entryOf(head).Location == networking.ServiceEntry_MESH_EXTERNAL,
		addresses:    entryOf(head).Addresses,
		distribution: t.trafficDistribution(head),
	}
	for _, r := range listed {
		if r == head || mergeable(head, r) {
			s.addPorts(r)
		}
	}
	roundRobinPorts := map[uint32]bool{}
	for _, r := range entries {
		t.used[r] = true
		for _, in := range repeated(t.instances(r, entryOf(r), host), len(entryOf(r).Addresses)) {
			// Rule: RuleOneRoundRobinEndpoint: of several entries only the first endpoint a port is kept.
			if entryOf(r).Resolution == networking.ServiceEntry_DNS_ROUND_ROBIN && roundRobinPorts[in.service] {
				continue
			}
			roundRobinPorts[in.service] = true
			s.instances = append(s.instances, in)
		}
	}
	return s
}

// repeated lists the endpoints once for each address of the entry, since istiod
// makes a service of each. EDS drops what is there again, but its locality weighs
// the more; in a DNS cluster each is a host of its own.
// Rule: RuleAddressRepeats, conversion.go: convertServices, convertServiceEntryToInstances.
func repeated(list []instance, addresses int) []instance {
	return slices.Repeat(list, max(addresses, 1))
}

// explicitly reports whether the entry is exported to namespaces by name.
func explicitly(se *networking.ServiceEntry) bool {
	return len(se.ExportTo) > 0 && !slices.Contains(se.ExportTo, "*")
}

// mergeable is pilot/pkg/model/sidecar.go: canMergeServices.
func mergeable(x, y *Resource) bool {
	a, b := entryOf(x), entryOf(y)
	return a.Resolution == b.Resolution && maps.Equal(x.Labels, y.Labels) &&
		maps.Equal(a.WorkloadSelector.GetLabels(), b.WorkloadSelector.GetLabels()) &&
		slices.Equal(sorted(a.ExportTo), sorted(b.ExportTo))
}

func (s *service) addPorts(r *Resource) {
	for i, p := range entryOf(r).Ports {
		if p != nil && s.port(p.Number) == nil {
			s.ports = append(s.ports, p)
			s.portAt = append(s.portAt, place{r, fmt.Sprintf("spec.ports[%d]", i)})
		}
	}
}

// keepPorts drops the ports that are not in the list.
func (s *service) keepPorts(numbers []uint32) {
	var ports []*networking.ServicePort
	var at []place
	for i, p := range s.ports {
		if slices.Contains(numbers, p.Number) {
			ports, at = append(ports, p), append(at, s.portAt[i])
		}
	}
	s.ports, s.portAt = ports, at
}

func (s *service) port(number uint32) *networking.ServicePort {
	for _, p := range s.ports {
		if p.Number == number {
			return p
		}
	}
	return nil
}

// instances lists the endpoints of one entry on each of its ports.
// conversion.go: convertServiceEntryToInstances.
func (t *translator) instances(r *Resource, se *networking.ServiceEntry, host string) []instance {
	var list []instance
	if len(se.Endpoints) == 0 && se.WorkloadSelector == nil && isDNS(se.Resolution) {
		// Rule: RuleHostAsEndpoint: the host is looked up itself.
		for _, p := range se.Ports {
			if p != nil {
				list = append(list, instance{entry: r, index: -1, address: host, port: endpointPort("", nil, p),
					service: p.Number, portName: p.Name, weight: 1})
			}
		}
		return list
	}
	for i, e := range se.Endpoints {
		if e == nil || se.WorkloadSelector != nil {
			continue
		}
		locality := t.endpointLocality(e)
		labels := augmentLabels(e.Labels, splitLocality(locality), e.Network)
		for _, p := range se.Ports {
			if p == nil {
				continue
			}
			list = append(list, instance{
				entry: r, index: i, address: strings.TrimPrefix(e.Address, unixPrefix), port: endpointPort(e.Address, e.Ports, p),
				service: p.Number, portName: p.Name, locality: locality, labels: labels, tlsMode: tlsModeOf(e), account: e.ServiceAccount,
				weight: max(e.Weight, 1), // Rule: RuleEndpointWeight: unset counts as 1
			})
		}
	}
	return list
}

// endpointPort is the port that is dialled.
// Rule: RulePortPrecedence, conversion.go: convertWorkloadInstanceToServiceInstance.
func endpointPort(address string, ports map[string]uint32, p *networking.ServicePort) uint32 {
	if strings.HasPrefix(address, unixPrefix) {
		return 0
	}
	if n := ports[p.Name]; n > 0 {
		return n
	}
	if p.TargetPort > 0 {
		return p.TargetPort
	}
	return p.Number
}

func isDNS(r networking.ServiceEntry_Resolution) bool {
	return r == networking.ServiceEntry_DNS || r == networking.ServiceEntry_DNS_ROUND_ROBIN
}

// discoveryType maps the resolution.
// Rule: RuleResolution, pilot/pkg/networking/core/cluster.go: convertResolution.
func (s *service) discoveryType() (xds.DiscoveryType, bool) {
	switch s.resolution {
	case networking.ServiceEntry_NONE:
		return xds.OriginalDst, true
	case networking.ServiceEntry_STATIC:
		return xds.EDS, true
	case networking.ServiceEntry_DNS:
		return xds.StrictDNS, true
	case networking.ServiceEntry_DNS_ROUND_ROBIN:
		return xds.LogicalDNS, true
	}
	return "", false // DYNAMIC_DNS: a forward proxy, listed as not modelled
}

// endpointsOf returns the instances of one port that carry the labels.
func (s *service) endpointsOf(p *networking.ServicePort, kind xds.DiscoveryType, labels map[string]string) []instance {
	var list []instance
	for _, in := range s.instances {
		// DNS clusters select by number, EDS by name: xds/endpoints/endpoint_builder.go.
		if kind == xds.EDS && in.portName != p.Name || kind != xds.EDS && in.service != p.Number {
			continue
		}
		// Rule: RuleStaticNeedsAddress: EDS drops what is neither an IP nor a socket path.
		if kind == xds.EDS && in.port != 0 && !isIP(in.address) {
			continue
		}
		if in.address == "" || !containsAll(in.labels, labels) {
			continue
		}
		list = append(list, in)
	}
	return list
}

// containsAll reports whether labels has every pair of the selector.
// Rule: RuleSubsetLabels, pkg/config/labels/instance.go: SubsetOf.
func containsAll(labels, selector map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}

func clusterName(port uint32, subset, host string) string {
	return fmt.Sprintf("outbound|%d|%s|%s", port, subset, host)
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
