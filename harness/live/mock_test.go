package live

import (
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/mockupstreams"
)

// What deadens a listener is about no request: a share of them, the default, is not passed on.
func TestMockFaultOfListeners(t *testing.T) {
	for behaviour, want := range map[string]mockupstreams.Fault{
		schedule.Blackhole: {Name: "step-1", Blackhole: true},
		schedule.Refuse:    {Name: "step-1", Refuse: true},
	} {
		want.Match = mockupstreams.Match{Port: 81, For: mockupstreams.Duration(time.Second)}
		got := MockFault(&schedule.Fault{Behaviour: behaviour, For: trace.Sec(time.Second), Percentage: 50, First: 3}, "step-1", 81)
		if got.Blackhole != want.Blackhole || got.Refuse != want.Refuse || got.Port != want.Port || got.For != want.For || got.Percentage != nil || got.First != 0 {
			t.Errorf("%s: got %+v, want %+v", behaviour, got, want)
		}
		if err := got.Validate(); err != nil && behaviour == schedule.Refuse {
			t.Error(err)
		}
	}
}
