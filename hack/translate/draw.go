package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/faildrill/faildrill/harness/schedule"
)

// pair is one drawn configuration: a service with what routes to it. Its texts
// hold idMark where its own identity goes, so that it can be pushed any number
// of times beside itself.
type pair struct {
	number  int
	objects []object
}

// object is an Istio object as a tree that yaml can write and the shrinker can cut.
type object struct {
	kind, namespace, name string
	metadata              map[string]any // labels, annotations
	spec                  map[string]any
}

const (
	idMark      = "IDMARK"
	addressMark = "ADDRESSMARK" // an IP address that no other pair has
)

func addressOf(id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	n := h.Sum32()
	return fmt.Sprintf("240.%d.%d.%d", n>>16&255, n>>8&255, n&255)
}

// documents renders the pair under an identity: a DNS label that no other pair has.
func (p pair) documents(id string) []schedule.Document {
	var list []schedule.Document
	for _, o := range p.objects {
		name := strings.ReplaceAll(o.name, idMark, id)
		metadata := map[string]any{"name": o.name, "namespace": o.namespace}
		for k, v := range o.metadata {
			metadata[k] = v
		}
		text, err := yaml.Marshal(map[string]any{
			"apiVersion": "networking.istio.io/v1", "kind": o.kind, "metadata": metadata, "spec": o.spec,
		})
		if err != nil {
			panic(err) // a tree of plain values
		}
		list = append(list, schedule.Document{Kind: o.kind, Namespace: o.namespace, Name: name, YAML: strings.NewReplacer(idMark, id, addressMark, addressOf(id)).Replace(string(text))})
	}
	return list
}

// drawer draws values; the same generator gives the same pair.
type drawer struct{ *rand.Rand }

// draw makes the pair of that number.
func draw(seed uint64, number int) pair {
	d := drawer{rand.New(rand.NewPCG(seed, uint64(number)))}
	p := pair{number: number}
	entries := 1
	if d.chance(15) {
		entries = 2
	}
	ports := d.ports()
	for i := range entries {
		if i > 0 && d.chance(50) {
			ports = d.ports()
		}
		p.objects = append(p.objects, d.serviceEntry(fmt.Sprintf("%s-se%d", idMark, i), ports))
	}
	for i := range d.of(10, 55, 25, 10) {
		p.objects = append(p.objects, d.destinationRule(fmt.Sprintf("%s-dr%d", idMark, i)))
	}
	for i := range d.of(40, 50, 10) {
		p.objects = append(p.objects, d.virtualService(fmt.Sprintf("%s-vs%d", idMark, i)))
	}
	return p
}

func (d drawer) chance(percent int) bool { return d.IntN(100) < percent }

// of draws an index by weight.
func (d drawer) of(weights ...int) int {
	total := 0
	for _, w := range weights {
		total += w
	}
	n := d.IntN(total)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	panic("unreachable")
}

func one[T any](d drawer, list ...T) T { return list[d.IntN(len(list))] }

// fields collects drawn fields.
type fields map[string]any

// maybe sets the field with that chance.
func (f fields) maybe(d drawer, percent int, name string, value func() any) {
	if d.chance(percent) {
		f[name] = value()
	}
}

func (d drawer) namespace() string {
	return one(d, "default", "default", "default", "other", "istio-system")
}

func (d drawer) exportTo() any {
	return one[any](d, []any{"*"}, []any{"."}, []any{"default"}, []any{"other"}, []any{"default", "other"}, []any{".", "other"}, []any{"istio-system"})
}

func (d drawer) host() string {
	return one(d, idMark+".example", idMark+".example", idMark+".example", "b."+idMark+".example", "*."+idMark+".example")
}

// ports: HTTP and other protocols have numbers of their own, because a port
// number that is both is a conflict between services.
func (d drawer) ports() []any {
	var list []any
	used := map[int]bool{}
	for i := range d.of(0, 60, 30, 10) {
		f := fields{"name": fmt.Sprintf("p%d", i)}
		var number int
		switch d.of(75, 15, 10) {
		case 0:
			number, f["protocol"] = one(d, 80, 80, 8080, 9000), one(d, "HTTP", "HTTP", "HTTP", "http", "HTTP2", "GRPC", "GRPC-WEB")
		case 1:
			number, f["protocol"] = one(d, 443, 5432, 7000), one(d, "TCP", "HTTPS", "TLS", "MONGO")
		default:
			number = one(d, 6000, 6001)
		}
		if used[number] {
			if !d.chance(3) { // a number that is there twice is refused
				continue
			}
		}
		used[number] = true
		f["number"] = number
		f.maybe(d, 25, "targetPort", func() any { return one(d, 81, 8081, 10080) })
		list = append(list, map[string]any(f))
	}
	return list
}

var localities = []string{
	"", "r1", "r1/z1", "r1/z1/s1", "r1/z1/s2", "r1/z2", "r1/z2/s1", "r2", "r2/z1", "r2/z1/s1", "r2/z2/s1", "r3/z1/s1", "r3", "r1/", "r1/z1/s1/x", "r1//s1",
}

func (d drawer) serviceEntry(name string, ports []any) object {
	f := fields{"ports": ports}
	hosts := []any{d.host()}
	if d.chance(10) {
		if h := d.host(); h != hosts[0] || d.chance(20) {
			hosts = append(hosts, h)
		}
	}
	f["hosts"] = hosts
	resolution := one(d, "STATIC", "STATIC", "STATIC", "DNS", "DNS", "DNS", "DNS_ROUND_ROBIN", "NONE")
	if resolution != "NONE" || d.chance(50) {
		f["resolution"] = resolution
	}
	f.maybe(d, 60, "location", func() any { return one(d, "MESH_EXTERNAL", "MESH_INTERNAL") })
	f.maybe(d, 10, "exportTo", d.exportTo)
	f.maybe(d, 1, "exportTo", func() any { return []any{"~"} })
	f.maybe(d, 5, "addresses", func() any { return []any{addressMark} })
	count := d.of(10, 20, 25, 20, 15, 10)
	switch resolution {
	case "NONE":
		if !d.chance(3) {
			count = 0
		}
	case "DNS_ROUND_ROBIN":
		if !d.chance(3) {
			count = min(count, 1)
		}
	}
	oneLocality := resolution == "DNS" && d.chance(25) // where failoverPriority is safe
	same := one(d, localities...)
	var endpoints []any
	for i := range count {
		e := fields{"address": fmt.Sprintf("10.0.%d.%d", d.IntN(4), i+1)}
		if resolution != "STATIC" && d.chance(80) || d.chance(1) {
			e["address"] = fmt.Sprintf("e%d.%s.example", i, idMark)
		}
		if d.chance(1) {
			e["address"] = one(d, "", "a_b", "unix:///run/x.sock", "fd00::1", "10.0.0.300")
		}
		switch {
		case oneLocality:
			if same != "" {
				e["locality"] = same
			}
		case d.chance(85):
			e["locality"] = one(d, localities...)
		}
		e.maybe(d, 30, "weight", func() any { return one(d, 0, 1, 2, 5, 100, 1<<31, 1<<32-1) })
		e.maybe(d, 30, "labels", d.endpointLabels)
		e.maybe(d, 20, "ports", func() any {
			m := fields{}
			for j := range ports {
				m.maybe(d, 60, fmt.Sprintf("p%d", j), func() any { return one(d, 82, 8082, 10082) })
			}
			return map[string]any(m)
		})
		e.maybe(d, 4, "network", func() any { return one(d, "n1", "n2") })
		endpoints = append(endpoints, map[string]any(e))
	}
	if count > 0 {
		f["endpoints"] = endpoints
	}
	meta := fields{}
	meta.maybe(d, 5, "annotations", func() any {
		return map[string]any{"networking.istio.io/traffic-distribution": one(d, "PreferClose", "PreferSameZone", "PreferSameNode", "prefersamezone", "Any")}
	})
	meta.maybe(d, 5, "labels", func() any { return map[string]any{"l": one(d, "1", "2")} })
	return object{"ServiceEntry", d.namespace(), name, meta, f}
}

func (d drawer) endpointLabels() any {
	f := fields{}
	f.maybe(d, 70, "ver", func() any { return one(d, "v1", "v2") })
	f.maybe(d, 30, "app", func() any { return one(d, "a", "b") })
	f.maybe(d, 15, "istio-locality", func() any { return one(d, "r1.z1.s1", "r2", "r1.z2") })
	f.maybe(d, 10, "topology.istio.io/locality", func() any { return one(d, "r3.z1", "r1.z1.s2") })
	f.maybe(d, 10, "topology.istio.io/network", func() any { return one(d, "n1", "n2") })
	f.maybe(d, 10, "topology.kubernetes.io/region", func() any { return one(d, "r1", "r2") })
	f.maybe(d, 5, "kubernetes.io/hostname", func() any { return one(d, "node1", "node2") })
	return map[string]any(f)
}

func (d drawer) destinationRule(name string) object {
	f := fields{"host": d.host()}
	f.maybe(d, 90, "trafficPolicy", func() any { return d.trafficPolicy(true) })
	f.maybe(d, 30, "subsets", func() any {
		var list []any
		for i := range 1 + d.IntN(2) {
			s := fields{"name": fmt.Sprintf("v%d", i+1)}
			s.maybe(d, 2, "name", func() any { return "v1" })
			s.maybe(d, 85, "labels", func() any {
				return one(d, map[string]any{"ver": "v1"}, map[string]any{"ver": "v2"}, map[string]any{"app": "a", "ver": "v1"})
			})
			s.maybe(d, 50, "trafficPolicy", func() any { return d.trafficPolicy(true) })
			list = append(list, map[string]any(s))
		}
		return list
	})
	f.maybe(d, 10, "exportTo", d.exportTo)
	f.maybe(d, 8, "workloadSelector", func() any {
		return map[string]any{"matchLabels": one(d, map[string]any{"app": "a"}, map[string]any{"app": "b"}, map[string]any{})}
	})
	return object{"DestinationRule", d.namespace(), name, nil, f}
}

func (d drawer) trafficPolicy(top bool) map[string]any {
	f := fields{}
	f.maybe(d, 60, "outlierDetection", d.outlierDetection)
	f.maybe(d, 45, "loadBalancer", d.loadBalancer)
	f.maybe(d, 35, "connectionPool", d.connectionPool)
	f.maybe(d, 8, "tls", func() any { return map[string]any{"mode": one(d, "DISABLE", "SIMPLE", "ISTIO_MUTUAL")} })
	if top {
		f.maybe(d, 12, "retryBudget", func() any {
			b := fields{}
			b.maybe(d, 60, "percent", func() any { return one(d, 0, 0.5, 20, 100, 101, -1) })
			b.maybe(d, 60, "minRetryConcurrency", func() any { return one(d, 0, 1, 10) })
			return map[string]any(b)
		})
		f.maybe(d, 20, "portLevelSettings", func() any {
			var list []any
			for range 1 + d.IntN(2) {
				e := fields(d.trafficPolicy(false))
				e["port"] = map[string]any{"number": one(d, 80, 80, 8080, 443, 6000, 81)}
				list = append(list, map[string]any(e))
			}
			return list
		})
	}
	if len(f) == 0 && d.chance(90) {
		f["outlierDetection"] = d.outlierDetection()
	}
	return f
}

func (d drawer) duration() any {
	return one(d, "1ms", "250ms", "1s", "2.5s", "15s", "1m", "10m", "400s", "1h", "0s", "0.0005s", "1.0005s")
}

// rarely invalid: most pairs have to get through.
func (d drawer) goodDuration() any {
	if d.chance(99) {
		return one(d, "1ms", "250ms", "1s", "2.5s", "15s", "1m", "10m", "400s", "1h")
	}
	return d.duration()
}

func (d drawer) number() any {
	if d.chance(99) {
		return one(d, 0, 1, 2, 3, 5, 7, 100, 1024)
	}
	return one(d, -1, 1<<31-1)
}

func (d drawer) percent() any {
	if d.chance(98) {
		return one(d, 0, 1, 10, 34, 50, 100)
	}
	return one(d, -1, 101)
}

func (d drawer) outlierDetection() any {
	f := fields{}
	f.maybe(d, 50, "consecutive5xxErrors", func() any { return one(d, 0, 1, 2, 5, 7) })
	f.maybe(d, 30, "consecutiveGatewayErrors", func() any { return one(d, 0, 1, 5, 9) })
	f.maybe(d, 4, "consecutiveErrors", func() any { return one(d, 0, 3) })
	f.maybe(d, 50, "interval", d.goodDuration)
	f.maybe(d, 50, "baseEjectionTime", d.goodDuration)
	f.maybe(d, 50, "maxEjectionPercent", d.percent)
	f.maybe(d, 25, "minHealthPercent", d.percent)
	split := d.chance(20)
	if split || d.chance(5) {
		f["splitExternalLocalOriginErrors"] = split
	}
	if split && d.chance(70) || d.chance(2) {
		f["consecutiveLocalOriginFailures"] = one(d, 0, 1, 5, 8)
	}
	return map[string]any(f)
}

func (d drawer) loadBalancer() any {
	f := fields{}
	switch d.of(60, 20, 8) {
	case 0:
		f["simple"] = one(d, "UNSPECIFIED", "ROUND_ROBIN", "ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "RANDOM", "PASSTHROUGH")
	case 2:
		f["consistentHash"] = one(d, map[string]any{"useSourceIp": true}, map[string]any{"httpHeaderName": "x", "maglev": map[string]any{}},
			map[string]any{"httpHeaderName": "x", "ringHash": map[string]any{"minimumRingSize": 64}}, map[string]any{"httpCookie": map[string]any{"name": "c", "ttl": "1s"}})
	}
	f.maybe(d, 15, "warmup", func() any {
		w := fields{"duration": d.goodDuration()}
		w.maybe(d, 50, "minimumPercent", func() any { return one(d, 0, 10, 50, 100) })
		w.maybe(d, 50, "aggression", func() any { return one(d, 0.5, 1, 2.5) })
		return map[string]any(w)
	})
	f.maybe(d, 8, "warmupDurationSecs", d.goodDuration)
	f.maybe(d, 60, "localityLbSetting", d.locality)
	return map[string]any(f)
}

var priorityLabels = []string{
	"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone", "ver", "app", "ver=v2",
	"topology.istio.io/network", "topology.kubernetes.io/region=r2", "kubernetes.io/hostname", "topology.istio.io/cluster", "app=a=b", "ver=",
}

func (d drawer) locality() any {
	f := fields{}
	f.maybe(d, 15, "enabled", func() any { return d.chance(50) })
	region := func() string { return one(d, "r1", "r2", "r3", "r9") }
	failover := func() any {
		var list []any
		for range 1 + d.IntN(2) {
			from, to := region(), region()
			if from == to && !d.chance(10) {
				continue
			}
			list = append(list, map[string]any{"from": from, "to": to})
		}
		return list
	}
	priority := func() any {
		var list []any
		for _, i := range d.Perm(len(priorityLabels))[:1+d.IntN(3)] {
			list = append(list, priorityLabels[i])
		}
		return list
	}
	switch d.of(15, 25, 30, 10, 25) {
	case 1:
		f["failover"] = failover()
	case 2:
		f["failoverPriority"] = priority()
	case 3:
		f["failover"], f["failoverPriority"] = failover(), priority()
	case 4:
		f["distribute"] = d.distribute()
	}
	return map[string]any(f)
}

func (d drawer) distribute() any {
	var list []any
	for range 1 + d.IntN(2) {
		to := map[string]any{}
		patterns := one(d, []string{"r1/*", "r2/*"}, []string{"r1/z1/*", "r1/z2/*", "r2/*"}, []string{"r1/z1/s1", "r1/z1/s2", "*"}, []string{"r1", "r2", "r3"},
			[]string{"*"}, []string{"r1/*", "r1/z1/*"}, []string{"r2/z1/s1", "r3/*"})
		left := 100
		for i, p := range patterns {
			n := left
			if i < len(patterns)-1 {
				n = 1 + d.IntN(left-(len(patterns)-1-i))
			}
			to[p], left = n, left-n
		}
		if d.chance(2) {
			to[patterns[0]] = one(d, 0, 101, 7)
		}
		list = append(list, map[string]any{"from": one(d, "r1/*", "r1/z1/*", "r1/z1/s1", "r2/*", "r2", "*", "r9/*", "r3/z1"), "to": to})
	}
	return list
}

func (d drawer) connectionPool() any {
	f := fields{}
	f.maybe(d, 70, "tcp", func() any {
		t := fields{}
		t.maybe(d, 60, "maxConnections", d.number)
		t.maybe(d, 60, "connectTimeout", d.goodDuration)
		t.maybe(d, 8, "idleTimeout", d.duration)
		t.maybe(d, 5, "maxConnectionDuration", d.goodDuration)
		t.maybe(d, 5, "tcpKeepalive", func() any { return map[string]any{"probes": 3, "time": d.goodDuration()} })
		return map[string]any(t)
	})
	f.maybe(d, 60, "http", func() any {
		h := fields{}
		h.maybe(d, 50, "http1MaxPendingRequests", d.number)
		h.maybe(d, 50, "http2MaxRequests", d.number)
		h.maybe(d, 40, "maxRetries", d.number)
		h.maybe(d, 10, "maxRequestsPerConnection", d.number)
		h.maybe(d, 8, "maxConcurrentStreams", d.number)
		h.maybe(d, 8, "idleTimeout", d.goodDuration)
		h.maybe(d, 8, "h2UpgradePolicy", func() any { return one(d, "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE") })
		h.maybe(d, 4, "useClientProtocol", func() any { return true })
		return map[string]any(h)
	})
	if len(f) == 0 && d.chance(95) {
		f["http"] = map[string]any{"maxRetries": 1}
	}
	return map[string]any(f)
}

func (d drawer) virtualService(name string) object {
	f := fields{"hosts": []any{d.host()}}
	f.maybe(d, 10, "exportTo", d.exportTo)
	f.maybe(d, 10, "gateways", func() any { return one(d, []any{"mesh"}, []any{"gw"}, []any{"gw", "mesh"}) })
	var routes []any
	for i := range 1 + d.of(60, 30, 10) {
		routes = append(routes, d.httpRoute(i))
	}
	f["http"] = routes
	return object{"VirtualService", d.namespace(), name, nil, f}
}

func (d drawer) httpRoute(i int) map[string]any {
	f := fields{}
	f.maybe(d, 50, "name", func() any { return fmt.Sprintf("route%d", i) })
	f.maybe(d, 45, "match", func() any {
		var list []any
		for range 1 + d.of(75, 25) {
			m := fields{}
			m.maybe(d, 25, "name", func() any { return "m" })
			m.maybe(d, 60, "uri", func() any { return map[string]any{"prefix": one(d, "/", "/a", "/a/b", "", "/b")} })
			m.maybe(d, 20, "port", func() any { return one(d, 80, 8080, 9000, 443) })
			m.maybe(d, 15, "sourceLabels", func() any { return map[string]any{"app": one(d, "a", "b")} })
			m.maybe(d, 15, "sourceNamespace", func() any { return one(d, "default", "other") })
			m.maybe(d, 10, "gateways", func() any { return one(d, []any{"mesh"}, []any{"gw"}) })
			list = append(list, map[string]any(m))
		}
		return list
	})
	f.maybe(d, 40, "timeout", d.goodDuration)
	f.maybe(d, 60, "retries", d.retries)
	var route []any
	for range 1 + d.of(90, 10) {
		dest := fields{"host": one(d, idMark+".example", idMark+".example", "b."+idMark+".example", "elsewhere."+idMark+".example")}
		dest.maybe(d, 20, "subset", func() any { return one(d, "v1", "v2", "v3") })
		dest.maybe(d, 40, "port", func() any { return map[string]any{"number": one(d, 80, 8080, 9000, 6000)} })
		r := fields{"destination": map[string]any(dest)}
		r.maybe(d, 30, "weight", func() any { return one(d, 0, 1, 30, 100) })
		route = append(route, map[string]any(r))
	}
	if first := route[0].(map[string]any); len(route) > 1 && d.chance(95) {
		first["weight"] = one(d, 1, 30, 100)
	}
	f["route"] = route
	return f
}

func (d drawer) retries() any {
	f := fields{"attempts": one(d, 0, 1, 2, 3, 5, 10)}
	if f["attempts"] == 0 && d.chance(95) {
		return map[string]any(f)
	}
	if d.chance(5) {
		delete(f, "attempts")
	}
	f.maybe(d, 50, "retryOn", func() any {
		return one(d, "5xx", "gateway-error,connect-failure", "connect-failure,refused-stream,503", "503", "503,504,retriable-status-codes",
			"reset-before-request", "unavailable,cancelled", "retriable-4xx,200", "", "418", "5xx,reset,409", "retriable-headers")
	})
	f.maybe(d, 40, "perTryTimeout", d.goodDuration)
	f.maybe(d, 25, "retryRemoteLocalities", func() any { return d.chance(70) })
	f.maybe(d, 25, "retryIgnorePreviousHosts", func() any { return d.chance(50) })
	f.maybe(d, 25, "backoff", d.goodDuration)
	f.maybe(d, 2, "retryOn", func() any { return one(d, "418,999", "nonsense", "5xx,,reset", "5xx, reset") })
	return map[string]any(f)
}
