package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Whole drills:
//
//	profile envoy=1.36.2
//	seed 2
//	upstream east 198.18.0.1 latency=1ms
//	cluster lb=LEAST_REQUEST connect=10s       as in the transcripts of clusters
//	outlier consecutive_5xx=1
//	endpoints east:80 west:80/1                a priority other than 0 behind the port
//	route retries=2 on=connect-failure picks=5 timeout=1s per_try=1s priorities=2 backoff=25ms
//	client every=2s count=5 start=1s concurrency=1 timeout=30s
//	at 9.5 endpoints east:81 west:80/1         the same cluster, other endpoints: a push
//	at 5 fault dead east refuse                or status status=503, delay delay=1s, ...
//	at 6 heal dead
//	dns refresh=60s jitter=100ms               a DNS cluster; a TTL counts
//	upstream east 198.18.0.1,198.18.0.9 ttl=5s two addresses
//	at 5 dns gone east NXDOMAIN for=10s        or east,198.18.0.9 ttl=5s: other addresses
//	draw 4.5 6                                 the cluster's state at these instants
//	play 20s                                   or play 20s summed, play 20s log
//
// Play writes what was decided, then the requests, runs of alike ones in a line,
// or how many there were of each kind; with log, Envoy's event log of a drill
// that began at midnight.
func TestDrills(t *testing.T) {
	transcripts(t, "drill", func(t *testing.T, lines []string) string {
		d := newDrill(t)
		out := ""
		for _, l := range lines {
			out += l + "\n"
			if l != "" && !strings.HasPrefix(l, "#") {
				out += indent(d.do(strings.Fields(l)))
			}
		}
		return out
	})
}

// drill is a schedule while it is written.
type drill struct {
	*testing.T
	s       schedule.Schedule
	cluster xds.Cluster
	route   xds.Route
}

func newDrill(t *testing.T) *drill {
	t.Helper()
	d := &drill{T: t, cluster: testCluster(), route: xds.Route{Cluster: "c"}}
	d.s = schedule.Schedule{
		Schema: schedule.Schema, Name: "drill", Profile: istio.DefaultProfile(), Seed: 1, Scale: 1,
		Clients: []schedule.Client{{Name: "sleep", Load: schedule.Load{Host: "mydb.com", Port: 80, Path: "/", KeepAlive: true}}},
	}
	return d
}

// do carries out one command and returns what came of it.
func (d *drill) do(f []string) string {
	var err error
	switch f[0] {
	case "profile":
		if d.s.Profile, err = istio.ParseProfile(f[1]); err != nil {
			d.Fatal(err)
		}
	case "seed":
		if d.s.Seed, err = strconv.ParseUint(f[1], 10, 64); err != nil {
			d.Fatal(err)
		}
	case "upstream":
		u := schedule.Upstream{Name: f[1], Address: f[1] + ".example", IPs: d.ips(f[2]), Ports: []uint32{80}}
		o, latency, ttl := optionsOf(f[3:]), time.Millisecond, time.Duration(0)
		take(d.T, o, "latency", &latency)
		take(d.T, o, "ttl", &ttl)
		none(d.T, o)
		u.Latency, u.TTL = trace.Sec(latency), trace.Sec(ttl)
		d.s.Upstreams = append(d.s.Upstreams, u)
	case "cluster":
		setCluster(d.T, &d.cluster, optionsOf(f[1:]))
	case "dns":
		o, c := optionsOf(f[1:]), xds.DNS{RespectTTL: true}
		take(d.T, o, "refresh", &c.RefreshRate)
		take(d.T, o, "jitter", &c.Jitter)
		none(d.T, o)
		d.cluster.DNS = &c
	case "outlier":
		setOutlier(d.T, &d.cluster, optionsOf(f[1:]))
	case "endpoints":
		d.cluster.Localities = d.endpoints(f[1:])
	case "route":
		d.setRoute(optionsOf(f[1:]))
	case "client":
		d.setClient(optionsOf(f[1:]))
	case "at":
		d.at(f[1], f[2:])
	case "draw":
		for _, at := range f[1:] {
			d.s.Observe = append(d.s.Observe, d.seconds(at))
		}
	case "play":
		w, drawn, log := d.play(f[1])
		w.tr.Unpack()
		told := requests(w.tr)
		switch how := strings.Join(f[2:], " "); how {
		case "":
			log = ""
		case "log":
		case "summed":
			told, log = summed(w.tr), ""
		default:
			d.Fatalf("unknown way to play %q", how)
		}
		return decisions(w.tr) + told + charges(w) + log + drawn
	default:
		d.Fatalf("unknown command %q", f)
	}
	return ""
}

// ips are addresses, or the names of upstreams that have some.
func (d *drill) ips(words string) []netip.Addr {
	var ips []netip.Addr
	for _, w := range strings.Split(words, ",") {
		if ip, err := netip.ParseAddr(w); err == nil {
			ips = append(ips, ip)
			continue
		}
		for _, u := range d.s.Upstreams {
			if u.Name == w {
				ips = append(ips, u.IPs...)
			}
		}
	}
	return ips
}

func (d *drill) endpoints(words []string) []xds.LocalityEndpoints {
	var ls []xds.LocalityEndpoints
	for _, w := range words {
		addr, prio, _ := strings.Cut(w, "/")
		name, port, _ := strings.Cut(addr, ":")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			d.Fatal(err)
		}
		p, _ := strconv.Atoi("0" + prio)
		ls = append(ls, xds.LocalityEndpoints{Priority: uint32(p), Weight: 1, Endpoints: []xds.Endpoint{{Address: name + ".example", Port: uint32(n), Weight: 1}}})
	}
	return ls
}

func (d *drill) setRoute(o options) {
	on, p := "", &xds.RetryPolicy{BackOffBase: 25 * time.Millisecond, BackOffMax: 250 * time.Millisecond}
	take(d.T, o, "timeout", &d.route.Timeout)
	take(d.T, o, "retries", &p.NumRetries)
	take(d.T, o, "on", &on)
	take(d.T, o, "per_try", &p.PerTryTimeout)
	take(d.T, o, "picks", &p.HostSelectionMaxAttempts)
	take(d.T, o, "priorities", &p.PreviousPriorities)
	take(d.T, o, "backoff", &p.BackOffBase)
	none(d.T, o)
	if on != "" {
		p.RetryOn, p.PreviousHosts, p.BackOffMax = strings.Split(on, ","), p.HostSelectionMaxAttempts > 0, 10*p.BackOffBase
		d.route.Retry = p
	}
}

func (d *drill) setClient(o options) {
	l := &d.s.Clients[0].Load
	var every, start, timeout time.Duration
	take(d.T, o, "every", &every)
	take(d.T, o, "start", &start)
	take(d.T, o, "timeout", &timeout)
	take(d.T, o, "count", &l.Count)
	take(d.T, o, "concurrency", &l.Concurrency)
	none(d.T, o)
	l.Every, l.Start, l.Timeout = trace.Sec(every), trace.Sec(start), trace.Sec(timeout)
}

func (d *drill) seconds(text string) trace.Sec {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		d.Fatal(err)
	}
	return trace.Sec(f*1e6+0.5) * 1e3
}

func (d *drill) at(when string, f []string) {
	st := schedule.Step{At: d.seconds(when), Name: f[1], Entry: len(d.s.Steps)}
	d.push() // the configuration at 0 s is what was said until the first step
	switch f[0] {
	case "endpoints", "cluster":
		st.Kind, st.Name, st.Config = schedule.KindConfig, f[0], len(d.s.Configs)
		d.do(f)
		d.s.Configs = append(d.s.Configs, d.config())
	case "fault":
		u := slices.IndexFunc(d.s.Upstreams, func(u schedule.Upstream) bool { return u.Name == f[2] })
		fault := &schedule.Fault{Name: f[1], Upstream: int32(u), Behaviour: f[3], Percentage: 100, Hang: "headers"}
		o, delay, until := optionsOf(f[4:]), time.Duration(0), time.Duration(0)
		take(d.T, o, "status", &fault.Status)
		take(d.T, o, "percentage", &fault.Percentage)
		take(d.T, o, "first", &fault.First)
		take(d.T, o, "everyNth", &fault.EveryNth)
		take(d.T, o, "hang", &fault.Hang)
		take(d.T, o, "partition", &fault.Partition)
		take(d.T, o, "delay", &delay)
		take(d.T, o, "for", &until)
		none(d.T, o)
		fault.Delay, fault.For = trace.Sec(delay), trace.Sec(until)
		st.Kind, st.Fault = schedule.KindFault, fault
	case "dns":
		u := slices.IndexFunc(d.s.Upstreams, func(u schedule.Upstream) bool { return u.Name == f[2] })
		fault := &schedule.Fault{Name: f[1], Upstream: int32(u), DNS: f[2] + ".example", Behaviour: schedule.Answer, Answer: f[3], Percentage: 100}
		o, ttl, until := optionsOf(f[4:]), time.Duration(0), time.Duration(0)
		take(d.T, o, "ttl", &ttl)
		take(d.T, o, "for", &until)
		none(d.T, o)
		if ips := d.ips(f[3]); ips != nil {
			fault.Behaviour, fault.Answer, fault.Addresses, fault.TTL = schedule.Addresses, "", ips, trace.Sec(ttl)
		}
		fault.For = trace.Sec(until)
		st.Kind, st.Fault = schedule.KindFault, fault
	case "heal":
		st.Kind, st.Heal = schedule.KindHeal, f[1]
	default:
		d.Fatalf("unknown step %q", f)
	}
	d.s.Steps = append(d.s.Steps, st)
}

func (d *drill) push() {
	if len(d.s.Configs) == 0 {
		d.s.Configs = append(d.s.Configs, d.config())
	}
}

func (d *drill) config() []xds.Config {
	return []xds.Config{{
		Clusters:     []xds.Cluster{d.cluster},
		VirtualHosts: []xds.VirtualHost{{Name: "mydb.com:80", Domains: []string{"mydb.com"}, Port: 80, Routes: []xds.Route{d.route}}},
	}}
}

// play is PlayWith with the state drawn at the instants of the schedule.
func (d *drill) play(duration string) (w *world, drawn, log string) {
	d.push()
	n, err := time.ParseDuration(duration)
	if err != nil {
		d.Fatal(err)
	}
	d.s.Duration = trace.Sec(n)
	slices.SortStableFunc(d.s.Steps, func(a, b schedule.Step) int { return int(a.At - b.At) })
	w = newWorld(&d.s, DefaultDelays)
	w.origin = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	w.log = func(l outlier.LogLine) { log += l.String() + "\n" }
	w.play(func() {
		drawn += drawTime(w.now) + "\n" + indent(w.proxies[0].clusters["c"].Draw())
	})
	return w, drawn, log
}

// summed counts the requests that went alike.
func summed(tr *trace.Trace) string {
	count, order, out := map[string]int{}, []string{}, ""
	for i := range tr.Requests {
		o := outcome(tr, i)
		if count[o]++; count[o] == 1 {
			order = append(order, o)
		}
	}
	for _, o := range order {
		out += fmt.Sprintf("%d requests: %s\n", count[o], o)
	}
	return out
}

// decisions are the changes and the loads, in order of time.
func decisions(tr *trace.Trace) string {
	type line struct {
		at   trace.Sec
		text string
	}
	var ls []line
	for _, c := range tr.Changes {
		text := fmt.Sprintf("%s %s", tr.UpstreamName(tr.UpstreamOf(c.Host)), c.Event)
		if c.Cause != "" {
			text += " by " + c.Cause
		}
		if c.Until > 0 {
			text += " until " + drawTime(int64(c.Until))
		}
		ls = append(ls, line{c.At, text})
	}
	for _, l := range tr.Loads {
		ls = append(ls, line{l.At, "load " + strings.Trim(fmt.Sprint(l.Percent), "[]") + strings.Repeat(" in panic", strings.Count(fmt.Sprint(l.Panic), "true"))})
	}
	slices.SortStableFunc(ls, func(a, b line) int { return int(a.at - b.at) })
	out := ""
	for _, l := range ls {
		out += drawTime(int64(l.at)) + " " + l.text + "\n"
	}
	return out
}

// requests are the requests, those that went alike in one line.
func requests(tr *trace.Trace) string {
	out := ""
	for i := 0; i < len(tr.Requests); {
		j := i
		for j < len(tr.Requests) && outcome(tr, j) == outcome(tr, i) {
			j++
		}
		from, to := tr.Requests[i], tr.Requests[j-1]
		when := "at " + drawTime(int64(from.At))
		if j-i > 1 {
			when = fmt.Sprintf("%d requests %s..%s", j-i, drawTime(int64(from.At)), drawTime(int64(to.At)))
		}
		out += when + ": " + outcome(tr, i) + "\n"
		i = j
	}
	return out
}

// outcome is what became of a request, with every attempt.
func outcome(tr *trace.Trace, i int) string {
	r := &tr.Requests[i]
	text := fmt.Sprint(r.Status)
	if r.Flags != 0 {
		text += " " + r.Flags.String()
	}
	if r.Upstream >= 0 {
		text += " from " + tr.UpstreamName(r.Upstream)
	}
	if r.Error != "" {
		text += " (" + r.Error + ")"
	}
	var tries []string
	for k := range tr.Attempts {
		a := &tr.Attempts[k]
		if a.Client != r.Client || a.Request != r.N {
			continue
		}
		s := tr.UpstreamName(tr.UpstreamOf(a.Host)) + " " + a.Result.String()
		if a.Result == trace.Answered {
			s = fmt.Sprintf("%s %d", tr.UpstreamName(tr.UpstreamOf(a.Host)), a.Status)
		}
		tries = append(tries, s)
	}
	if len(tries) > 1 || len(tries) == 1 && r.Upstream < 0 {
		text += ": " + strings.Join(tries, ", ")
	}
	return text
}

// charges counts the attempts, those that outlier detection was told of as
// failures, and the connections that were opened.
func charges(w *world) string {
	tr, n, overflow := w.tr, 0, 0
	for _, a := range tr.Attempts {
		if a.Charged {
			n++
		}
	}
	for _, c := range tr.Changes {
		if c.Event == trace.OverflowEvent {
			overflow++
		}
	}
	return fmt.Sprintf("%d attempts, %d charged, overflow %d, %d connections\n", len(tr.Attempts), n, overflow, w.opened)
}
