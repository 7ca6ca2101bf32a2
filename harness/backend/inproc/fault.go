package inproc

import (
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

// fanOut lists the addresses of the upstream on which a fault has to be applied
// apart, as indexes into IPs; -1 is all of them at once. On loopback a port of
// the schedule is as many ports as the upstream has addresses. None: the
// upstream does not listen on the fault's port.
func fanOut(f *schedule.Fault, u *schedule.Upstream) []int {
	switch {
	case f.Port == 0:
		return []int{-1}
	case !u.Listens(f.Port):
		return nil
	case len(u.Ports) == 1:
		return []int{-1}
	}
	var ips []int
	for i := range u.IPs {
		ips = append(ips, i)
	}
	return ips
}

// mockFault is the fault as the fake upstream spells it; port is the loopback
// port that it is limited to, or 0.
func mockFault(f *schedule.Fault, name string, port int) mockupstreams.Fault {
	m := mockupstreams.Fault{Name: name, Match: mockupstreams.Match{For: mockupstreams.Duration(f.For), Port: port}}
	if f.Behaviour != schedule.Refuse {
		m.First, m.Every, m.Path, m.Headers = f.First, f.EveryNth, f.Path, f.Headers
		if f.Percentage > 0 && f.Percentage < 100 {
			m.Percentage = &f.Percentage
		}
	}
	switch f.Behaviour {
	case schedule.Status:
		m.Status = f.Status
	case schedule.Delay:
		// A scenario's jitter adds to the delay; a fake upstream's spreads to both sides.
		m.Delay, m.Jitter = mockupstreams.Duration(f.Delay+f.Jitter/2), mockupstreams.Duration(f.Jitter/2)
	case schedule.Refuse:
		m.Refuse = true
	case schedule.Reset:
		m.Reset = true
	case schedule.Hang:
		m.Hang = f.Hang
	case schedule.SlowBody:
		m.SlowBody = mockupstreams.Duration(f.SlowBody)
	case schedule.CloseAfter:
		m.CloseAfter = f.CloseAfter
	}
	return m
}

// latencyFault is what makes healthy answers take their time.
func latencyFault(u *schedule.Upstream) mockupstreams.Fault {
	return mockupstreams.Fault{Name: "latency", Delay: mockupstreams.Duration(u.Latency)}
}

// shortLatency is about what loopback sockets take by themselves.
const shortLatency = time.Millisecond

// mockName is a name that a fake upstream accepts: the step's number keeps it
// apart from others.
func mockName(step, ip int) string {
	if ip < 0 {
		return fmt.Sprintf("step-%d", step)
	}
	return fmt.Sprintf("step-%d-address-%d", step, ip)
}
