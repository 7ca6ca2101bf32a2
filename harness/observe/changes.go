package observe

import (
	"cmp"
	"slices"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// hop is how long the main thread can take to hear of a result, and how long
// after it the line of an attempt can be written.
const hop = trace.Sec(20 * time.Millisecond)

// changes are the lines of the event log. One that a result caused comes after
// the attempt with that result, though the log cut its time.
func (m *merger) changes(client int32, c *Client, as []trace.Attempt) []trace.Change {
	var out []trace.Change
	caused := map[int]bool{} // by a result
	for i := range c.Outlier {
		e := &c.Outlier[i]
		at := m.at(e.At)
		ch := trace.Change{
			At: at, Client: client, Host: m.hosts.Find(client, e.Cluster, e.Host, "", m.configAt(at)),
			Event: e.Kind, Cause: e.Cause, Ejections: e.Ejections,
		}
		if ch.Host < 0 {
			m.note(at, "%s of %s in %s, which no configuration has", e.Kind, e.Host, e.Cluster)
			continue
		}
		caused[len(out)] = e.Cause != "" && !e.AtTick
		out = append(out, ch)
	}
	causes := causesOf(out, caused, as)
	last := trace.Sec(-1 << 62)
	for i := range out {
		ch := &out[i]
		if caused[i] {
			a := causes[i]
			if a == nil {
				a = m.inferredCause(ch, as)
			}
			if a != nil {
				if a.Result != trace.Answered {
					a.Done = max(a.At, min(a.Done, ch.At+cutBy-1))
				}
				ch.At = max(ch.At, a.Done+1)
			} else {
				h := &m.hosts.Rows[ch.Host]
				m.note(ch.At, "%s of %s in %s by %s without an attempt that caused it", ch.Event, h.Address, h.Cluster, ch.Cause)
			}
		}
		// The log is in order, though its times are not exact.
		ch.At = max(ch.At, last)
		last = ch.At
	}
	return out
}

// causesOf are the attempts whose results set changes off, by change. An attempt sets
// off each detector once at most. The main thread hears of a host's results in their
// order, so that those that it heard late have the lines after their own: of all ways to
// give the lines of a detector attempts in order, it is the one that leaves the fewest
// without, and of these the nearest in time.
func causesOf(changes []trace.Change, caused map[int]bool, as []trace.Attempt) map[int]*trace.Attempt {
	out := map[int]*trace.Attempt{}
	type detector struct {
		host  int32
		cause string
	}
	lines := map[detector][]int{}
	for i := range changes {
		if c := &changes[i]; caused[i] {
			d := detector{c.Host, c.Cause}
			lines[d] = append(lines[d], i)
		}
	}
	for d, ls := range lines {
		var may []*trace.Attempt
		for i := range as {
			if a := &as[i]; !a.Inferred && a.Host == d.host && (a.Charged || changes[ls[0]].Event == trace.Degraded) {
				may = append(may, a)
			}
		}
		slices.SortStableFunc(may, func(a, b *trace.Attempt) int { return cmp.Compare(a.Done, b.Done) })
		inOrder(len(ls), len(may), func(i, k int) (trace.Sec, bool) { return apart(&changes[ls[i]], may[k]) }, func(i, k int) { out[ls[i]] = may[k] })
	}
	return out
}

// apart is how far a line is from the result that it would follow from. One whose end
// is known to be before that is nearer than one of which only that is possible.
func apart(c *trace.Change, a *trace.Attempt) (d trace.Sec, ok bool) {
	// The line of an attempt that got no answer is written after the fact.
	earliest := a.Done
	if a.Result != trace.Answered {
		earliest = max(a.At, a.Done-hop)
	}
	d = max(0, earliest-(c.At+cutBy-1), c.At-a.Done)
	if d > hop {
		return 0, false
	}
	if a.Done >= c.At+cutBy {
		d++
	}
	return d, true
}

// inOrder pairs n with k, both in order: as many as can be, then those that are the
// least apart, then the last ones.
func inOrder(n, k int, apart func(i, k int) (trace.Sec, bool), pair func(i, k int)) {
	type sum struct {
		left  int // without a partner
		apart trace.Sec
	}
	less := func(a, b sum) bool { return a.left < b.left || a.left == b.left && a.apart < b.apart }
	best := make([][]sum, n+1) // of the first ones
	best[0] = make([]sum, k+1)
	together := func(i, j int) (sum, bool) {
		d, ok := apart(i-1, j-1)
		s := best[i-1][j-1]
		return sum{s.left, s.apart + d}, ok
	}
	for i := 1; i <= n; i++ {
		best[i] = make([]sum, k+1)
		for j := range best[i] {
			s := sum{best[i-1][j].left + 1, best[i-1][j].apart}
			if j > 0 {
				if less(best[i][j-1], s) {
					s = best[i][j-1]
				}
				if t, ok := together(i, j); ok && less(t, s) {
					s = t
				}
			}
			best[i][j] = s
		}
	}
	for i, j := n, k; i > 0 && j > 0; {
		t, ok := together(i, j)
		switch {
		case ok && t == best[i][j]:
			i, j = i-1, j-1
			pair(i, j)
		case best[i][j-1] == best[i][j]:
			j--
		default:
			i--
		}
	}
}

// inferredCause is the attempt that no log has and that the change tells of: one
// of a request that was under way. The change says which host it was on, and when.
func (m *merger) inferredCause(c *trace.Change, as []trace.Attempt) *trace.Attempt {
	for i := range as {
		a := &as[i]
		if !a.Inferred || a.Host >= 0 && a.Host != c.Host || a.At > c.At+cutBy || as[lastOf(as, i)].Done < c.At {
			continue
		}
		a.Host, a.Done = c.Host, max(a.At, c.At)
		m.charge(a, m.hosts.Rows[c.Host].Cluster)
		// The attempts that follow come after it.
		for k := i + 1; k < len(as) && as[k].Request == a.Request && as[k].Client == a.Client; k++ {
			as[k].At = max(as[k].At, as[k-1].Done)
			as[k].Done = max(as[k].Done, as[k].At)
		}
		return a
	}
	return nil
}

// lastOf is the last inferred attempt of the same request.
func lastOf(as []trace.Attempt, i int) int {
	for i+1 < len(as) && as[i+1].Inferred && as[i+1].Request == as[i].Request && as[i+1].Client == as[i].Client {
		i++
	}
	return i
}

// detectors are the causes that a single result can set off, as Envoy counts
// their detections, in the order in which one result sets them off.
var detectors = []string{"consecutive_gateway_failure", "consecutive_5xx", "consecutive_local_origin_failure"}

// tickDetectors compare hosts when the interval timer fires; no attempt is the cause.
var tickDetectors = []string{"success_rate", "local_origin_success_rate", "failure_percentage", "local_origin_failure_percentage"}

// overflows are the ejections that maxEjectionPercent refused: each rise of the
// counter is given to the failed attempts between the two readings, by the count of each
// detector. Where that leaves open which of them it was, it is a guess: no reader of a
// trace may rely on the instant, the host or the cause of one (check.Timing, Overflow).
func (m *merger) overflows(client int32, c *Client, as []trace.Attempt, changes []trace.Change) []trace.Change {
	var out []trace.Change
	for _, cluster := range m.clusters(client) {
		before, used, full := Poll{At: m.in.Origin}, map[refusal]bool{}, m.full(client, cluster, as)
		for _, p := range c.Polls {
			n := rise(&before, &p, cluster, "outlier_detection.ejections_overflow")
			if n > 0 {
				from, to := m.at(before.At), m.at(p.At)
				causes := m.refused(&before, &p, cluster, n, changes)
				out = append(out, m.between(client, cluster, from, to, as, causes, full, used)...)
			}
			before = p
		}
	}
	return out
}

// anyHost is a host of the cluster, -1 if it has none.
func (m *merger) anyHost(client int32, cluster string) int32 {
	for _, h := range m.hosts.Rows {
		if h.Client == client && h.Cluster == cluster {
			return h.Index
		}
	}
	return -1
}

// clusters are the names of all clusters that a client ever has.
func (m *merger) clusters(client int32) []string {
	var out []string
	for i := range m.in.Schedule.Configs {
		for _, c := range m.in.Schedule.Configs[i][client].Clusters {
			if !slices.Contains(out, c.Name) {
				out = append(out, c.Name)
			}
		}
	}
	return out
}

// rise is how much a counter grew between two readings. A cluster that was built
// anew counts from 0.
func rise(before, after *Poll, cluster, name string) int64 {
	a, b := before.clusterCounter(cluster, name), after.clusterCounter(cluster, name)
	if b < a {
		return b
	}
	return b - a
}

// refused are the detectors of the ejections that were refused between two
// readings: what was detected and is not in the event log.
func (m *merger) refused(before, after *Poll, cluster string, n int64, changes []trace.Change) []string {
	var out []string
	for _, d := range slices.Concat(detectors, tickDetectors) {
		k := rise(before, after, cluster, "outlier_detection.ejections_detected_"+d)
		for i := range changes {
			if c := &changes[i]; c.Cause == d && m.hosts.Rows[c.Host].Cluster == cluster && c.At > m.at(before.At) && c.At <= m.at(after.At) {
				k--
			}
		}
		for range k {
			out = append(out, d)
		}
	}
	if int64(len(out)) == n {
		return out
	}
	// The two do not agree where a reading fell between a detection and its line.
	out = out[:0]
	for range n {
		out = append(out, detectors[1])
	}
	return out
}

// reading is how long it can take to read the counters of a proxy: what happened
// meanwhile may be in the next reading.
const reading = trace.Sec(250 * time.Millisecond)

// refusal is what an attempt set off: each detector once at most.
type refusal struct {
	a     *trace.Attempt
	cause string
}

// between gives refused ejections to the failures of a while. A failure sets off each
// detector once at most, and it is the one that fills its count that does. Where those
// are too few they are spread over all.
func (m *merger) between(client int32, cluster string, from, to trace.Sec, as []trace.Attempt, causes []string, full, used map[refusal]bool) []trace.Change {
	var failed []*trace.Attempt
	for i := range as {
		a := &as[i]
		if a.Charged && a.Done > from-reading && a.Done <= to && m.hosts.Rows[a.Host].Cluster == cluster {
			failed = append(failed, a)
		}
	}
	slices.SortStableFunc(failed, func(a, b *trace.Attempt) int { return cmp.Compare(a.Done, b.Done) })
	var out []trace.Change
	// Which host was refused at a tick, no counter says.
	for _, c := range causes {
		if h := m.anyHost(client, cluster); slices.Contains(tickDetectors, c) && h >= 0 {
			out = append(out, trace.Change{At: to, Client: client, Host: h, Event: trace.OverflowEvent, Cause: c})
		}
	}
	for _, d := range detectors {
		free := slices.DeleteFunc(slices.Clone(failed), func(a *trace.Attempt) bool { return used[refusal{a, d}] })
		n := 0
		for _, c := range causes {
			if c == d {
				n++
			}
		}
		counted := heard(slices.DeleteFunc(slices.Clone(free), func(a *trace.Attempt) bool { return !full[refusal{a, d}] }), n)
		switch {
		case len(counted) == n && n > 0:
			// They are told of in order: none from before them is left.
			for _, a := range free {
				if a.Done <= counted[n-1].Done {
					used[refusal{a, d}] = true
				}
			}
			free = counted
		case n > len(free) && len(failed) > 0:
			free = failed
		}
		if n > len(free) {
			m.note(to, "%d ejections of %s by %s were refused, and %d failed attempts were seen", n, cluster, d, len(free))
		}
		for k := range n {
			if len(free) == 0 {
				if h := m.anyHost(client, cluster); h >= 0 {
					out = append(out, trace.Change{At: to, Client: client, Host: h, Event: trace.OverflowEvent, Cause: d})
				}
				continue
			}
			a := free[max((k+1)*len(free)/n, 1)-1]
			used[refusal{a, d}] = true
			out = append(out, trace.Change{At: a.Done + 1, Client: client, Host: a.Host, Event: trace.OverflowEvent, Cause: d})
		}
	}
	return out
}
