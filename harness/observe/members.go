package observe

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// members are the hosts that came and went with the look-ups of a cluster's
// names: those that /clusters lists at one reading and not at another. When it was
// is known to within two readings, less where an attempt was on the host.
func (m *merger) members(client int32, c *Client, as []trace.Attempt) []trace.Change {
	var out []trace.Change
	for _, cluster := range m.clusters(client) {
		var before map[string]bool
		var read time.Time
		for i := range c.Polls {
			p := &c.Polls[i]
			now := listed(p, cluster)
			if !p.ofHosts() && !p.isEmpty(cluster) {
				continue // nobody asked
			}
			if before != nil && !m.rebuilt(c, cluster, read, p.At) {
				out = append(out, m.moved(client, cluster, before, now, m.at(read), m.at(p.At), as)...)
			}
			before, read = now, p.At
		}
	}
	return out
}

// ofHosts reports whether a reading has hosts at all.
func (p *Poll) ofHosts() bool {
	for name := range p.Counters {
		if strings.Contains(name, "::") {
			return true
		}
	}
	return false
}

// isEmpty reports whether a reading says that the cluster has no host: it has no
// counters of hosts then.
func (p *Poll) isEmpty(cluster string) bool {
	for _, alt := range []string{cluster, cluster + ";"} {
		if n, ok := p.Counters["cluster."+alt+".membership_total"]; ok {
			return n == 0
		}
	}
	return false
}

// listed are the addresses that a reading has of a cluster.
func listed(p *Poll, cluster string) map[string]bool {
	out := map[string]bool{}
	for name := range p.Counters {
		rest, ok := strings.CutPrefix(name, cluster+"::")
		if i := strings.LastIndex(rest, "::"); ok && i > 0 {
			out[rest[:i]] = true
		}
	}
	return out
}

// warming is how long a cluster can take from when it was built to when it serves:
// it asks the DNS first.
const warming = 2 * time.Second

// rebuilt reports whether the cluster became another one between two readings.
func (m *merger) rebuilt(c *Client, cluster string, from, to time.Time) bool {
	if len(c.Built) == 0 {
		return slices.ContainsFunc(m.in.Steps, func(st trace.Step) bool {
			return st.Kind == schedule.KindConfig && st.At <= m.at(to) && m.at(from) <= max(st.Done, st.Witnessed)
		})
	}
	return slices.ContainsFunc(c.Built, func(b Built) bool { return b.Cluster == cluster && b.At.After(from.Add(-warming)) && !b.At.After(to) })
}

// moved are the changes between two readings. All are of one look-up: after the
// last reading, and before the first attempt on a host that came or the first
// request that found nobody.
func (m *merger) moved(client int32, cluster string, before, now map[string]bool, from, to trace.Sec, as []trace.Attempt) []trace.Change {
	at := to
	var out []trace.Change
	add := func(address, event string) {
		h := m.hosts.Find(client, cluster, address, "", m.configAt(to))
		if h < 0 {
			m.note(to, "%s of %s in %s, which no configuration has", event, address, cluster)
			return
		}
		for i := range as {
			if a := &as[i]; event == trace.Added && a.Host == h && a.At > from && a.At <= at {
				at = a.At - 1
			}
		}
		out = append(out, trace.Change{Client: client, Host: h, Event: event})
	}
	for _, address := range slices.Sorted(maps.Keys(now)) {
		if !before[address] {
			add(address, trace.Added)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(before)) {
		if !now[address] {
			add(address, trace.Removed)
		}
	}
	for i := range m.out.Requests {
		if r := &m.out.Requests[i]; len(out) > 0 && r.Client == client && r.Flags&trace.FlagUH != 0 && r.Sent > from && r.Sent <= at {
			at = r.Sent - 1 // nobody was left by then
		}
	}
	for i := range out {
		out[i].At = at
	}
	return out
}
