package incluster

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faildrill/faildrill/harness/detour"
	"github.com/faildrill/faildrill/harness/incluster/demand"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// What reaches a proxy as the schedule has it, and where it is led.
func TestDetours(t *testing.T) {
	endpoint := func(address string) xds.Endpoint { return xds.Endpoint{Address: address, Port: 80} }
	s := &schedule.Schedule{
		Upstreams: []schedule.Upstream{
			{Name: "east", Address: "10.10.0.1", IPs: []netip.Addr{ip("10.10.0.1")}, Ports: []uint32{80}},
			{Name: "named", Address: "db.example.com", IPs: []netip.Addr{ip("198.18.1.1")}, Ports: []uint32{80}},
			{Name: "off", Address: "off.example.com", IPs: []netip.Addr{ip("198.18.2.1")}},
		},
		Configs: [][]xds.Config{{{Clusters: []xds.Cluster{{Localities: []xds.LocalityEndpoints{{Endpoints: []xds.Endpoint{
			endpoint("10.10.0.1"), endpoint("10.10.0.9"), endpoint("db.example.com"), endpoint("off.example.com"),
		}}}}}}}},
		Steps: []schedule.Step{{Fault: &schedule.Fault{Behaviour: schedule.Addresses, Addresses: []netip.Addr{ip("198.18.1.1"), ip("10.10.0.8")}}}},
	}
	f := demand.Fixed(s)
	if diff := cmp.Diff(map[netip.Addr]bool{ip("10.10.0.1"): true, ip("10.10.0.9"): false, ip("10.10.0.8"): false, ip("198.18.2.1"): false}, f, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("fixed (-want +got):\n%s", diff)
	}
	got := detours(f, map[netip.Addr]netip.Addr{ip("10.10.0.1"): ip("172.18.0.5"), ip("198.18.1.1"): ip("172.18.0.6")})
	want := detour.Rules{
		To:     map[netip.Addr]netip.Addr{ip("10.10.0.1"): ip("172.18.0.5")},
		Nobody: []netip.Addr{ip("10.10.0.8"), ip("10.10.0.9"), ip("198.18.2.1")},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("detours (-want +got):\n%s", diff)
	}
}
