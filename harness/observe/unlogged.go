package observe

import (
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/retry"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// unlogged are the attempts of a request without an upstream log: the access log
// has the last one, and how many there were. The others are between the request's
// start and the last attempt's; which host each was on, the counters of the hosts
// say if only one of them rose then. Otherwise the host is -1.
func (m *merger) unlogged(r *trace.Request, l *Line, c *Client) []trace.Attempt {
	n := l.Attempts
	if r.Flags&trace.FlagUH != 0 {
		n-- // the last pick found nobody
	}
	if n <= 0 {
		return nil
	}
	var out []trace.Attempt
	last := m.lastAttempt(r, l)
	last.N = n
	if r.Flags&trace.FlagUH != 0 {
		last.Host, last.Charged = -1, false
	}
	logged := last.Host >= 0
	first := n - 1 // how many are not logged
	if !logged {
		first = n
	}
	if first > 0 {
		hosts := m.failing(r.Client, l, c)
		begin, step := m.at(l.Start), (last.At-m.at(l.Start))/trace.Sec(first)
		for k := range trace.Sec(first) {
			a := trace.Attempt{
				At: begin + k*step, Done: begin + (k+1)*step, Client: r.Client, Request: r.N, N: int32(k) + 1, Host: -1, Result: trace.Refused, Inferred: true,
			}
			if len(hosts) == 1 {
				a.Host = hosts[0].host
			}
			if len(hosts) > 0 && !slices.ContainsFunc(hosts, func(f failing) bool { return f.connect != hosts[0].connect }) {
				a.Result, a.Status = m.guess(r, l, hosts[0].connect, step)
			}
			m.charge(&a, l.Cluster)
			out = append(out, a)
		}
		if len(hosts) != 1 {
			m.note(r.Done, "request %d had %d attempts that no log tells of, on one of %d hosts", r.N, len(out), len(hosts))
		}
	}
	if logged {
		out = append(out, last)
	}
	return out
}

// guess is how an attempt ended that was tried again, from what it failed at and
// how long each took on average.
func (m *merger) guess(r *trace.Request, l *Line, connect bool, took trace.Sec) (trace.Result, int32) {
	s := m.in.Schedule
	load, config := &s.Clients[r.Client].Load, &s.Configs[m.configAt(m.at(l.Start))][r.Client]
	route := engine.Route(config, load.Host, load.Port, load.Path)
	c := config.Cluster(l.Cluster)
	switch {
	case connect && c != nil && took.D() >= c.ConnectTimeout-early:
		return trace.ConnectTimeout, 0
	case connect:
		return trace.Refused, 0
	case route != nil && route.Retry != nil && route.Retry.PerTryTimeout > 0 && took.D() >= route.Retry.PerTryTimeout-early:
		return trace.PerTryTimeout, 0
	case route != nil && route.Retry != nil && retries503(route.Retry):
		return trace.Answered, 503
	}
	return trace.Reset, 0
}

func retries503(p *xds.RetryPolicy) bool {
	s := retry.Start(p)
	return s.Decide(retry.Response, 503) == retry.Again
}

// lastAttempt is the one that the access log describes.
func (m *merger) lastAttempt(r *trace.Request, l *Line) trace.Attempt {
	x := *l
	switch {
	case l.Attempts <= 1:
		// Picked as soon as the request was there: a connection may take a while.
	case l.ConnectBegin >= 0:
		x.Start = l.Start.Add(l.ConnectBegin)
	case l.SendBegin >= 0:
		x.Start = l.Start.Add(l.SendBegin)
	default:
		// It got no connection: refused at once, or it waited for as long as it may.
		x.Start = l.End
		if c := m.clusterAt(r.Client, l.Cluster, m.at(l.Start)); c != nil && strings.Contains(l.Failure, "timeout") {
			x.Start = l.End.Add(-c.ConnectTimeout)
		}
		if x.Start.Before(l.Start) {
			x.Start = l.Start
		}
	}
	if l.ResponseBegin >= 0 {
		x.ResponseBegin = l.ResponseBegin - x.Start.Sub(l.Start)
	}
	a := m.attempt(r.Client, &x)
	a.Request = r.N
	if r.Flags&trace.FlagDC != 0 && a.Result == trace.Timeout {
		a.Result = trace.Cancelled
		m.charge(&a, l.Cluster)
	}
	if r.Flags&trace.FlagUT != 0 && !strings.Contains(l.Details, "per_try") && a.Result == trace.PerTryTimeout {
		a.Result = trace.Timeout
		if l.SendBegin < 0 {
			a.Result = trace.Cancelled
		}
		m.charge(&a, l.Cluster)
	}
	return a
}

// failing is a host whose counters of failures rose.
type failing struct {
	host    int32
	connect bool // connections failed
}

// failing are the hosts of the request's cluster that failed between the readings
// around it. The host of the last attempt is among them only if it failed before.
func (m *merger) failing(client int32, l *Line, c *Client) []failing {
	before, after := -1, -1
	for i := range c.Polls {
		if c.Polls[i].At.Before(l.Start) {
			before = i
		}
		if after < 0 && !c.Polls[i].At.Before(l.End) {
			after = i
		}
	}
	if after < 0 {
		return nil
	}
	var first Poll
	if before >= 0 {
		first = c.Polls[before]
	}
	rose := func(address, name string) int64 {
		a, b := first.hostCounter(l.Cluster, address, name), c.Polls[after].hostCounter(l.Cluster, address, name)
		if b < a {
			return b
		}
		return b - a
	}
	var out []failing
	for _, h := range m.hosts.Rows {
		if h.Client != client || h.Cluster != l.Cluster {
			continue
		}
		connects, errors := rose(h.Address, "cx_connect_fail"), rose(h.Address, "rq_error")
		if h.Address == l.Host && l.Details == "via_upstream" && l.Status >= 500 {
			errors-- // the last attempt itself
		}
		if h.Address == l.Host && strings.Contains(l.Flags, "UF") {
			connects--
		}
		if connects > 0 || errors > 0 {
			i := slices.IndexFunc(out, func(f failing) bool { return f.host == h.Index })
			if i < 0 {
				out = append(out, failing{h.Index, connects > 0})
			}
		}
	}
	return out
}
