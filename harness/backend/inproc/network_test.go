package inproc

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// twoByTwo has one upstream with two addresses and two ports.
func twoByTwo(faults ...schedule.Fault) *schedule.Schedule {
	s := &schedule.Schedule{Upstreams: []schedule.Upstream{{
		Name: "east", Address: "east.example", Ports: []uint32{80, 443}, Latency: trace.Sec(time.Millisecond),
		IPs: []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")},
	}}}
	for i := range faults {
		s.Steps = append(s.Steps, schedule.Step{Kind: schedule.KindFault, Fault: &faults[i]})
	}
	return s
}

func startNetwork(t *testing.T, s *schedule.Schedule) *network {
	t.Helper()
	n := &network{s: s}
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stop)
	return n
}

// reach is what a connect to each address comes to.
func reach(n *network, addresses ...string) string {
	var out []string
	for _, a := range addresses {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		nc, err := n.dial(ctx, a)
		cancel()
		switch {
		case err == nil:
			nc.Close()
			out = append(out, "answered")
		case errors.Is(err, syscall.ECONNREFUSED):
			out = append(out, "refused")
		case errors.Is(err, context.DeadlineExceeded):
			out = append(out, "lost")
		default:
			out = append(out, err.Error())
		}
	}
	return strings.Join(out, " ")
}

var fourAndMore = []string{"198.18.0.1:80", "198.18.0.2:80", "198.18.0.1:443", "198.18.0.2:443", "198.18.0.1:81", "203.0.113.1:80"}

// A port of the schedule is as many loopback ports as there are addresses: a
// fault on it meets all of them and no other.
func TestFaultsOnPorts(t *testing.T) {
	n := startNetwork(t, twoByTwo(
		schedule.Fault{Name: "all", Behaviour: schedule.Refuse},
		schedule.Fault{Name: "plain", Behaviour: schedule.Refuse, Port: 80},
		schedule.Fault{Name: "lost", Behaviour: schedule.Blackhole, Port: 443},
		schedule.Fault{Name: "nowhere", Behaviour: schedule.Refuse, Port: 81},
	))
	for _, c := range []struct {
		step  int // -1: none
		reach string
	}{
		{-1, "answered answered answered answered refused refused"},
		{0, "refused refused refused refused refused refused"},
		{1, "refused refused answered answered refused refused"},
		{2, "answered answered lost lost refused refused"},
		{3, "answered answered answered answered refused refused"},
	} {
		if c.step >= 0 {
			if err := n.apply(c.step); err != nil {
				t.Fatal(err)
			}
		}
		if got := reach(n, fourAndMore...); got != c.reach {
			t.Errorf("with fault %d: got %s, want %s", c.step, got, c.reach)
		}
		if c.step >= 0 {
			if err := n.heal(c.step); err != nil {
				t.Fatal(err)
			}
			if n.atWork(c.step) {
				t.Errorf("fault %d is still at work", c.step)
			}
		}
	}
	if got, want := reach(n, fourAndMore...), "answered answered answered answered refused refused"; got != want {
		t.Errorf("healed: got %s, want %s", got, want)
	}
}

func TestJitterAddsToTheDelay(t *testing.T) {
	m := live.MockFault(&schedule.Fault{Behaviour: schedule.Delay, Delay: trace.Sec(100 * time.Millisecond), Jitter: trace.Sec(20 * time.Millisecond)}, "f", 0)
	if from, to := time.Duration(m.Delay-m.Jitter), time.Duration(m.Delay+m.Jitter); from != 100*time.Millisecond || to != 120*time.Millisecond {
		t.Errorf("got %v to %v, want 100ms to 120ms", from, to)
	}
}

func TestMissing(t *testing.T) {
	route := func(c xds.Cluster) *schedule.Schedule {
		s := twoByTwo()
		s.Clients = []schedule.Client{{Name: "sleep", Load: schedule.Load{URL: "http://mydb.com/", Host: "mydb.com", Port: 80, Path: "/"}}}
		c.Name = "db"
		s.Configs = [][]xds.Config{{{
			Clusters:     []xds.Cluster{c, {Name: "unused", TLS: &xds.TLS{}, LBPolicy: xds.Maglev}},
			VirtualHosts: []xds.VirtualHost{{Domains: []string{"*"}, Port: 80, Routes: []xds.Route{{Cluster: "db"}}}},
		}}}
		return s
	}
	east := func(port uint32, mode string) []xds.LocalityEndpoints {
		return []xds.LocalityEndpoints{{Endpoints: []xds.Endpoint{{Address: "east.example", Port: port, TLSMode: mode}}}}
	}
	https := route(xds.Cluster{})
	https.Clients[0].Load.URL = "https://mydb.com/"
	secured := route(xds.Cluster{Localities: east(443, "")})
	secured.Upstreams[0].TLS = &schedule.TLS{Ports: []uint32{443}}
	counted := twoByTwo(schedule.Fault{Name: "f", Behaviour: schedule.Status, Status: 503, Port: 80, First: 3})
	for _, c := range []struct {
		feature string
		s       *schedule.Schedule
	}{
		{"", route(xds.Cluster{LBPolicy: xds.LeastRequest})},
		{"TLS", route(xds.Cluster{TLS: &xds.TLS{}})},
		{"", route(xds.Cluster{TLS: &xds.TLS{Match: true}, Localities: east(80, "")})},
		{"TLS", route(xds.Cluster{TLS: &xds.TLS{Match: true}, Localities: east(80, xds.TLSModeIstio)})},
		{"", route(xds.Cluster{Localities: east(80, "")})},
		{"TLS", secured},
		{"TLS", twoByTwo(schedule.Fault{Name: "f", Behaviour: schedule.TLSFault, TLS: schedule.TLSExpired})},
		{"RING_HASH", route(xds.Cluster{LBPolicy: xds.RingHash})},
		{"MAGLEV", route(xds.Cluster{LBPolicy: xds.Maglev})},
		{"resolution NONE", route(xds.Cluster{Type: xds.OriginalDst})},
		{"https clients", https},
		{"counting on one port of several addresses", counted},
	} {
		m := New().Missing(c.s)
		if c.feature == "" && len(m) == 0 {
			continue
		}
		if len(m) != 1 || m[0].Feature != c.feature || m[0].Why == "" {
			t.Errorf("got %v, want %q", m, c.feature)
		}
	}
}
