package scenario

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	networkingbeta "istio.io/api/networking/v1beta1"
)

// The API groups that are read; the kinds of all others are counted and skipped.
const (
	istioGroup    = "networking.istio.io"
	scenarioGroup = "faildrill.dev"
	scenarioAPI   = scenarioGroup + "/v1alpha1"
)

// istioVersions are the versions of the group; the messages behind them are the same.
var istioVersions = []string{"v1", "v1beta1", "v1alpha3"}

// spec is an Istio message as istio.io/api has it: it reads its own JSON.
type spec interface {
	proto.Message
	json.Unmarshaler
}

// istioKinds are the kinds of the group, each with its empty spec.
var istioKinds = map[string]func() spec{
	"DestinationRule": func() spec { return new(networking.DestinationRule) },
	"EnvoyFilter":     func() spec { return new(networking.EnvoyFilter) },
	"Gateway":         func() spec { return new(networking.Gateway) },
	"ProxyConfig":     func() spec { return new(networkingbeta.ProxyConfig) },
	"ServiceEntry":    func() spec { return new(networking.ServiceEntry) },
	"Sidecar":         func() spec { return new(networking.Sidecar) },
	"VirtualService":  func() spec { return new(networking.VirtualService) },
	"WorkloadEntry":   func() spec { return new(networking.WorkloadEntry) },
	"WorkloadGroup":   func() spec { return new(networking.WorkloadGroup) },
}

func kindNames() []string {
	names := make([]string, 0, len(istioKinds))
	for k := range istioKinds {
		names = append(names, k)
	}
	return names
}

// class is what a document is to us.
type class int

const (
	foreign  class = iota // another group's object: counted, skipped
	resource              // an Istio object
	list                  // a list of objects
	scenario              // a Scenario
	broken                // meant for us and wrong; reported
)

// classify tells from apiVersion and kind what a document is.
func (r *reader) classify(d document) (class, string) {
	at := d.at(d.node)
	api, kind := child(d.node, "apiVersion"), child(d.node, "kind")
	version, name := text(api), text(kind)
	group, v, _ := strings.Cut(version, "/")
	base := strings.TrimSuffix(name, "List")
	switch {
	case name == "" && version == "" && r.walking && keyTypo(d.node) == "":
		r.warnings.add(at, "passed over: it has no apiVersion and no kind")
		return foreign, "without a kind"
	case name == "" && version == "":
		r.problems.add(at, "is neither an Istio resource nor a Scenario: it has no apiVersion and no kind%s", keyTypo(d.node))
		return broken, ""
	case d.isOurs() && group != scenarioGroup:
		r.problems.add(at, "kind %s needs apiVersion %s, found %s", name, scenarioAPI, quote(version))
		return broken, name
	case name == "":
		r.problems.add(at, "apiVersion %s without a kind%s", version, keyTypo(d.node))
		return broken, ""
	case group == scenarioGroup:
		return r.ours(d, name), name
	case group == istioGroup && !contains(istioVersions, v):
		r.problems.add(d.at(api), "unknown version %q of %s; expected one of v1, v1alpha3, v1beta1", v, istioGroup)
		return broken, name
	case group == istioGroup && (istioKinds[name] != nil):
		return resource, name
	case group == istioGroup && name != base && istioKinds[base] != nil:
		return list, base
	case group == istioGroup:
		r.problems.add(d.at(kind), "unknown kind %q of %s%s", name, istioGroup, didYouMean(name, kindNames()))
		return broken, name
	case version == "v1" && name == "List":
		return list, ""
	case istioKinds[name] != nil && (!strings.Contains(version, "/") || distance(group, istioGroup) <= 3):
		what := quote(version)
		if api == nil {
			api, what = d.node, "none"
		}
		r.problems.add(d.at(api), "kind %s needs apiVersion %s/v1, found %s", name, istioGroup, what)
		return broken, name
	case version == "":
		r.problems.add(at, "kind %s without an apiVersion%s", name, keyTypo(d.node))
		return broken, name
	}
	return foreign, name
}

// isOurs reports whether a document is a Scenario or was meant to be one.
func (d document) isOurs() bool {
	version, kind := text(child(d.node, "apiVersion")), text(child(d.node, "kind"))
	group, _, _ := strings.Cut(version, "/")
	return group == scenarioGroup || kind == "Scenario" && (version == "" || distance(group, scenarioGroup) <= 3)
}

// ours classifies a document of faildrill's own group.
func (r *reader) ours(d document, kind string) class {
	if kind != "Scenario" {
		r.problems.add(d.at(child(d.node, "kind")), "unknown kind %q of %s; expected Scenario", kind, scenarioGroup)
		return broken
	}
	return scenario
}
