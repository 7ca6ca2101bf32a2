package observe

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// flagsOf reads response flags; those that a trace does not know are left out.
func flagsOf(letters string) (f trace.Flags, unknown []string) {
	for _, l := range strings.Split(letters, ",") {
		if l == "" || l == "-" {
			continue
		}
		if g, ok := trace.ParseFlag(l); ok {
			f |= g
		} else {
			unknown = append(unknown, l)
		}
	}
	return f, unknown
}

// atOnce is how long it takes to get a connection that nobody else waits for.
const atOnce = time.Millisecond

// connects reports whether it matters when the attempt of a line had its connection:
// where it waited, and where a connection ends a run of local failures, so that the
// tenth of a millisecond that connecting takes can lie on either side of a timeout.
func (m *merger) connects(client int32, l *Line) bool {
	if l.SendBegin > atOnce {
		return true
	}
	c := m.clusterAt(client, l.Cluster, m.at(l.Start))
	return l.SendBegin >= 0 && c != nil && c.OutlierDetection != nil && c.OutlierDetection.SplitExternalLocalOriginErrors
}

// attempts are those of the upstream log, by request and in their order.
func (m *merger) attempts(client int32, c *Client) []trace.Attempt {
	log := slices.Clone(c.Upstream)
	slices.SortStableFunc(log, func(a, b Line) int { return cmp.Or(cmp.Compare(a.Request, b.Request), a.Start.Compare(b.Start)) })
	var out []trace.Attempt
	for i := range log {
		l := &log[i]
		a := m.attempt(client, l)
		if m.connects(client, l) {
			a.Connected = a.At + trace.Sec(l.SendBegin)
		}
		if n := len(out); n > 0 && out[n-1].Request == l.Request {
			a.N = out[n-1].N + 1
			// The line of an attempt is written when its stream is cleared away.
			out[n-1].Done = min(out[n-1].Done, a.At)
		}
		out = append(out, a)
	}
	return out
}

// together are the attempts that waited for a connection to a host when one to it
// failed: all fail in that turn of the event loop, one after the other, and only then
// their lines are written. On a machine that is busy this takes milliseconds, and the
// ejection comes meanwhile: the results were in by the first of the lines.
//
// Source: conn_pool_base.cc, purgePendingStreams; a stream is cleared away, and its line
// written, when the dispatcher deletes what was put off.
func together(as []trace.Attempt) {
	var failed []*trace.Attempt
	for i := range as {
		if !as[i].Inferred && as[i].Host >= 0 && (as[i].Result == trace.Refused || as[i].Result == trace.ConnectTimeout) {
			failed = append(failed, &as[i])
		}
	}
	slices.SortStableFunc(failed, func(a, b *trace.Attempt) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Done, b.Done))
	})
	for i := 0; i < len(failed); {
		first := failed[i]
		k := i + 1
		for ; k < len(failed) && failed[k].Host == first.Host && failed[k].Done-first.Done <= hop; k++ {
			if failed[k].At >= first.Done {
				break // it was picked after that
			}
		}
		for _, a := range failed[i:k] {
			a.Done = first.Done
		}
		i = k
	}
}

// attempt is a line of the upstream log. Envoy gives no flag to an attempt that
// the route timeout ended, and none to one that the client left.
func (m *merger) attempt(client int32, l *Line) trace.Attempt {
	at := m.at(l.Start)
	a := trace.Attempt{At: at, Done: m.at(l.End), Client: client, Request: l.Request, N: 1, Host: m.find(client, l, at)}
	if l.Host != "" && a.Host < 0 {
		m.note(at, "request %d went to %s of %s, which no configuration has", l.Request, l.Host, l.Cluster)
	}
	f, unknown := flagsOf(l.Flags)
	if len(unknown) > 0 {
		m.note(at, "request %d: an attempt with the flags %s", l.Request, l.Flags)
	}
	switch {
	case l.ResponseBegin >= 0 && l.Status > 0:
		a.Result, a.Status, a.Done = trace.Answered, l.Status, at+trace.Sec(l.ResponseBegin)
	case f&trace.FlagUO != 0:
		a.Result = trace.Overflow
	case f&trace.FlagUF != 0:
		a.Result = trace.Refused
		if m.timedOut(client, l) {
			a.Result = trace.ConnectTimeout
		}
	case f&trace.FlagUT != 0:
		a.Result = trace.PerTryTimeout
	case f&(trace.FlagUC|trace.FlagUR|trace.FlagUPE|trace.FlagLR) != 0:
		a.Result = trace.Reset
	case f&trace.FlagUH != 0:
		a.Result = trace.NoHost
	case l.SendBegin >= 0:
		a.Result = trace.Timeout // or the client left: complete knows
	default:
		a.Result = trace.Cancelled // it waited for a connection
	}
	a.Done = max(a.Done, a.At)
	m.charge(&a, l.Cluster)
	return a
}

// early is how much too early Envoy's timers fire: they count from when the event
// loop last looked at the clock.
const early = 20 * time.Millisecond

// timedOut reports whether a connect took as long as it may. Envoy 1.36 does not
// say why it failed.
func (m *merger) timedOut(client int32, l *Line) bool {
	if strings.Contains(l.Failure, "timeout") {
		return true
	}
	c := m.clusterAt(client, l.Cluster, m.at(l.Start))
	return c != nil && l.Failure == "" && l.End.Sub(l.Start) >= c.ConnectTimeout-early
}

// charge says whether outlier detection counts the attempt against its host.
func (m *merger) charge(a *trace.Attempt, cluster string) {
	a.Charged = false
	c := m.clusterAt(a.Client, cluster, a.At)
	if a.Host < 0 || c == nil || c.OutlierDetection == nil {
		return
	}
	switch a.Result {
	case trace.Answered:
		a.Charged = a.Status >= 500
	case trace.Refused, trace.ConnectTimeout, trace.Reset, trace.Timeout, trace.PerTryTimeout:
		a.Charged = true
	case trace.Overflow, trace.NoHost, trace.Cancelled:
	}
}

// complete fills in the requests, and what only the access log knows of attempts.
func (m *merger) complete(client int32, c *Client, as []trace.Attempt) []trace.Attempt {
	lines := map[int32]*Line{}
	for i := range c.Access {
		lines[c.Access[i].Request] = &c.Access[i]
	}
	of := map[int32][]*trace.Attempt{}
	for i := range as {
		of[as[i].Request] = append(of[as[i].Request], &as[i])
	}
	var more []trace.Attempt
	for i := range m.out.Requests {
		r := &m.out.Requests[i]
		if r.Client != client {
			continue
		}
		l := lines[r.N]
		if l == nil {
			m.note(r.Done, "request %d of client %d is not in the access log", r.N, client)
			continue
		}
		m.answer(r, l)
		if c.UpstreamLog {
			m.reconcile(r, l, of[r.N])
			continue
		}
		got := m.unlogged(r, l, c)
		r.Attempts = int32(len(got))
		more = append(more, got...)
	}
	return append(as, more...)
}

// answer is what the access log says of a request.
func (m *merger) answer(r *trace.Request, l *Line) {
	f, unknown := flagsOf(l.Flags)
	if len(unknown) > 0 {
		m.note(r.Done, "request %d: response flags %s", r.N, l.Flags)
	}
	r.Flags, r.Host, r.Upstream = f, -1, -1
	if r.Status != 0 && r.Status != l.Status {
		m.note(r.Done, "request %d: the client saw %d, the access log has %d", r.N, r.Status, l.Status)
	}
	if l.Details == "via_upstream" && r.Status != 0 {
		if r.Host = m.find(r.Client, l, m.at(l.Start)); r.Host >= 0 {
			r.Upstream = m.hosts.Rows[r.Host].Upstream
		}
	}
}

// reconcile puts what the two logs say of a request together.
func (m *merger) reconcile(r *trace.Request, l *Line, as []*trace.Attempt) {
	on := int32(0)
	for _, a := range as {
		if a.Host >= 0 {
			on++
		}
	}
	r.Attempts = on
	// Envoy counts one more if the last pick found no host.
	if n := l.Attempts; n != int32(len(as)) && !(r.Flags&trace.FlagUH != 0 && n == int32(len(as))+1) {
		m.note(r.Done, "request %d: the access log counts %d attempts, the upstream log has %d", r.N, n, len(as))
	}
	if len(as) == 0 {
		return
	}
	last := as[len(as)-1]
	last.Done = max(last.At, min(last.Done, m.at(l.End)))
	if r.Flags&trace.FlagDC != 0 && last.Result == trace.Timeout {
		last.Result = trace.Cancelled
		m.charge(last, l.Cluster)
	}
}
