package scenario

import (
	"maps"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/istio"
	networking "istio.io/api/networking/v1alpha3"
)

// After is the configuration after the step of that index in spec.timeline; -1 is the one at 0s.
func (in *Input) After(step int) []*istio.Resource {
	config := slices.Clone(in.Resources)
	if in.Scenario == nil {
		return config
	}
	for i := 0; i <= step && i < len(in.Scenario.Spec.Timeline); i++ {
		config = in.afterStep(config, i)
	}
	return config
}

// afterStep replaces what the step applies, adds what is new, and removes what it deletes.
func (in *Input) afterStep(config []*istio.Resource, step int) []*istio.Resource {
	for _, res := range in.Applied[step] {
		i := slices.IndexFunc(config, func(old *istio.Resource) bool { return old.ID() == res.ID() })
		if i >= 0 {
			config[i] = res
		} else {
			config = append(config, res)
		}
	}
	if name := in.Scenario.Spec.Timeline[step].Delete; name != "" {
		id := objectID(name)
		config = slices.DeleteFunc(config, func(res *istio.Resource) bool { return res.ID() == id })
	}
	return config
}

// objectID turns Kind/name and Kind/namespace/name into what Resource.ID says.
func objectID(ref string) string {
	parts := strings.Split(ref, "/")
	if len(parts) == 2 {
		parts = []string{parts[0], defaultNamespace, parts[1]}
	}
	if len(parts) != 3 {
		return ""
	}
	return (&istio.Resource{Kind: parts[0], Namespace: parts[1], Name: parts[2]}).ID()
}

// Address is an endpoint address of the configuration.
type Address struct {
	Name     string         // a DNS name or an IP, in lower case
	Ports    []int          // where it is reached, when it is there first
	Locality string         // of the endpoint, as written
	Pos      istio.Position // where it stands first
	Step     int            // the step that brings it; -1: there at 0s
}

// Addresses lists the endpoint addresses of the configuration at 0s and then
// those that steps bring, in the order in which they are written.
func (in *Input) Addresses() []Address {
	var all []Address
	config := slices.Clone(in.Resources)
	at := map[string]int{} // index in all, by name
	add := func(step int) {
		had := len(all)
		for _, a := range addressesOf(config) {
			i, known := at[a.Name]
			switch {
			case !known:
				a.Step = step
				at[a.Name] = len(all)
				all = append(all, a)
			case i >= had: // another port of the same moment
				all[i].Ports = append(all[i].Ports, a.Ports...)
			}
		}
		for i := had; i < len(all); i++ {
			slices.Sort(all[i].Ports)
			all[i].Ports = slices.Compact(all[i].Ports)
		}
	}
	add(-1)
	if in.Scenario != nil {
		for i := range in.Scenario.Spec.Timeline {
			config = in.afterStep(config, i)
			add(i)
		}
	}
	return all
}

// addressesOf lists the endpoints of all ServiceEntries; an address may come more than once.
func addressesOf(config []*istio.Resource) []Address {
	var all []Address
	for _, res := range config {
		se, ok := res.Spec.(*networking.ServiceEntry)
		if !ok {
			continue
		}
		for i, we := range se.Endpoints {
			all = append(all, endpoint(se, we, res.Where(index("spec.endpoints", i)+".address"))...)
		}
		switch {
		case se.WorkloadSelector != nil && len(se.Endpoints) == 0:
			all = append(all, selected(se, res.Namespace, config)...)
		case len(se.Endpoints) == 0 && se.Resolution != networking.ServiceEntry_STATIC:
			for i, host := range se.Hosts { // the host is its own endpoint
				if !strings.HasPrefix(host, "*") {
					all = append(all, endpoint(se, &networking.WorkloadEntry{Address: host}, res.Where(index("spec.hosts", i)))...)
				}
			}
		}
	}
	return all
}

// selected lists the WorkloadEntries that a ServiceEntry selects.
func selected(se *networking.ServiceEntry, namespace string, config []*istio.Resource) []Address {
	var all []Address
	for _, res := range config {
		we, ok := res.Spec.(*networking.WorkloadEntry)
		if !ok || res.Namespace != namespace {
			continue
		}
		labels := maps.Clone(we.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, res.Labels)
		matches := true
		for k, v := range se.WorkloadSelector.Labels {
			matches = matches && labels[k] == v
		}
		if matches {
			all = append(all, endpoint(se, we, res.Where("spec.address"))...)
		}
	}
	return all
}

// endpoint is an endpoint with the ports that it serves for a ServiceEntry:
// its own, else the target port, else the number.
func endpoint(se *networking.ServiceEntry, we *networking.WorkloadEntry, pos istio.Position) []Address {
	if we.GetAddress() == "" || strings.HasPrefix(we.Address, "unix:") {
		return nil
	}
	a := Address{Name: canonical(we.Address), Locality: we.Locality, Pos: pos}
	for _, p := range se.Ports {
		port := p.GetNumber()
		if p.GetTargetPort() > 0 {
			port = p.TargetPort
		}
		if own := we.Ports[p.GetName()]; own > 0 {
			port = own
		}
		a.Ports = append(a.Ports, int(port))
	}
	return []Address{a}
}

// canonical is the form in which addresses and hosts are compared.
func canonical(address string) string { return strings.TrimSuffix(strings.ToLower(address), ".") }
