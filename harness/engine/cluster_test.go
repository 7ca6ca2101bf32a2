package engine

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/xds"
)

// One cluster, driven by hand:
//
//	cluster lb=ROUND_ROBIN panic=50 merge=1s
//	outlier consecutive_5xx=1 max_percent=100
//	host priority=1 weight=2 health=DRAINING locality=a
//	locality a weight=1
//	at 0.40 report h0 503                     or connected, refused, timeout, degraded
//	at 0.40 pick 100                          how many fall on each host
//	at 0.40 draw
//	at 0.40 hosts 1 2,weight=3 4,priority=1   discovery names 10.0.0.1, .2 and .4 now
//	profile envoy=1.36.2                      the rules of a release
//
// Threads are as fast as the engine takes them to be, 0.1 ms a hop.
func TestClusterTranscripts(t *testing.T) {
	transcripts(t, "cluster", func(t *testing.T, lines []string) string {
		s := &clusterStory{T: t, cfg: testCluster(), ch: NewChooser(1), rules: xds.Rules{DecayNeedsHealthyInterval: true, DetectsDegradedHosts: true, DrainingExcluded: true, SchedulerRandomStart: true}}
		for _, l := range lines {
			s.out.WriteString(l + "\n")
			if l != "" && !strings.HasPrefix(l, "#") {
				s.do(strings.Fields(l))
			}
		}
		return s.out.String()
	})
}

type clusterStory struct {
	*testing.T
	cfg   xds.Cluster
	rules xds.Rules
	hosts []Host
	c     *Cluster
	ch    Chooser
	out   strings.Builder
}

func (s *clusterStory) do(f []string) {
	switch f[0] {
	case "cluster":
		setCluster(s.T, &s.cfg, optionsOf(f[1:]))
	case "outlier":
		setOutlier(s.T, &s.cfg, optionsOf(f[1:]))
	case "locality":
		o, l := optionsOf(f[2:]), xds.LocalityEndpoints{Locality: xds.Locality{Region: f[1]}}
		take(s.T, o, "weight", &l.Weight)
		take(s.T, o, "priority", &l.Priority)
		none(s.T, o)
		s.cfg.Localities = append(s.cfg.Localities, l)
	case "host":
		s.hosts = append(s.hosts, s.host(fmt.Sprint(len(s.hosts)+1), f[1:]))
	case "profile":
		p, err := istio.ParseProfile(f[1])
		if err != nil {
			s.Fatal(err)
		}
		s.rules = p.Rules
	case "at":
		s.at(f[1], f[2:])
	default:
		s.Fatalf("unknown command %q", f)
	}
}

func (s *clusterStory) host(number string, words []string) Host {
	h := Host{Address: "10.0.0." + number + ":80", Port: 80, Weight: 1, Upstream: -1, Trace: -1}
	o := optionsOf(words)
	take(s.T, o, "priority", &h.Priority)
	take(s.T, o, "weight", &h.Weight)
	take(s.T, o, "health", &h.Health)
	take(s.T, o, "locality", &h.Locality.Region)
	take(s.T, o, "name", &h.Name)
	none(s.T, o)
	return h
}

// discover is an update of the assignment, or an answer of the DNS.
func (s *clusterStory) discover(now int64, words []string) {
	var hosts []Host
	cfg := *s.c.Config()
	for _, w := range words {
		if factor, ok := strings.CutPrefix(w, "overprovisioning="); ok {
			take(s.T, options{"o": factor}, "o", &cfg.OverprovisioningFactor)
			continue
		}
		p := strings.Split(w, ",")
		hosts = append(hosts, s.host(p[0], p[1:]))
	}
	s.c.Update(now, &cfg, hosts, &s.ch, s.tell)
}

func (s *clusterStory) at(when string, f []string) {
	if s.c == nil {
		s.c = NewCluster(&s.cfg, s.rules, s.hosts, DefaultDelays, 0, &s.ch)
	}
	seconds, err := strconv.ParseFloat(when, 64)
	if err != nil {
		s.Fatal(err)
	}
	now := int64(seconds*1e5+0.5) * int64(10*time.Microsecond)
	s.c.Advance(now, &s.ch, s.tell)
	switch f[0] {
	case "report":
		s.report(now, f[1], f[2])
	case "pick":
		s.pick(f[1])
	case "draw":
		s.out.WriteString(indent(s.c.Draw()))
	case "hosts":
		s.discover(now, f[1:])
	default:
		s.Fatalf("unknown command %q", f)
	}
}

func (s *clusterStory) report(now int64, host, what string) {
	h, err := strconv.Atoi(strings.TrimPrefix(host, "h"))
	if err != nil {
		s.Fatal(err)
	}
	r, code := map[string]outlier.Result{"connected": outlier.ConnectSuccess, "refused": outlier.ConnectFailed, "timeout": outlier.Timeout, "degraded": outlier.RequestDegraded}[what], 0
	if n, err := strconv.Atoi(what); err == nil {
		r, code = outlier.RequestSuccess, n
		if n >= 500 {
			r = outlier.RequestFailed
		}
	}
	s.c.Report(now, int32(h), r, code, &s.ch, s.tell)
}

func (s *clusterStory) pick(times string) {
	n, err := strconv.Atoi(times)
	if err != nil {
		s.Fatal(err)
	}
	got, nobody := make([]int, len(s.c.Hosts())), 0
	for range n {
		if h := s.c.Pick(nil, nil, &s.ch); h == NoHost {
			nobody++
		} else {
			got[h]++
		}
	}
	fmt.Fprintf(&s.out, "    picked: %s", strings.Trim(fmt.Sprint(got), "[]"))
	if nobody > 0 {
		fmt.Fprintf(&s.out, ", nobody %d", nobody)
	}
	s.out.WriteString("\n")
}

func (s *clusterStory) tell(c Change) {
	what := "the loads change"
	switch c.Kind {
	case HostEjected:
		what = fmt.Sprintf("h%d is ejected by %s until %s", c.Host, c.Type, drawTime(c.Until))
	case HostReturned:
		what = fmt.Sprintf("h%d returns", c.Host)
	case EjectionOverflow:
		what = fmt.Sprintf("h%d: %s overflows", c.Host, c.Type)
	case EjectionUnenforced:
		what = fmt.Sprintf("h%d: %s is not enforced", c.Host, c.Type)
	case HostDegraded:
		what = fmt.Sprintf("h%d is degraded until %s", c.Host, drawTime(c.Until))
	case HostUndegraded:
		what = fmt.Sprintf("h%d is no longer degraded", c.Host)
	case HostAdded:
		what = fmt.Sprintf("h%d comes, %s", c.Host, s.c.Hosts()[c.Host].Address)
	case HostRemoved:
		what = fmt.Sprintf("h%d goes", c.Host)
	case LoadChanged:
	}
	fmt.Fprintf(&s.out, "    %s %s\n", drawTime(c.At), what)
}
