package localenvoy_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/backendtest"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/schedule"
)

// openLoopback is the backend without namespaces.
func openLoopback(t *testing.T, l localenvoy.Loopback) localenvoy.Backend {
	t.Helper()
	return openWith(t, localenvoy.Options{ControlPlane: localenvoy.Builtin, Loopback: l})
}

// A play without namespaces passes the test of all backends, whether every address
// has one of its own or all share 127.0.0.1.
func TestLoopbackBackend(t *testing.T) {
	for _, l := range []localenvoy.Loopback{localenvoy.SeveralAddresses, localenvoy.OneAddress} {
		t.Run(string(l), func(t *testing.T) {
			b := openLoopback(t, l)
			backendtest.Run(t, func() backend.Backend { return b }, backendtest.Options{Outside: true, SideBySide: 3, Profile: "istio=1.31,envoy=" + envoy(t).Version})
		})
	}
}

// What needs namespaces is told before anything runs.
func TestLoopbackMissing(t *testing.T) {
	fault := func(f schedule.Fault) func(*schedule.Schedule) {
		return func(s *schedule.Schedule) {
			s.Steps = append(s.Steps, schedule.Step{Kind: schedule.KindFault, Fault: &f})
		}
	}
	v4, v6 := netip.MustParseAddr("198.18.9.9"), netip.MustParseAddr("2001:db8::1")
	for name, c := range map[string]struct {
		change  func(*schedule.Schedule)
		several string
		one     string
	}{
		"nothing":   {func(*schedule.Schedule) {}, "", ""},
		"blackhole": {fault(schedule.Fault{Name: "lost", Behaviour: schedule.Blackhole}), "fault lost loses SYNs", "fault lost loses SYNs"},
		"a name with two addresses": {
			func(s *schedule.Schedule) { s.Upstreams[0].IPs = append(s.Upstreams[0].IPs, v4) }, "", "east.example has 2 addresses",
		},
		"other addresses": {
			fault(schedule.Fault{Name: "moved", Behaviour: schedule.Addresses, DNS: "east.example", Addresses: []netip.Addr{v4}}), "", "fault moved gives east.example other addresses",
		},
		"IPv6": {func(s *schedule.Schedule) { s.Upstreams[0].IPs[0] = v6 }, "east has an IPv6 address", "east has an IPv6 address"},
		"an IPv6 answer": {
			fault(schedule.Fault{Name: "six", Behaviour: schedule.Addresses, DNS: "east.example", Addresses: []netip.Addr{v6}}), "fault six gives east.example an IPv6", "fault six gives east.example an IPv6",
		},
	} {
		for l, want := range map[localenvoy.Loopback]string{localenvoy.SeveralAddresses: c.several, localenvoy.OneAddress: c.one} {
			b := openLoopback(t, l)
			s := smallSchedule(t)
			s.Profile.Envoy = envoy(t).Version
			c.change(s)
			var got []string
			for _, m := range b.Missing(s) {
				got = append(got, m.Feature+": "+m.Why)
			}
			all := strings.Join(got, "; ")
			if (want == "") != (all == "") || !strings.Contains(all, want) {
				t.Errorf("%s, %s: got %q, want %q", name, l, all, want)
			}
		}
	}
	if _, err := localenvoy.New(localenvoy.Options{ControlPlane: localenvoy.Istiod, Loopback: localenvoy.SeveralAddresses}); !errors.Is(err, localenvoy.ErrLoopback) {
		t.Errorf("istiod: %v", err)
	}
}

// istiod without namespaces is refused with one sentence, and so is what is to be kept.
func TestLoopbackRefused(t *testing.T) {
	m := newMachine(t)
	m.drill("2200ms")
	for _, c := range []struct {
		plane string
		args  []string
		code  int
		want  string
	}{
		{"istiod", []string{"--loopback"}, 3, "istiod needs namespaces"},
		{"builtin", []string{"--loopback", "--keep"}, 2, "--loopback is for --on envoy without --keep"},
	} {
		s := m.start(m.run(c.plane, c.args...)).wait()
		if s.code != c.code || !strings.Contains(s.stderr, c.want) || strings.Count(strings.TrimSpace(s.stderr), "\n") > 0 {
			t.Errorf("%v: exit %d, %q; want %d and one line with %q", c.args, s.code, s.stderr, c.code, c.want)
		}
	}
}
