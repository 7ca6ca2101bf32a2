package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Difference is one field in which the configuration that Envoy has is not the
// one that was predicted. Paths are spelled as in Envoy's API; what stands in a
// list is named in brackets.
type Difference struct {
	Cluster   string `json:"cluster,omitempty"` // of the field: a cluster's, with its endpoints
	Routes    string `json:"routes,omitempty"`  // or a route configuration's
	Path      string `json:"path"`              // "" is the whole
	Predicted string `json:"predicted"`         // "absent" if it is not there
	Observed  string `json:"observed"`
	// Reason says why the difference is known to be there; "" is one to look into.
	Reason string `json:"reason,omitempty"`
}

// What a side says that has nothing, or something that is no single value.
const (
	absent  = "absent"
	present = "present"
)

// String is one line.
func (d Difference) String() string {
	var b strings.Builder
	if d.Cluster != "" {
		fmt.Fprintf(&b, "cluster %s: ", d.Cluster)
	} else {
		fmt.Fprintf(&b, "routes %s: ", d.Routes)
	}
	if d.Path != "" {
		b.WriteString(d.Path + " ")
	}
	fmt.Fprintf(&b, "predicted %s, observed %s", d.Predicted, d.Observed)
	if d.Reason != "" {
		fmt.Fprintf(&b, " (%s)", d.Reason)
	}
	return b.String()
}

// Config compares a predicted configuration with what Envoy has.
//
// predicted is an object with the lists clusters, routes and endpoints, each of
// Envoy's messages as JSON (envoyconfig.Predicted); observed is Envoy's
// /config_dump?include_eds. What both sides mean alike is no difference: a
// default that one of them writes out, the spelling of a duration, the order of
// localities, endpoints, domains and retry conditions. Clusters of the bootstrap
// are nobody's prediction. The differences come in the order of clusters, then routes.
func Config(predicted, observed []byte) ([]Difference, error) {
	p, err := readPredicted(predicted)
	if err != nil {
		return nil, fmt.Errorf("reading the prediction: %w", err)
	}
	o, err := readDump(observed)
	if err != nil {
		return nil, fmt.Errorf("reading the config dump: %w", err)
	}
	if len(p.endpoints) > 0 && o.endpoints == nil {
		return nil, fmt.Errorf("the config dump has no endpoints: ask for /config_dump?include_eds")
	}
	c := comparison{}
	for _, name := range union(p.clusters, o.clusters) {
		c.at = Difference{Cluster: name}
		if !c.both(p.clusters[name], o.clusters[name], unpredictedCluster(name)) {
			continue
		}
		c.message(clusterFields, p.clusters[name], o.clusters[name])
		if e, ok := p.endpoints[name]; ok {
			c.message(endpointFields, e, o.endpoints[name])
		}
	}
	for _, name := range union(p.routes, o.routes) {
		c.at = Difference{Routes: name}
		if c.both(p.routes[name], o.routes[name], unpredictedRoutes(o.routes[name])) {
			c.message(routeFields, p.routes[name], o.routes[name])
		}
	}
	return c.list, nil
}

// Unexplained are the differences that have no reason.
func Unexplained(list []Difference) []Difference {
	var out []Difference
	for _, d := range list {
		if d.Reason == "" {
			out = append(out, d)
		}
	}
	return out
}

type object = map[string]any

// configuration is one side: messages by name.
type configuration struct {
	clusters, routes, endpoints map[string]object
}

func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(into)
}

func readPredicted(b []byte) (configuration, error) {
	var doc struct{ Clusters, Routes, Endpoints []object }
	if err := decode(b, &doc); err != nil {
		return configuration{}, err
	}
	return configuration{named(doc.Clusters, "name"), named(doc.Routes, "name"), named(doc.Endpoints, "cluster_name")}, nil
}

func named(list []object, key string) map[string]object {
	out := map[string]object{}
	for _, m := range list {
		name, _ := m[key].(string)
		out[name] = m
	}
	return out
}

// readDump takes what the control plane sent from a dump (envoy.admin.v3.ConfigDump).
func readDump(b []byte) (configuration, error) {
	var doc struct{ Configs []json.RawMessage }
	if err := decode(b, &doc); err != nil {
		return configuration{}, err
	}
	if len(doc.Configs) == 0 {
		return configuration{}, fmt.Errorf("it is empty")
	}
	out := configuration{clusters: map[string]object{}, routes: map[string]object{}}
	for _, raw := range doc.Configs {
		var c struct {
			Type    string                     `json:"@type"`
			Active  []struct{ Cluster object } `json:"dynamic_active_clusters"`
			Warming []struct{ Cluster object } `json:"dynamic_warming_clusters"`
			Routes  []struct {
				Config object `json:"route_config"`
			} `json:"dynamic_route_configs"`
			Endpoint []struct {
				Config object `json:"endpoint_config"`
			} `json:"dynamic_endpoint_configs"`
		}
		if err := decode(raw, &c); err != nil {
			return configuration{}, err
		}
		for _, x := range append(c.Warming, c.Active...) {
			name, _ := x.Cluster["name"].(string)
			out.clusters[name] = x.Cluster
		}
		for _, x := range c.Routes {
			out.addRoutes(x.Config)
		}
		if !strings.HasSuffix(c.Type, ".EndpointsConfigDump") {
			continue
		}
		out.endpoints = map[string]object{}
		for _, x := range c.Endpoint {
			name, _ := x.Config["cluster_name"].(string)
			out.endpoints[name] = x.Config
		}
	}
	return out, nil
}

// anyDomain stands for domains that are not compared.
const anyDomain = "any"

// addRoutes adds a route configuration. A port without a protocol has one for
// each host, "host:port", in which every Host header leads to the host: they
// count for the port, with the domains left open.
// pilot/pkg/networking/core/httproute.go: getVirtualHostsForSniffedServicePort.
func (c *configuration) addRoutes(m object) {
	name, _ := m["name"].(string)
	_, port, sniffed := strings.Cut(name, ":")
	if !sniffed {
		port = name
	}
	hosts, _ := m["virtual_hosts"].([]any)
	if sniffed {
		for _, h := range hosts {
			if h, ok := h.(object); ok {
				h["domains"] = anyDomain
			}
		}
	}
	m["name"] = port
	if old := c.routes[port]; old != nil {
		first, _ := old["virtual_hosts"].([]any)
		m["virtual_hosts"] = append(first, hosts...)
	}
	c.routes[port] = m
}

// comparison collects the differences of one thing after the other.
type comparison struct {
	at   Difference // the thing
	list []Difference
}

func (c *comparison) add(path, predicted, observed, reason string) {
	d := c.at
	d.Path, d.Predicted, d.Observed, d.Reason = path, predicted, observed, reason
	c.list = append(c.list, d)
}

// both reports whether both sides have the thing at all; known is why nothing
// was predicted.
func (c *comparison) both(p, o object, known string) bool {
	switch {
	case p == nil:
		c.add("", absent, present, known)
	case o == nil:
		c.add("", present, absent, "")
	}
	return p != nil && o != nil
}

func (c *comparison) message(f fields, p, o object) {
	c.compare(f, "", "", f.simple("", p), f.simple("", o))
}

// compare walks both sides. A part that one side lacks is one difference, not
// one for each of its fields, unless some of them have reasons of their own.
// kind is the path without what is in brackets.
func (c *comparison) compare(f fields, path, kind string, p, o any) {
	pm, pok := p.(object)
	om, ook := o.(object)
	if pok && ook || (pok && o == nil || ook && p == nil) && f.splits(kind) {
		for _, key := range union(pm, om) {
			c.compare(f, join(path, key), join(kind, kindOf(key)), pm[key], om[key])
		}
		return
	}
	pt, ot := text(p, kind), text(o, kind)
	if pt == ot || p != nil && ot == anyDomain && lastOf(kind) == "domains" {
		return
	}
	reason := ""
	if p == nil {
		reason = f.reason(path, kind)
	}
	c.add(strings.TrimSuffix(f.prefix+path, "."), pt, ot, reason)
}

// join puts a dot between fields and none before a bracket.
func join(path, key string) string {
	if path == "" || strings.HasPrefix(key, "[") {
		return path + key
	}
	return path + "." + key
}

func kindOf(key string) string {
	if strings.HasPrefix(key, "[") {
		return "[]"
	}
	return key
}

// text is what a side says. An element of a list is told by its name.
func text(v any, kind string) string {
	switch v := v.(type) {
	case nil:
		return absent
	case string:
		return v
	}
	if strings.HasSuffix(kind, "[]") {
		return present
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func union[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.SortFunc(keys, natural)
	return slices.Compact(keys)
}

// natural orders [10] after [9].
func natural(a, b string) int {
	if n := len(a) - len(b); n != 0 && isIndex(a) && isIndex(b) {
		return n
	}
	return strings.Compare(a, b)
}

func isIndex(key string) bool {
	_, err := strconv.Atoi(strings.Trim(key, "[]"))
	return err == nil
}

// simple is the value with everything left out that means nothing: defaults,
// empty messages whose presence says nothing, and the order of lists that have
// none. Leaves become text; lists become objects by "[name]".
func (f fields) simple(kind string, v any) any {
	switch v := v.(type) {
	case object:
		if percent(kind) {
			return f.leaf(kind, scalar(orZero(v["value"])))
		}
		if runtimeDouble(kind) {
			return f.leaf(kind, scalar(orZero(v["default_value"])))
		}
		out := object{}
		for key, x := range v {
			if key == "@type" && (kind == "" || kind == httpOptions) {
				continue // the place says what it is
			}
			if f.state[join(kind, key)] {
				continue
			}
			if s := f.simple(join(kind, key), x); s != nil {
				out[key] = s
			}
		}
		if len(out) == 0 && !f.present[kind] {
			return nil
		}
		return out
	case []any:
		return f.keyed(kind, v)
	case nil:
		return nil
	}
	return f.leaf(kind, scalar(v))
}

func (f fields) leaf(kind, value string) any {
	if sortedLists[lastOf(kind)] {
		parts := strings.Split(value, ",")
		slices.Sort(parts)
		// istiod writes ",retriable-status-codes" where a policy has codes alone.
		parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
		value = strings.Join(parts, ",")
	}
	if d, ok := f.defaults[kind]; ok && d == value {
		return nil
	}
	return value
}

// keyed turns a list into an object: by the name of its elements where they have
// one, by their place otherwise.
func (f fields) keyed(kind string, list []any) any {
	out := object{}
	if lastOf(kind) == "domains" {
		var words []string
		for _, x := range list {
			words = append(words, scalar(x))
		}
		slices.Sort(words)
		return strings.Join(words, ",")
	}
	for i, x := range list {
		key := fmt.Sprintf("[%d]", i)
		if m, ok := x.(object); ok {
			m = maps.Clone(m)
			if name, dropped := nameOf(lastOf(kind), m); name != "" {
				key = "[" + name + "]"
				for _, d := range dropped {
					delete(m, d)
				}
			}
			x = m
		}
		s := f.simple(kind+"[]", x)
		if lastOf(kind) == "endpoints" && s != nil && s.(object)["lb_endpoints"] == nil {
			continue // a group without endpoints is never chosen
		}
		if s == nil {
			s = object{}
		}
		out[key] = s
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// nameOf tells the elements of some lists apart, and which fields the name is made of.
func nameOf(list string, m object) (name string, from []string) {
	switch list {
	case "virtual_hosts", "retry_host_predicate":
		name, _ = m["name"].(string)
		return name, []string{"name"}
	case "thresholds":
		return "priority " + scalar(orDefault(m["priority"], "DEFAULT")), []string{"priority"}
	case "endpoints":
		l, _ := m["locality"].(object)
		where := strings.TrimRight(scalar(orDefault(l["region"], ""))+"/"+scalar(orDefault(l["zone"], ""))+"/"+scalar(orDefault(l["sub_zone"], "")), "/")
		if where == "" {
			where = "no locality"
		}
		return where + ", priority " + scalar(orZero(m["priority"])), []string{"locality", "priority"}
	case "lb_endpoints":
		return addressOf(m), []string{"endpoint"}
	}
	return "", nil
}

// addressOf is address:port of an endpoint, or its socket path.
func addressOf(m object) string {
	e, _ := m["endpoint"].(object)
	a, _ := e["address"].(object)
	if pipe, ok := a["pipe"].(object); ok {
		return scalar(pipe["path"])
	}
	s, _ := a["socket_address"].(object)
	host := scalar(orDefault(s["address"], ""))
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
		if ip.Is6() {
			host = "[" + host + "]"
		}
	}
	return host + ":" + scalar(orZero(s["port_value"]))
}

func orDefault(v any, d string) any {
	if v == nil {
		return d
	}
	return v
}

func orZero(v any) any { return orDefault(v, "0") }

// scalar spells numbers and durations in one way.
func scalar(v any) string {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case string:
		if s, ok := strings.CutSuffix(v, "s"); ok {
			if n := number(s); n != s || isNumber(s) {
				return n + "s"
			}
		}
		return v
	}
	return fmt.Sprint(v)
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "0123456789.") == ""
}

// number drops zeros that say nothing: 60.000 is 60.
func number(s string) string {
	if isNumber(s) && strings.Contains(s, ".") {
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func lastOf(kind string) string {
	kind = strings.TrimSuffix(kind, "[]")
	return kind[strings.LastIndex(kind, ".")+1:]
}
