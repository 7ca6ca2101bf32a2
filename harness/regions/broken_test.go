package regions

import (
	"fmt"
	"testing"

	"github.com/faildrill/faildrill/harness/schedule"
)

// The firewalls of an upstream do what all of its faults at work say, to its own ports
// only; a server that may be killed or cut off has a network that outlives it.
func TestRulesOfFaults(t *testing.T) {
	s := &schedule.Schedule{Upstreams: []schedule.Upstream{{Name: "east", Ports: []uint32{80, 443}}, {Name: "west", Ports: []uint32{80}}}}
	r := New(s, nil, Images{}, "run", nil)
	for name, f := range map[string]*schedule.Fault{
		"cut":    {Behaviour: schedule.Partition, Partition: schedule.PartitionDrop, Port: 443},
		"closed": {Behaviour: schedule.Partition, Partition: schedule.PartitionReject, Port: 80},
		"frozen": {Behaviour: schedule.Pause},
		"dead":   {Behaviour: schedule.Stop, Upstream: 1},
	} {
		r.broken[name] = &breakage{Fault: f}
		s.Steps = []schedule.Step{{}, {Kind: schedule.KindFault, Fault: f}}
		if got, want := needsNetwork(s, int(f.Upstream)), name != "frozen"; got != want || needsNetwork(s, 1-int(f.Upstream)) {
			t.Errorf("%s: needs a network of its own: got %v, want %v", name, got, want)
		}
	}
	for upstream, want := range []string{"{[] [0.0.0.0:443] [0.0.0.0:80]}", "{[0.0.0.0:80] [] []}"} {
		if got := fmt.Sprint(r.rules(int32(upstream))); got != want {
			t.Errorf("upstream %d: got %s, want %s", upstream, got, want)
		}
		if !r.still(int32(upstream)) {
			t.Errorf("upstream %d does not stand still", upstream)
		}
	}
	r.forget("frozen")
	r.forget("cut")
	if got := fmt.Sprint(r.rules(0)); got != "{[] [] [0.0.0.0:80]}" || r.still(0) || !r.Broken("closed") || r.Broken("cut") {
		t.Errorf("after two of three: got %s", got)
	}
}
