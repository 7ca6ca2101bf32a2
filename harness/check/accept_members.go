package check

import (
	"cmp"
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// namesAt is the DNS of the drill as it was at an instant of the run.
func (a *acceptor) namesAt(at trace.Sec) engine.Names {
	n := engine.NewNames(a.s)
	for _, st := range a.t.Steps {
		if st.Done <= at {
			n.Step(int(st.Index))
		}
	}
	return n
}

// rowOf is where in the trace a host of the line's cluster is, -1 if it is not there.
func (a *acceptor) rowOf(l *line, h *engine.Host) int32 {
	for i := range a.t.Hosts {
		t := &a.t.Hosts[i]
		if t.Client == l.client && t.Cluster == l.cluster && t.Address == h.Address && t.Name == h.Name && t.Priority == h.Priority && t.Locality == h.Locality.String() {
			return t.Index
		}
	}
	return -1
}

// hostsOf are the hosts of a line of the trace: the one that is there, then those that
// were there before it, the last first. Workers that have not heard of a look-up pick
// one that has gone.
func (st *state) hostsOf(row int32) []int32 {
	var out []int32
	for h, r := range slices.Backward(st.traceOf) {
		switch host := int32(h); {
		case r != row:
		case st.c.Gone(host):
			out = append(out, host)
		default:
			out = slices.Insert(out, 0, host)
		}
	}
	return out
}

// going is an attempt that has begun, and on which host.
type going struct {
	client, request, n int32
	host               int32 // NoHost: it ended in the instant in which it is going to begin
}

// find is where the attempt is among those that are going, -1 if it is not.
func (st *state) find(at *trace.Attempt) int {
	return slices.IndexFunc(st.going, func(g going) bool {
		return g.client == at.Client && g.request == at.Request && g.n == int32(at.N)
	})
}

// begin notes the host of an attempt.
func (st *state) begin(at *trace.Attempt, host int32) {
	st.c.Begin(host)
	if i := st.find(at); i >= 0 {
		st.going = slices.Delete(st.going, i, i+1)
		return
	}
	st.note(going{at.Client, at.Request, int32(at.N), host})
}

// note keeps what is going in one order: attempts that began at once can have begun in
// any, and it makes no difference afterwards.
func (st *state) note(g going) {
	i, _ := slices.BinarySearchFunc(st.going, g, func(x, y going) int {
		return cmp.Or(cmp.Compare(x.client, y.client), cmp.Compare(x.request, y.request), cmp.Compare(x.n, y.n))
	})
	st.going = slices.Insert(st.going, i, g)
}

// end is the other half of begin. What ends as it begins ends first, in the order of moments.
func (st *state) end(at *trace.Attempt, host int32) {
	st.c.End(host)
	if i := st.find(at); i >= 0 {
		st.going = slices.Delete(st.going, i, i+1)
		return
	}
	st.note(going{at.Client, at.Request, int32(at.N), engine.NoHost})
}

// hostOf is the host of an attempt: the one that it began on; else the one that is
// there, or was there last; -1 if there was none.
func (st *state) hostOf(at *trace.Attempt) int32 {
	if i := st.find(at); i >= 0 && st.going[i].host != engine.NoHost {
		return st.going[i].host
	}
	if hosts := st.hostsOf(at.Host); len(hosts) > 0 {
		return hosts[0]
	}
	return -1
}

// assign gives the cluster another assignment, or other endpoints in the one that
// it has.
func (a *acceptor) assign(st *state, c *xds.Cluster, at trace.Sec) {
	st.c.Update(int64(at), c, engine.HostsOf(c, a.s), &st.ch, st.tell)
}

// isMember reports whether a change is of who is there.
func isMember(event string) bool { return event == trace.Added || event == trace.Removed }

// changed is what can have become of a state in which a change was observed. A
// host that came or left, with nothing else to explain it, came or left with a
// look-up of its name.
func (a *acceptor) changed(st *state, c *trace.Change) []*state {
	if a.change(st, c) {
		return []*state{st}
	}
	if !isMember(c.Event) {
		return nil
	}
	var out []*state
	// What a step has made of the DNS shows before or after it, within the slack.
	for _, at := range []trace.Sec{c.At + a.slack(c.At), c.At - a.slack(c.At)} {
		x := st.clone()
		if a.lookUp(x, a.t.Hosts[c.Host].Name, at, c.At) && a.change(x, c) {
			out = append(out, x)
		}
	}
	return distinct(out)
}

// lookUp asks for a name as the DNS was at an instant. It reports whether the
// cluster has it.
func (a *acceptor) lookUp(st *state, name string, dns, at trace.Sec) bool {
	cfg := st.c.Config()
	names := a.namesAt(dns)
	ch := st.ch
	l, fresh := names.LookUps(cfg, int64(at), &ch)
	if l == nil {
		return false
	}
	var hosts []engine.Host
	for _, h := range st.c.Members() {
		hosts = append(hosts, st.c.Hosts()[h])
	}
	about := func(h engine.Host) bool { return schedule.SameAddress(h.Name, name) }
	hosts = slices.DeleteFunc(hosts, about)
	for _, h := range fresh {
		if about(h) {
			h.Trace = -1
			hosts = append(hosts, h)
		}
	}
	// The order of the list is that of the names.
	slices.SortStableFunc(hosts, func(x, y engine.Host) int { return int(x.Target - y.Target) })
	st.c.Update(int64(at), cfg, hosts, &st.ch, st.tell)
	return true
}
