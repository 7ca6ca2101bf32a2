package check

import (
	"slices"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// toward answers so that the observed host is picked, if it can be.
type toward struct {
	host  int32
	level int
}

func (g toward) Answer(q engine.Question) (uint64, bool) {
	switch q.Draw {
	case engine.DrawLevel:
		for r := uint64(0); r < q.N; r++ {
			if p, _ := q.Loads.Choose(uint32(r) + 1); p == g.level {
				return r, true
			}
		}
	case engine.DrawHost:
		if i := slices.Index(q.Hosts, g.host); i >= 0 {
			return uint64(i), true
		}
	case engine.DrawLocality:
		return localityOf(q, g.host)
	}
	return 0, false
}

// localityOf is the locality that has the host.
func localityOf(q engine.Question, host int32) (uint64, bool) {
	for i, hosts := range q.Groups {
		if slices.Contains(hosts, host) {
			return uint64(i), true
		}
	}
	return 0, false
}

// maxRejected bounds how many ways to the observed host are followed.
const maxRejected = 64

// pick is what can have become of the state by picking the observed host. A retry
// may have picked hosts before it that its predicate rejected, and a round robin
// counts those picks too; which levels and hosts they were is not observed.
//
// A real proxy does not say which host it was that a circuit breaker kept from a
// request: it can have been any.
func (a *acceptor) pick(st *state, at *trace.Attempt) []*state {
	hosts := st.c.Members()
	if at.Host >= 0 {
		hosts = st.hostsOf(at.Host)
	}
	if len(hosts) == 1 {
		return a.picked(st, at, hosts[0])
	}
	var out []*state
	for _, h := range hosts {
		out = append(out, a.picked(st, at, h)...)
	}
	return distinct(out)
}

// picked is what can have become of the state by picking the host.
func (a *acceptor) picked(st *state, at *trace.Attempt, h int32) []*state {
	tried, policy := a.tried(st, at), a.policy(at)
	hidden := len(tried) > 0 && st.c.Config().LBPolicy == xds.RoundRobin
	var out []*state
	scripts := [][]int{nil}
	for n := 0; len(scripts) > 0 && n < maxRejected; n++ {
		g := &way{toward: toward{h, int(st.c.Hosts()[h].Priority)}, rejected: tried, fall: scripts[0]}
		scripts = scripts[1:]
		x := st.clone()
		ch := x.ch.Guided(g)
		got := x.c.PickAgain(tried, policy, x.keptOf(at, policy), &ch)
		x.ch = ch.Guided(nil)
		if got == h {
			if at.Result != trace.Overflow {
				x.begin(at, h)
			}
			out = append(out, x)
		}
		if hidden {
			scripts = append(scripts, g.others()...)
		}
	}
	return distinct(out)
}

// way leads toward a host on a given way through levels and rejected hosts.
type way struct {
	toward
	rejected []int32 // hosts that the predicate rejects
	fall     []int   // what each question falls to; then what leads to the host
	went     []int   // the answers so far
	open     [][]int // which others each could have been
}

// Answer implements engine.Guide.
func (g *way) Answer(q engine.Question) (uint64, bool) {
	switch q.Draw {
	case engine.DrawLevel:
		return g.levelOf(q)
	case engine.DrawHost:
		return g.hostOf(q)
	case engine.DrawLocality:
		return g.localityOf(q)
	}
	return 0, false
}

// localityOf leads to the locality of the host, or of one that is rejected.
func (g *way) localityOf(q engine.Question) (uint64, bool) {
	own, ok := localityOf(q, g.host)
	at := g.next(int(own))
	var others []int
	for _, h := range g.rejected {
		if i, in := localityOf(q, h); in && int(i) != at && !slices.Contains(others, int(i)) {
			others = append(others, int(i))
		}
	}
	g.note(at, others)
	if at >= len(q.Groups) {
		return 0, false // the answer was for another question: this way leads elsewhere
	}
	return uint64(at), ok || len(g.went) <= len(g.fall)
}

func (g *way) levelOf(q engine.Question) (uint64, bool) {
	level := g.next(g.level)
	r, ok := toward{g.host, level}.Answer(q)
	if !ok {
		return 0, false
	}
	var others []int
	for x := uint64(0); x < q.N; x++ {
		if p, _ := q.Loads.Choose(uint32(x) + 1); p != level && !slices.Contains(others, p) {
			others = append(others, p)
		}
	}
	g.note(level, others)
	return r, true
}

// hostOf is asked where the counter is not known: it may stand at the host, or
// at one that is rejected.
func (g *way) hostOf(q engine.Question) (uint64, bool) {
	host := g.next(int(g.host))
	i := slices.Index(q.Hosts, int32(host))
	var others []int
	for _, h := range g.rejected {
		if int(h) != host && slices.Contains(q.Hosts, h) {
			others = append(others, int(h))
		}
	}
	g.note(host, others)
	return uint64(max(i, 0)), i >= 0
}

// next is what the next question falls to.
func (g *way) next(otherwise int) int {
	if i := len(g.went); i < len(g.fall) {
		return g.fall[i]
	}
	return otherwise
}

func (g *way) note(answer int, others []int) {
	g.went, g.open = append(g.went, answer), append(g.open, others)
}

// others are the ways that part from this one after its script.
func (g *way) others() [][]int {
	var out [][]int
	for i := len(g.fall); i < len(g.went); i++ {
		for _, o := range g.open[i] {
			out = append(out, append(slices.Clone(g.went[:i]), o))
		}
	}
	return out
}

// tried are the hosts that the request was at before this attempt.
func (a *acceptor) tried(st *state, at *trace.Attempt) []int32 {
	var out []int32
	for i := range a.t.Attempts {
		o := &a.t.Attempts[i]
		if o.Client == at.Client && o.Request == at.Request && o.N < at.N {
			if h := st.hostOf(o); h >= 0 {
				out = append(out, h)
			}
		}
	}
	return out
}

func (a *acceptor) policy(at *trace.Attempt) *xds.RetryPolicy {
	load := &a.s.Clients[at.Client].Load
	if r := engine.Route(a.configAt(at.Client, at.At), load.Host, load.Port, load.Path); r != nil {
		return r.Retry
	}
	return nil
}
