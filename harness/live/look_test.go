package live

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
)

// A witness says what it saw, and nothing of what it did not see.
func TestWitness(t *testing.T) {
	s := &schedule.Schedule{
		Upstreams: []schedule.Upstream{{Name: "east", IPs: []netip.Addr{netip.MustParseAddr("198.18.0.1")}, Ports: []uint32{80, 81}}},
		Steps: []schedule.Step{
			{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "down", Behaviour: schedule.Refuse}},
			{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "lost", Behaviour: schedule.Blackhole, Port: 81}},
			{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "503", Behaviour: schedule.Status}},
			{Kind: schedule.KindFault, Fault: &schedule.Fault{Name: "gone", Behaviour: schedule.Answer, DNS: "east.example", Answer: "NXDOMAIN"}},
			{Kind: schedule.KindHeal, Heal: "down"},
			{Kind: schedule.KindHeal, Heal: "503"},
			{Kind: schedule.KindHeal, Heal: "nothing"},
		},
	}
	for _, c := range []struct {
		step   int
		dial   error
		met    bool
		atWork int // the step whose fault is there, -1: none
		want   string
	}{
		{0, syscall.ECONNREFUSED, false, 0, "ECONNREFUSED from 198.18.0.1:80, 198.18.0.1:81"},
		{0, nil, false, 0, ""},
		{0, context.DeadlineExceeded, false, 0, ""},
		{1, context.DeadlineExceeded, false, 1, "no answer within 100ms from 198.18.0.1:81"},
		{1, syscall.ECONNREFUSED, false, 1, ""},
		{2, nil, true, 2, "east counted a request that met it"},
		{2, nil, false, 2, ""},
		{3, nil, true, 3, "the DNS was asked for east.example: NXDOMAIN"},
		{4, nil, false, -1, "a connect succeeded to 198.18.0.1:80, 198.18.0.1:81"},
		{4, syscall.ECONNREFUSED, false, -1, ""},
		{4, nil, false, 0, ""},                                               // it is still there
		{4, syscall.ECONNREFUSED, false, 1, "east has it no more"},           // another one forbids connects
		{5, errors.New("nobody connects"), false, -1, "east has it no more"}, // connects say nothing of it
		{6, nil, false, -1, ""},
	} {
		w := Witness{
			Schedule: s,
			Dial: func(context.Context, string) (net.Conn, error) {
				if c.dial != nil {
					return nil, c.dial
				}
				nc, _ := net.Pipe()
				return nc, nil
			},
			AtWork: func(step int) bool { return step == c.atWork },
			Met:    func(int) bool { return c.met },
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if c.want == "" {
			cancel() // it looks once more
		}
		got, err := w.See(ctx, c.step)
		cancel()
		if got != c.want || err != nil {
			t.Errorf("step %d, connects come to %v, met %v, at work %d: got %q, %v; want %q", c.step, c.dial, c.met, c.atWork, got, err, c.want)
		}
	}
}

// A configuration is seen when every proxy has it and its dead ports refuse.
func TestWitnessOfConfiguration(t *testing.T) {
	s := &schedule.Schedule{Steps: []schedule.Step{{Kind: schedule.KindConfig, Config: 0}}}
	for _, c := range []struct {
		taken bool
		err   error
		want  string
	}{{true, nil, "every proxy has it"}, {false, nil, ""}, {false, errors.New("refused"), ""}} {
		w := Witness{Schedule: s, Taken: func(context.Context, int) (bool, error) { return c.taken, c.err }}
		if got, err := w.See(context.Background(), 0); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
}
