package engine

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/engine/pool"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// HostsOf are the hosts of a cluster while the DNS is as it should be.
func HostsOf(c *xds.Cluster, s *schedule.Schedule) []Host {
	return hostsAt(c, s, func(_ int, address string) []netip.Addr { return s.Resolve(address) })
}

// hostsAt are the hosts of a cluster in Envoy's order: by locality as the
// assignment has them, every address of a name in the order of the answer. A
// logical DNS cluster has one host, at the first address. An address that an
// assignment names twice counts once; two names with one address are two hosts.
// Names are counted from 0, in the order of the assignment.
//
// Rule: RuleDNSHosts, RuleOneAddressOnce.
func hostsAt(c *xds.Cluster, s *schedule.Schedule, resolve func(name int, address string) []netip.Addr) []Host {
	var hs []Host
	seen := map[string]bool{}
	name := -1
	for _, l := range c.Localities {
		for _, e := range l.Endpoints {
			name++
			ips := resolve(name, e.Address)
			if c.Type == xds.LogicalDNS && len(ips) > 1 {
				ips = ips[:1]
			}
			for _, ip := range ips {
				h := Host{
					Address: netip.AddrPortFrom(ip, uint16(e.Port)).String(), Port: e.Port, Locality: l.Locality, Priority: l.Priority,
					Weight: max(1, e.Weight), Health: e.Health, TLSMode: e.TLSMode, Upstream: s.UpstreamAt(ip), Trace: -1,
				}
				if e.Address != ip.String() {
					h.Name = e.Address
				}
				if c.Type == xds.StrictDNS {
					h.Target = int32(name)
				}
				if c.Type == xds.EDS && seen[h.Address] {
					continue
				}
				seen[h.Address] = true
				hs = append(hs, h)
			}
		}
	}
	return hs
}

// Route finds the route of a request: the virtual host on the port whose domain
// fits best - the name itself, else the longest wildcard - then its first route
// whose prefix fits. Nil: no route, 404 NR.
//
// Rule: RuleBestDomain, RuleFirstRouteFits.
func Route(c *xds.Config, host string, port uint32, path string) *xds.Route {
	var best *xds.VirtualHost
	fit := 0
	for i := range c.VirtualHosts {
		v := &c.VirtualHosts[i]
		if v.Port != port || !v.Matches(host) {
			continue
		}
		if f := fits(v, host); f > fit {
			best, fit = v, f
		}
	}
	if best == nil {
		return nil
	}
	for j := range best.Routes {
		if strings.HasPrefix(path, best.Routes[j].Prefix) {
			return &best.Routes[j]
		}
	}
	return nil
}

// fits is how well the best domain of a virtual host that matches fits: * least,
// an equal name most.
func fits(v *xds.VirtualHost, host string) int {
	fit := 1
	for _, d := range v.Domains {
		switch {
		case strings.EqualFold(d, host):
			return 1 << 20
		case d != "*" && (&xds.VirtualHost{Domains: []string{d}}).Matches(host):
			fit = max(fit, len(d))
		}
	}
	return fit
}

// proxy is the sidecar of one client in virtual time.
type proxy struct {
	config   *xds.Config
	route    *xds.Route    // of the client's requests; nil: none
	cluster  *clusterState // that it leads to; nil: none
	clusters map[string]*clusterState
}

// clusterState is a cluster with its connection pools, one a host.
type clusterState struct {
	*Cluster
	pools   []pool.Pool
	http2   []pool.HTTP2 // instead of pools, if the hosts speak HTTP/2
	carried []int        // requests that the newest connection of a host has had: the one in use as long as they come in turn
	drains  []uint32     // how often the connections of a host were drained
	use     pool.Use
	retries uint32 // that hold the retry breaker
	client  int32
	splits  bool   // outlier detection keeps errors of the local side apart: a connection that works counts
	tls     bool   // the cluster or an upstream of the drill speaks TLS
	host    string // that the hosts see as Host
	retired bool   // replaced or removed: what is in flight ends, nothing is charged

	lookUps *LookUps // of its names; nil: they never resolve to anything else
	left    []int32  // hosts that are at another address now, and may have connections to the old one
}

// configure takes a configuration. A cluster with any byte changed is built
// anew: ejections, counters and the phase of its ticks are forgotten; an
// unchanged one goes on (cluster_manager_impl.cc, addOrUpdateCluster). The
// endpoints of an EDS cluster are not part of it, and change in place.
//
// Rule: RuleClusterRebuilt, RuleAssignmentUpdate.
func (w *world) configure(client int32, cfg *xds.Config, now int64) {
	p := &w.proxies[client]
	old := p.clusters
	p.config = cfg
	p.clusters = make(map[string]*clusterState, len(cfg.Clusters))
	for i := range cfg.Clusters {
		c := &cfg.Clusters[i]
		if o := old[c.Name]; o != nil && reflect.DeepEqual(o.cfg, c) {
			p.clusters[c.Name] = o
			continue
		}
		if o := old[c.Name]; o != nil && OnlyAssigned(o.cfg, c) {
			o.Update(now, c, HostsOf(c, w.s), &w.ch, func(ch Change) { w.changed(o, ch) })
			p.clusters[c.Name] = o
			continue
		}
		p.clusters[c.Name] = w.construct(client, c, now)
	}
	for name, o := range old {
		o.retired = p.clusters[name] != o
	}
	l := &w.s.Clients[client].Load
	p.cluster = nil
	if p.route = Route(cfg, l.Host, l.Port, l.Path); p.route != nil {
		p.cluster = p.clusters[p.route.Cluster]
	}
	for _, c := range p.clusters {
		c.serves(p.route, l.Host)
	}
}

func (w *world) construct(client int32, c *xds.Cluster, now int64) *clusterState {
	lookUps, hosts := w.lookUps.names.LookUps(c, now, &w.ch)
	for i := range hosts {
		hosts[i].Trace = w.traceHost(client, c.Name, &hosts[i], now)
	}
	cs := &clusterState{
		Cluster: NewCluster(c, w.s.Profile.Rules, hosts, w.delays, now, &w.ch),
		client:  client,
		splits:  c.OutlierDetection != nil && c.OutlierDetection.SplitExternalLocalOriginErrors,
		lookUps: lookUps,
		tls:     c.TLS != nil || slices.ContainsFunc(w.s.Upstreams, func(u schedule.Upstream) bool { return u.TLS != nil }),
	}
	cs.grow(len(hosts))
	w.asks(cs)
	w.tr.Add(cs.LoadEvent(client, now))
	return cs
}

// traceHost records the host unless the trace has the same one already: a
// cluster that is rebuilt keeps the lines of its hosts.
func (w *world) traceHost(client int32, cluster string, h *Host, now int64) int32 {
	locality := h.Locality.String()
	for i := range w.tr.Hosts {
		t := &w.tr.Hosts[i]
		if t.Client == client && t.Cluster == cluster && t.Address == h.Address && t.Name == h.Name && t.Priority == h.Priority && t.Locality == locality {
			return int32(i)
		}
	}
	i := int32(len(w.tr.Hosts))
	w.tr.Add(trace.Host{
		At: trace.Sec(now), Index: i, Client: client, Upstream: h.Upstream, Cluster: cluster, Name: h.Name,
		Address: h.Address, Locality: locality, Priority: h.Priority, Weight: h.Weight,
	})
	return i
}

// advance lets the cluster do what is due, and records it.
func (w *world) advance(c *clusterState) {
	if c.due <= w.now && !c.retired {
		w.catchUp(c)
	}
}

func (w *world) catchUp(c *clusterState) {
	c.Advance(w.now, &w.ch, func(ch Change) { w.changed(c, ch) })
}

// changed records what a cluster decided. The connections of an ejected host
// that are idle, or on their way for nobody, are closed; busy ones finish.
//
// Rule: RuleDrain.
func (w *world) changed(c *clusterState, ch Change) {
	if ch.Kind == LoadChanged {
		w.tr.Add(c.LoadEvent(c.client, ch.At))
		return
	}
	if w.log != nil {
		if line, ok := c.LogLine(&ch, w.origin); ok {
			w.log(line)
		}
	}
	switch ch.Kind {
	case HostEjected:
		c.drain(ch.Host)
	case HostAdded:
		w.came(c, ch.Host)
	case HostRemoved:
		w.went(c, ch.Host)
	}
	w.tr.Add(c.ChangeEvent(c.client, ch))
}
