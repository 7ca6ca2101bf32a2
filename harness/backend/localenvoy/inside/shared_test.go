package inside

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/sandbox/loopback"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func cluster(endpoints ...xds.Endpoint) *xds.Cluster {
	return &xds.Cluster{Name: "c", Localities: []xds.LocalityEndpoints{{Endpoints: endpoints}}}
}

// onLoopback is a player of a drill of two upstreams, one of which has a name that
// comes to have another address.
func onLoopback(t *testing.T, l localenvoy.Loopback) (*player, *xds.Cluster) {
	t.Helper()
	ip := netip.MustParseAddr
	c := cluster(
		xds.Endpoint{Address: "east.example", Port: 80}, xds.Endpoint{Address: "198.18.0.2", Port: 80},
		xds.Endpoint{Address: "198.18.0.2", Port: 81}, xds.Endpoint{Address: "nobody.example", Port: 80})
	s := &schedule.Schedule{
		Upstreams: []schedule.Upstream{
			{Address: "east.example", IPs: []netip.Addr{ip("198.18.0.1")}, Ports: []uint32{80}},
			{Address: "198.18.0.2", IPs: []netip.Addr{ip("198.18.0.2")}, Ports: []uint32{80}},
		},
		Configs: [][]xds.Config{{{Clusters: []xds.Cluster{*c}}}},
	}
	if l == localenvoy.SeveralAddresses {
		s.Steps = []schedule.Step{{Fault: &schedule.Fault{Behaviour: schedule.Addresses, DNS: "east.example", Addresses: []netip.Addr{ip("198.18.0.9")}}}}
	}
	j := &localenvoy.Job{Schedule: s, Options: localenvoy.Options{Loopback: l}, Dir: filepath.Join(t.TempDir(), "play")}
	at, err := newShared(j)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		at.leave()
		if _, err := os.Stat(j.Dir); !os.IsNotExist(err) {
			t.Errorf("its files: %v", err)
		}
	})
	return &player{s: s, o: j.Options, place: at}, c
}

// What the proxies are told and what they write down are two ways of one map.
func TestPlacedAndHome(t *testing.T) {
	for _, l := range []localenvoy.Loopback{localenvoy.SeveralAddresses, localenvoy.OneAddress} {
		if l == localenvoy.SeveralAddresses && !loopback.Several() {
			continue
		}
		p, c := onLoopback(t, l)
		es := p.placed(c).Localities[0].Endpoints
		if c.Localities[0].Endpoints[0].Port != 80 {
			t.Fatal("the schedule was changed")
		}
		if es[0].Address != "east.example" || es[0].Port == 80 || es[3] != c.Localities[0].Endpoints[3] {
			t.Errorf("%s: names are placed at %v and %v", l, es[0], es[3])
		}
		for i, home := range []string{"198.18.0.1:80", "198.18.0.2:80", "198.18.0.2:81"} {
			at, err := netip.ParseAddr(es[i].Address)
			if err != nil {
				at = p.place.ip(netip.MustParseAddr("198.18.0.1")) // what its name is answered with
			}
			where := netip.AddrPortFrom(at, uint16(es[i].Port)).String()
			if got := p.home(where); got != home || where == home {
				t.Errorf("%s: %s is at %s, which is the place of %s", l, home, where, got)
			}
			for name, want := range map[string]string{where: home, "east.example:1": "east.example"} {
				if got := p.nameOf(name); got != want {
					t.Errorf("%s: %s is the name %s, want %s", l, name, got, want)
				}
			}
		}
		if l == localenvoy.SeveralAddresses {
			moved := netip.AddrPortFrom(p.place.ip(netip.MustParseAddr("198.18.0.9")), uint16(es[0].Port))
			if got := p.home(moved.String()); got != "198.18.0.9:80" {
				t.Errorf("after the name has moved, %v is the place of %s", moved, got)
			}
		}
	}
}
