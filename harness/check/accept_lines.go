package check

import (
	"cmp"
	"math"
	"reflect"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// line is the life of one cluster of one client.
type line struct {
	client  int32
	cluster string
	events  []moment
}

// until is when a cluster that was constructed ends.
func (l *line) until(c *xds.Cluster) trace.Sec {
	found := false
	for _, m := range l.events {
		if m.config != nil && found {
			return m.at
		}
		found = found || m.config == c
	}
	return math.MaxInt64
}

// moment is something that was observed of a cluster.
type moment struct {
	at     trace.Sec
	rank   int // order within an instant
	config *xds.Cluster
	built  trace.Sec    // config: its ticks count from there
	read   trace.Sec    // config: its first merge windows count from there
	assign *xds.Cluster // the cluster goes on with other endpoints
	pick   *trace.Attempt
	ready  *trace.Attempt // it got its connection
	report *trace.Attempt
	change *trace.Change
	asked  *trace.Request // nobody was found for it between then
	noHost *trace.Request // and then
}

// The order of what happens at one instant: a change is told when the result
// that set it off is in, and a pick sees what was decided before it.
const (
	rankConfig = iota
	rankReport
	rankChange
	rankPick
	rankReady
)

// lines sorts the trace by cluster and time.
func (a *acceptor) lines() []*line {
	var out []*line
	get := func(client int32, cluster string) *line {
		for _, l := range out {
			if l.client == client && l.cluster == cluster {
				return l
			}
		}
		l := &line{client: client, cluster: cluster}
		out = append(out, l)
		return l
	}
	for i := range a.s.Clients {
		a.constructions(int32(i), get)
	}
	for i := range a.t.Attempts {
		at := &a.t.Attempts[i]
		if at.Host < 0 {
			if c := a.clusterOf(at); c != "" && at.Result == trace.Overflow {
				l := get(at.Client, c)
				l.events = append(l.events, moment{at: at.At, rank: rankPick, pick: at})
			}
			continue
		}
		l := get(at.Client, a.t.Hosts[at.Host].Cluster)
		l.events = append(l.events, moment{at: at.At, rank: rankPick, pick: at}, moment{at: at.Done, rank: rankReport, report: at})
		if wasConnected(at) {
			l.events = append(l.events, moment{at: connectedAt(at), rank: rankReady, ready: at})
		}
	}
	for i := range a.t.Changes {
		c := &a.t.Changes[i]
		l := get(c.Client, a.t.Hosts[c.Host].Cluster)
		at := c.At
		switch {
		case a.counted(c.Event):
			at += a.timing.Overflow
		case atTick(c):
			if a.timing.Cut > 0 {
				at += max(a.timing.Cut, a.slack(c.At)) // a result can have been in before the tick
			}
		}
		l.events = append(l.events, moment{at: at, rank: rankChange, change: c})
	}
	for i := range a.t.Requests {
		r := &a.t.Requests[i]
		if r.Flags&trace.FlagUH == 0 {
			continue
		}
		load := &a.s.Clients[r.Client].Load
		if route := engine.Route(a.configAt(r.Client, r.Done), load.Host, load.Port, load.Path); route != nil {
			l := get(r.Client, route.Cluster)
			l.events = append(l.events, moment{at: a.lastSeen(r), rank: rankPick, asked: r}, moment{at: r.Done, rank: rankPick, noHost: r})
		}
	}
	for _, l := range out {
		slices.SortStableFunc(l.events, func(x, y moment) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.rank, y.rank)) })
	}
	return out
}

// clusterOf is the cluster that an attempt was for.
func (a *acceptor) clusterOf(at *trace.Attempt) string {
	load := &a.s.Clients[at.Client].Load
	if r := engine.Route(a.configAt(at.Client, at.At), load.Host, load.Port, load.Path); r != nil {
		return r.Cluster
	}
	return ""
}

// lastSeen is when the last attempt of a request ended, or when it was sent.
func (a *acceptor) lastSeen(r *trace.Request) trace.Sec {
	at := r.Sent
	for i := range a.t.Attempts {
		if t := &a.t.Attempts[i]; t.Client == r.Client && t.Request == r.N {
			at = max(at, t.Done)
		}
	}
	return min(at, r.Done)
}

// configAt is the configuration of a client at an instant.
func (a *acceptor) configAt(client int32, at trace.Sec) *xds.Config {
	cfg := &a.s.Configs[0][client]
	for _, st := range a.t.Steps {
		if st.Kind == schedule.KindConfig && st.Done <= at {
			cfg = &a.s.Configs[a.s.Steps[st.Index].Config][client]
		}
	}
	return cfg
}

// constructions are the instants at which each cluster of a client was made, or
// made anew. The load that the run recorded then says when.
func (a *acceptor) constructions(client int32, get func(int32, string) *line) {
	have := map[string]*xds.Cluster{}
	take := func(cfg *xds.Config, due, from, to trace.Sec) {
		next := map[string]*xds.Cluster{}
		for i := range cfg.Clusters {
			c := &cfg.Clusters[i]
			next[c.Name] = c
			if o := have[c.Name]; o != nil && reflect.DeepEqual(o, c) {
				continue
			}
			if o := have[c.Name]; o != nil && engine.OnlyAssigned(o, c) {
				l := get(client, c.Name)
				l.events = append(l.events, moment{at: due, rank: rankConfig, assign: c})
				continue
			}
			at, read := due, due
			for _, ld := range a.t.Loads {
				if ld.Client == client && ld.Cluster == c.Name && ld.At >= from && ld.At <= to {
					if at, read = ld.At, ld.Read; read == 0 {
						read = at
					}
					if from <= 0 {
						break // there was none before
					}
				}
			}
			l := get(client, c.Name)
			l.events = append(l.events, moment{at: a.serves(client, have[c.Name], c, at), built: at, read: read, rank: rankConfig, config: c})
		}
		have = next
	}
	take(&a.s.Configs[0][client], 0, -a.timing.Ahead, a.timing.Built)
	for i := range a.t.Steps {
		if st := &a.t.Steps[i]; st.Kind == schedule.KindConfig {
			take(&a.s.Configs[a.s.Steps[st.Index].Config][client], st.At, st.At, max(st.Done, st.Witnessed))
		}
	}
}

// serves is from when a cluster that was built at an instant is the one that is
// picked from: a live proxy goes on with the old one until the new one has its
// hosts, and requests that go to hosts of the old one alone show it.
func (a *acceptor) serves(client int32, old, c *xds.Cluster, built trace.Sec) trace.Sec {
	if a.timing.Built == 0 || old == nil {
		return built
	}
	onlyOld := map[string]bool{}
	for _, h := range engine.HostsOf(old, a.s) {
		onlyOld[h.Address] = true
	}
	for _, h := range engine.HostsOf(c, a.s) {
		delete(onlyOld, h.Address)
	}
	at := built
	for i := range a.t.Attempts {
		x := &a.t.Attempts[i]
		if x.Client == client && x.Host >= 0 && x.At > built && x.At <= built+a.timing.Built && a.t.Hosts[x.Host].Cluster == c.Name && onlyOld[a.t.Hosts[x.Host].Address] {
			at = max(at, x.Done+1)
		}
	}
	return at
}

// maxOrders bounds how many orders of picks at one instant are tried.
const maxOrders = 200

// picksAtOnce is how many of the first moments are picks at the same instant:
// the record does not say which of them came first. It is at least 1.
func picksAtOnce(ms []moment) int {
	n := 1
	for ms[0].pick != nil && n < len(ms) && ms[n].pick != nil && ms[n].at == ms[0].at {
		n++
	}
	return n
}
