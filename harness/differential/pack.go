package differential

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Most is how many drills fit into one: each has 256 addresses of 198.18.0.0/15.
const Most = 512

// A Packed is several drills as one. Everything of the i-th has a name and
// addresses of its own.
type Packed struct {
	Schedule *schedule.Schedule

	parts     []*schedule.Schedule
	upstreams []int32   // by part: its first
	steps     [][]int32 // by part: where its steps are
}

// Pack puts drills of one client each, at most Most, into one.
func Pack(parts []*schedule.Schedule, seed uint64) *Packed {
	first := parts[0]
	out := &schedule.Schedule{
		Schema: schedule.Schema, Name: fmt.Sprintf("%d drills", len(parts)), Profile: first.Profile, Seed: seed, Scale: first.Scale,
		Configs: [][]xds.Config{nil}, Documents: [][]schedule.Document{{}},
	}
	p := &Packed{Schedule: out, parts: parts}
	type origin struct{ part, step int }
	var origins []origin // by Entry, until the steps are in order
	for i, s := range parts {
		p.upstreams = append(p.upstreams, int32(len(out.Upstreams)))
		out.Duration = max(out.Duration, s.Duration)
		c := s.Clients[0]
		c.Name = fmt.Sprintf("%s-%d", c.Name, i)
		out.Clients = append(out.Clients, c)
		for _, u := range s.Upstreams {
			u.Name, u.Address, u.IPs = fmt.Sprintf("%s-%d", u.Name, i), moved(u.Address, i), slices.Clone(u.IPs)
			for k := range u.IPs {
				u.IPs[k] = netip.MustParseAddr(moved(u.IPs[k].String(), i))
			}
			out.Upstreams = append(out.Upstreams, u)
		}
		out.Configs[0] = append(out.Configs[0], renamed(&s.Configs[0][0], i))
		for k, st := range s.Steps {
			if st.Fault != nil {
				f := *st.Fault
				f.Upstream, f.Name = f.Upstream+p.upstreams[i], fmt.Sprintf("%s-%d", f.Name, i)
				st.Fault = &f
			}
			if st.Heal != "" {
				st.Heal = fmt.Sprintf("%s-%d", st.Heal, i)
			}
			st.Name = fmt.Sprintf("%s-%d", st.Name, i)
			st.Entry = len(origins)
			origins = append(origins, origin{i, k})
			out.Steps = append(out.Steps, st)
		}
		p.steps = append(p.steps, make([]int32, len(s.Steps)))
	}
	slices.SortStableFunc(out.Steps, func(a, b schedule.Step) int { return int(a.At - b.At) })
	for at := range out.Steps {
		o := origins[out.Steps[at].Entry]
		p.steps[o.part][o.step] = int32(at)
		out.Steps[at].Entry = at
	}
	return p
}

// moved is an address of the i-th drill: 198.18.0.3 becomes 198.18.i.3, and after
// the 256th 198.19.
func moved(text string, i int) string {
	rest, ok := strings.CutPrefix(text, "198.18.0.")
	if !ok {
		return text
	}
	return fmt.Sprintf("198.%d.%d.%s", 18+i/256, i%256, rest)
}

// home undoes moved.
func home(text string, i int) string {
	if rest, ok := strings.CutPrefix(text, fmt.Sprintf("198.%d.%d.", 18+i/256, i%256)); ok {
		return "198.18.0." + rest
	}
	return text
}

func nameOf(cluster string, i int) string { return fmt.Sprintf("%s-%d", cluster, i) }

func renamed(c *xds.Config, i int) xds.Config {
	out := xds.Config{Clusters: slices.Clone(c.Clusters), VirtualHosts: slices.Clone(c.VirtualHosts)}
	for k := range out.Clusters {
		cl := &out.Clusters[k]
		cl.Name = nameOf(cl.Name, i)
		cl.Localities = slices.Clone(cl.Localities)
		for l := range cl.Localities {
			cl.Localities[l].Endpoints = slices.Clone(cl.Localities[l].Endpoints)
			for e := range cl.Localities[l].Endpoints {
				ep := &cl.Localities[l].Endpoints[e]
				ep.Address = moved(ep.Address, i)
			}
		}
	}
	for k := range out.VirtualHosts {
		v := &out.VirtualHosts[k]
		v.Routes = slices.Clone(v.Routes)
		for r := range v.Routes {
			v.Routes[r].Cluster = nameOf(v.Routes[r].Cluster, i)
		}
	}
	return out
}

// Split is what the trace of the pack says of each of its drills, as if it had been
// played alone. Notes that name no cluster are everybody's.
func (p *Packed) Split(t *trace.Trace) []*trace.Trace {
	t.Unpack()
	out := make([]*trace.Trace, len(p.parts))
	for i, s := range p.parts {
		run := t.Run
		run.Scenario, run.Seed, run.Duration, run.Clients, run.Upstreams = s.Name, s.Seed, s.Duration, []string{s.Clients[0].Name}, nil
		for _, u := range s.Upstreams {
			run.Upstreams = append(run.Upstreams, u.Name)
		}
		out[i] = &trace.Trace{Run: run, Ended: t.Ended}
	}
	hosts := p.hosts(t, out)
	upstream := func(part, u int32) int32 {
		if u < 0 {
			return u
		}
		return u - p.upstreams[part]
	}
	host := func(h int32) int32 {
		if h < 0 {
			return h
		}
		return hosts[h]
	}
	for _, a := range t.Attempts {
		part := a.Client
		a.Client, a.Host = 0, host(a.Host)
		out[part].Add(a)
	}
	for _, r := range t.Requests {
		part := r.Client
		r.Client, r.Host, r.Upstream = 0, host(r.Host), upstream(part, r.Upstream)
		out[part].Add(r)
	}
	for _, c := range t.Changes {
		part := c.Client
		if c.At > p.parts[part].Duration {
			continue // the proxy is being asked for its evidence
		}
		c.Client, c.Host = 0, host(c.Host)
		out[part].Add(c)
	}
	for _, l := range t.Loads {
		part := l.Client
		l.Client, l.Cluster = 0, strings.TrimSuffix(l.Cluster, nameOf("", int(part)))
		out[part].Add(l)
	}
	for i, s := range p.parts {
		for own, at := range p.steps[i] {
			for _, st := range t.Steps {
				if st.Index == at {
					st.Index, st.Name, st.Upstream = int32(own), s.Steps[own].Name, upstream(int32(i), st.Upstream)
					out[i].Add(st)
				}
			}
		}
	}
	p.notes(t, out)
	return out
}

// hosts gives each drill its hosts, and says which number each has there.
func (p *Packed) hosts(t *trace.Trace, out []*trace.Trace) map[int32]int32 {
	numbers := map[int32]int32{}
	for _, h := range t.Hosts {
		part := h.Client
		own := int32(len(out[part].Hosts))
		numbers[h.Index] = own
		h.Index, h.Client, h.Address = own, 0, home(h.Address, int(part))
		h.Cluster = strings.TrimSuffix(h.Cluster, nameOf("", int(part)))
		if h.Upstream >= 0 {
			h.Upstream -= p.upstreams[part]
		}
		out[part].Add(h)
	}
	return numbers
}

func (p *Packed) notes(t *trace.Trace, out []*trace.Trace) {
	for _, n := range t.Notes {
		about := -1
		if _, after, ok := strings.Cut(n.Text, clusterName+"-"); ok {
			_, _ = fmt.Sscanf(after, "%d", &about)
		}
		for i := range out {
			if about < 0 || about == i {
				out[i].Add(n)
			}
		}
	}
}
