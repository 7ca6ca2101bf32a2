package observe

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// ahead is earlier than any proxy of a drill starts.
const ahead = trace.Sec(-time.Hour)

// life is a cluster from its construction to the next one.
type life struct {
	at      trace.Sec
	read    trace.Sec // when the proxy came to it; 0: at at
	cluster *xds.Cluster
}

// loads are the priority loads that the workers had. No proxy tells of them: they
// follow from who was out, and from the merge window.
func (m *merger) loads(client int32, c *Client, changes []trace.Change) {
	lives := m.lives(client, c)
	for i, l := range lives {
		end := m.in.Schedule.Duration
		for _, o := range lives[i+1:] {
			if o.cluster.Name == l.cluster.Name {
				end = o.at
				break
			}
		}
		m.follow(client, l, end, changes)
	}
}

// lives are all clusters of a client, in order of time. A proxy that was not asked
// when it took them took them when they were due.
func (m *merger) lives(client int32, c *Client) []life {
	var out []life
	have := map[string]*xds.Cluster{}
	// due is when it is taken if the proxy does not say; from, when at the earliest.
	take := func(config int, due, from, to trace.Sec) {
		cfg := &m.in.Schedule.Configs[config][client]
		for i := range cfg.Clusters {
			k := &cfg.Clusters[i]
			if o := have[k.Name]; o != nil && reflect.DeepEqual(o, k) {
				continue
			}
			have[k.Name] = k
			at, read := due, trace.Sec(0)
			for _, b := range c.Built {
				if t := m.at(b.Own()); b.Cluster == k.Name && t >= from && t <= to {
					at, read = max(m.at(b.At), from), 0
					if at < t {
						read = t
					}
				}
			}
			out = append(out, life{at, read, k})
		}
	}
	steps := slices.Clone(m.in.Steps)
	steps = slices.DeleteFunc(steps, func(st trace.Step) bool { return st.Kind != schedule.KindConfig })
	first := m.in.Schedule.Duration
	if len(steps) > 0 {
		first = steps[0].At - 1
	}
	take(0, 0, ahead, first) // a proxy may have it ahead of the drill
	for i, st := range steps {
		next := m.in.Schedule.Duration
		if i+1 < len(steps) {
			next = steps[i+1].At - 1
		}
		take(m.in.Schedule.Steps[st.Index].Config, st.At, st.At, next)
	}
	slices.SortStableFunc(out, func(a, b life) int { return cmp.Compare(a.at, b.at) })
	return out
}

var verdicts = map[string]outlier.Verdict{
	trace.Ejected: outlier.Ejected, trace.Returned: outlier.Returned, trace.Degraded: outlier.Degraded, trace.Undegraded: outlier.Undegraded,
}

// follow plays the changes of a cluster.
func (m *merger) follow(client int32, l life, end trace.Sec, changes []trace.Change) {
	ch := engine.NewChooser(1)
	k := engine.NewCluster(l.cluster, m.in.Schedule.Profile.Rules, engine.HostsOf(l.cluster, m.in.Schedule), engine.Delays{}, int64(l.at), &ch)
	emit := func(at int64) { m.out.Loads = append(m.out.Loads, k.LoadEvent(client, at)) }
	tell := func(c engine.Change) {
		if c.Kind == engine.LoadChanged {
			emit(c.At)
		}
	}
	emit(int64(l.at))
	if l.read > l.at {
		m.out.Loads[len(m.out.Loads)-1].Read = l.read
		k.AnsweredAt(int64(l.read))
	}
	if l.cluster.OutlierDetection == nil {
		return
	}
	k.Retick(math.MaxInt64, 0)
	for _, c := range changes {
		h := &m.hosts.Rows[c.Host]
		v, ok := verdicts[c.Event]
		if !ok || h.Cluster != l.cluster.Name || c.At < l.at || c.At >= end {
			continue
		}
		for i, e := range k.Hosts() {
			if e.Address == h.Address && e.Name == h.Name && e.Priority == h.Priority {
				k.Follow(int64(c.At), int32(i), v, &ch, tell)
				break
			}
		}
	}
	k.Advance(int64(end)-1, &ch, tell)
}
