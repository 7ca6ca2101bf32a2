package check

import (
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

// missing says what the state decided and nobody observed.
func (a *acceptor) missing(last *state, at trace.Sec) *result.Divergence {
	u := last.untold[max(0, a.firstOverdue(last, at))]
	return &result.Divergence{
		At: trace.Sec(u.At).Seconds(), Decision: "endpoint " + a.hostName(last.traceOf[u.Host]),
		Permitted: changeNames[u.Kind] + words(u), Observed: "nothing of the kind until " + seconds(at),
	}
}

func words(u engine.Change) string {
	switch {
	case u.Kind == engine.HostReturned:
		return " at the tick"
	case causeOf(&u) == "":
		return ""
	}
	return " by " + u.Type.String()
}

func (a *acceptor) hostName(h int32) string {
	if h < 0 || int(h) >= len(a.t.Hosts) {
		return "unknown"
	}
	return a.t.UpstreamName(a.t.Hosts[h].Upstream) + " " + a.t.Hosts[h].Address
}

// divergence says what the states permitted instead.
func (a *acceptor) divergence(states []*state, m moment) *result.Divergence {
	if ahead := states[0].ahead; len(ahead) > 0 && a.tooFarAhead(states[0], m.at) {
		m = moment{at: ahead[0].At, change: ahead[0]}
	}
	d := &result.Divergence{At: m.at.Seconds()}
	st := a.advance(states[0], m.at)[0]
	switch {
	case m.pick != nil:
		d.Decision = fmt.Sprintf("host of request %d, attempt %d", m.pick.Request, m.pick.N)
		d.Observed = a.hostName(m.pick.Host)
		d.Permitted = a.permitted(st)
	case m.change != nil:
		d.Decision = "endpoint " + a.hostName(m.change.Host)
		d.Observed = strings.TrimSpace(m.change.Event + " " + m.change.Cause)
		d.Permitted = "no change"
		if len(st.untold) > 0 {
			u := st.untold[0]
			d.Permitted = fmt.Sprintf("%s of %s at %s", changeNames[u.Kind]+words(u), a.hostName(st.traceOf[u.Host]), seconds(trace.Sec(u.At)))
		}
	case m.noHost != nil:
		d.Decision = fmt.Sprintf("host of request %d", m.noHost.N)
		d.Observed = "no host (UH)"
		d.Permitted = a.permitted(st)
	default:
		d.Decision = "result of an attempt"
		d.Observed = "no change of the endpoint"
		if len(st.untold) > 0 {
			u := st.untold[0]
			d.At = trace.Sec(u.At).Seconds()
			d.Decision = "endpoint " + a.hostName(st.traceOf[u.Host])
			d.Permitted = changeNames[u.Kind] + words(u)
		}
	}
	return d
}

// permitted lists the hosts that the state can pick.
func (a *acceptor) permitted(st *state) string {
	var names []string
	l := st.c.Loads()
	for h := range st.c.Hosts() {
		x := st.clone()
		ch := x.ch.Guided(toward{int32(h), int(x.c.Hosts()[h].Priority)})
		if x.c.Pick(nil, nil, &ch) == int32(h) {
			names = append(names, a.hostName(st.traceOf[h]))
		}
	}
	loads := make([]string, l.Levels())
	for p := range loads {
		loads[p] = fmt.Sprintf("priority %d: %d %%", p, l.Percent(p))
	}
	if len(names) == 0 {
		names = []string{"nobody"}
	}
	return strings.Join(names, " or ") + " (" + strings.Join(loads, ", ") + ")"
}
