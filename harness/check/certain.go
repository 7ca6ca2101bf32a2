package check

import (
	"sort"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// settle is how long workers may not know of an endpoint change: the merge
// window of updates, and a little.
const settle = 1100 * time.Millisecond

// certain reports whether chance had no part in what the prediction says of a
// window: whenever a host was picked, all that could have been belong to one
// upstream, and no upstream now failed, now answered between two steps. Only then
// do none and all in the prediction mean never and always; a few requests can
// miss an upstream by luck.
func certain(p *trace.Trace, client int32, from, to trace.Sec) bool {
	l := chancesOf(p)
	for a := range p.AllAttempts() {
		if a.Host < 0 || a.At < from || a.At >= to || client >= 0 && a.Client != client {
			continue
		}
		if l.fickle[l.stretch(a)] == both || l.others(a) {
			return false
		}
	}
	return true
}

// chances knows where a prediction was a matter of chance.
type chances struct {
	p       *trace.Trace
	changes map[int32][]*trace.Change // ejections and returns, by host
	members map[int32][]*trace.Change // hosts that come and leave
	loads   map[cluster][]*trace.Load
	fickle  map[stretch]outcomes
}

// cluster is one of the clusters of a client.
type cluster struct {
	client int32
	name   string
}

// stretch is an upstream between two steps.
type stretch struct {
	upstream int32
	steps    int // that came before
}

// outcomes are how attempts ended.
type outcomes uint8

const (
	answers outcomes = 1 << iota
	failures
	both = answers | failures
)

func chancesOf(p *trace.Trace) *chances {
	l := &chances{p: p, changes: map[int32][]*trace.Change{}, members: map[int32][]*trace.Change{}, loads: map[cluster][]*trace.Load{}, fickle: map[stretch]outcomes{}}
	for i := range p.Changes {
		switch c := &p.Changes[i]; c.Event {
		case trace.Ejected, trace.Returned:
			l.changes[c.Host] = append(l.changes[c.Host], c)
		case trace.Added, trace.Removed:
			l.members[c.Host] = append(l.members[c.Host], c)
		}
	}
	for i := range p.Loads {
		ld := &p.Loads[i]
		k := cluster{ld.Client, ld.Cluster}
		l.loads[k] = append(l.loads[k], ld)
	}
	for a := range p.AllAttempts() {
		o := answers
		if a.Result != trace.Answered || a.Status >= 500 {
			o = failures
		}
		l.fickle[l.stretch(a)] |= o
	}
	return l
}

func (l *chances) stretch(a *trace.Attempt) stretch {
	return stretch{l.p.UpstreamOf(a.Host), sort.Search(len(l.p.Steps), func(i int) bool { return l.p.Steps[i].At > a.At })}
}

// others reports whether a host of another upstream could have been picked.
func (l *chances) others(a *trace.Attempt) bool {
	picked := &l.p.Hosts[a.Host]
	loads := l.loads[cluster{picked.Client, picked.Cluster}]
	var load *trace.Load // the one in force; nil: not recorded
	if n := sort.Search(len(loads), func(i int) bool { return loads[i].At > a.At }); n > 0 {
		load = loads[n-1]
	}
	for i := range l.p.Hosts {
		h := &l.p.Hosts[i]
		if h.Client != picked.Client || h.Cluster != picked.Cluster || h.Upstream == picked.Upstream || h.At > a.At || l.gone(int32(i), a.At) {
			continue
		}
		n := int(h.Priority)
		if load != nil && (n >= len(load.Percent) || load.Percent[n] == 0) {
			continue
		}
		if load != nil && load.Panic[n] || !l.out(int32(i), a.At) {
			return true
		}
	}
	return false
}

// gone reports whether the proxy had not the host any more.
func (l *chances) gone(host int32, at trace.Sec) bool {
	cs := l.members[host]
	n := sort.Search(len(cs), func(i int) bool { return cs[i].At > at })
	return n > 0 && cs[n-1].Event == trace.Removed
}

// out reports whether the workers knew for sure that the host was ejected.
func (l *chances) out(host int32, at trace.Sec) bool {
	cs := l.changes[host]
	n := sort.Search(len(cs), func(i int) bool { return cs[i].At > at })
	return n > 0 && cs[n-1].Event == trace.Ejected && cs[n-1].At+trace.Sec(float64(settle)/scaleOf(l.p)) < at
}
