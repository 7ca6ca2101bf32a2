package inproc

import (
	"reflect"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/pool"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// cluster is one cluster of one proxy: the engine's, with the connections that
// its pools count.
type cluster struct {
	*engine.Cluster
	client  int32
	pools   []pool.Pool
	idle    [][]*conn // by host; as many as the pool says
	opening [][]*conn
	drains  []uint32 // by host: its ejections; each drains the connections of its moment
	use     pool.Use
	retries uint32 // that hold the retry breaker
	// retired: replaced by a configuration step. Requests that are on their way
	// end on it; it detects nothing any more.
	retired bool

	lookUps *engine.LookUps // of its names; nil: they never resolve to anything else
	left    []int32         // hosts that are at another address now, and may have connections to the old one
}

// configure takes a configuration. A cluster with any byte changed is built
// anew; an unchanged one goes on, and the endpoints of an EDS cluster change in
// place.
func (w *world) configure(p *proxy, cfg *xds.Config) {
	old := p.clusters
	p.config = cfg
	p.clusters = make(map[string]*cluster, len(cfg.Clusters))
	for i := range cfg.Clusters {
		c := &cfg.Clusters[i]
		if o := old[c.Name]; o != nil && reflect.DeepEqual(o.Config(), c) {
			p.clusters[c.Name] = o
			delete(old, c.Name)
			continue
		}
		if o := old[c.Name]; o != nil && engine.OnlyAssigned(o.Config(), c) {
			w.update(o, c, engine.HostsOf(c, w.s), w.now)
			p.clusters[c.Name] = o
			delete(old, c.Name)
			continue
		}
		p.clusters[c.Name] = w.construct(p.client, c)
	}
	for _, o := range old {
		w.retire(o)
	}
}

func (w *world) construct(client int32, cfg *xds.Cluster) *cluster {
	lookUps, hosts := w.names.LookUps(cfg, w.now, &w.ch)
	for i := range hosts {
		hosts[i].Trace = w.traceHost(client, cfg.Name, &hosts[i])
	}
	c := &cluster{
		Cluster: engine.NewCluster(cfg, w.s.Profile.Rules, hosts, engine.Delays{}, w.now, &w.ch),
		client:  client,
		pools:   make([]pool.Pool, len(hosts)),
		idle:    make([][]*conn, len(hosts)),
		opening: make([][]*conn, len(hosts)),
		drains:  make([]uint32, len(hosts)),
		lookUps: lookUps,
	}
	w.met(lookUps)
	if cfg.OutlierDetection != nil || lookUps != nil {
		w.timed = append(w.timed, c)
		w.due(c)
	}
	w.emit(c.LoadEvent(client, w.now))
	return c
}

func (w *world) retire(c *cluster) {
	c.retired = true
	for h := range c.idle {
		c.closeIdle(int32(h))
	}
	w.timed = slices.DeleteFunc(w.timed, func(o *cluster) bool { return o == c })
}

// traceHost records the host unless it was before: a cluster that is rebuilt
// keeps the lines of its hosts.
func (w *world) traceHost(client int32, cluster string, h *engine.Host) int32 {
	for i, t := range w.hosts {
		if t.Client == client && t.Cluster == cluster && t.Address == h.Address && t.Name == h.Name && t.Priority == h.Priority && t.Locality == h.Locality.String() {
			return int32(i)
		}
	}
	i := int32(len(w.hosts))
	w.hosts = append(w.hosts, trace.Host{
		At: trace.Sec(w.now), Index: i, Client: client, Upstream: h.Upstream, Cluster: cluster, Name: h.Name,
		Address: h.Address, Locality: h.Locality.String(), Priority: h.Priority, Weight: h.Weight,
	})
	w.emit(w.hosts[i])
	return i
}

// changed records what a cluster decided. An ejected host's idle connections
// are closed, and those that nobody waits for; busy ones finish.
func (w *world) changed(c *cluster, ch engine.Change) {
	if ch.Kind == engine.LoadChanged {
		w.emit(c.LoadEvent(c.client, ch.At))
		return
	}
	switch ch.Kind {
	case engine.HostEjected:
		c.drains[ch.Host]++
		c.drain(ch.Host)
	case engine.HostAdded:
		w.came(c, ch.Host)
	case engine.HostRemoved:
		c.went(ch.Host)
	}
	w.emit(c.ChangeEvent(c.client, ch))
}

// closeIdle closes the host's idle connections.
func (c *cluster) closeIdle(h int32) {
	for _, cn := range c.idle[h] {
		cn.close()
	}
	c.idle[h] = nil
	c.pools[h].CloseIdle(&c.use)
}

// drain is what an ejection does to the host's connections.
func (c *cluster) drain(h int32) {
	c.closeIdle(h)
	if c.pools[h].Pending() == 0 {
		for _, cn := range c.opening[h] {
			cn.close()
		}
		c.opening[h] = nil
	}
	c.pools[h].Drain(&c.use)
}

// leave closes every idle connection to an upstream, as a server that goes away
// does, and the others when their requests have ended.
func (w *world) leave(upstream int32) {
	w.left[upstream] = w.ids
	for _, p := range w.proxies {
		for _, c := range p.clusters {
			for h := range c.Hosts() {
				if c.Hosts()[h].Upstream == upstream {
					c.closeIdle(int32(h))
				}
			}
		}
	}
}

// rows are the endpoint table of all proxies, in the order of the configuration.
func (w *world) rows() []trace.Row {
	var rows []trace.Row
	for _, p := range w.proxies {
		for i := range p.config.Clusters {
			c := p.clusters[p.config.Clusters[i].Name]
			for h := range c.Hosts() {
				if c.Gone(int32(h)) {
					continue
				}
				rows = append(rows, c.Row(p.client, int32(h)))
			}
		}
	}
	return rows
}
