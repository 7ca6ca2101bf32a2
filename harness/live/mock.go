package live

import (
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

// MockName is the name of a step's fault at a fake upstream.
func MockName(step int) string { return fmt.Sprintf("step-%d", step) }

// MockFault is a fault as a fake upstream spells it; port is the port of its own
// that the fault is limited to, or 0.
func MockFault(f *schedule.Fault, name string, port int) mockupstreams.Fault {
	m := mockupstreams.Fault{Name: name, Match: mockupstreams.Match{For: mockupstreams.Duration(f.For), Port: port}}
	if !f.MeetsConnections() {
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
	case schedule.Blackhole:
		m.Blackhole = true
	case schedule.Pause:
		m.Pause = true
	case schedule.Reset:
		m.Reset = true
	case schedule.Hang:
		m.Hang = f.Hang
	case schedule.SlowBody:
		m.SlowBody = mockupstreams.Duration(f.SlowBody)
	case schedule.CloseAfter:
		m.CloseAfter = f.CloseAfter
	case schedule.TLSFault:
		m.TLS = f.TLS
	}
	return m
}

// StartMock starts the fake upstream of a schedule's i-th, healthy. The configuration
// says where it listens.
func StartMock(s *schedule.Schedule, i int, cfg mockupstreams.Config) (*mockupstreams.Server, error) {
	u := &s.Upstreams[i]
	cfg.Name, cfg.Body, cfg.Seed = fmt.Sprintf("upstream-%d", i), "healthy: "+u.Address+"\n", s.Seed+uint64(i)
	srv, err := mockupstreams.Start(cfg)
	if err != nil || u.Latency.D() <= shortLatency {
		return srv, err
	}
	if err := srv.Apply(mockupstreams.Fault{Name: "latency", Delay: mockupstreams.Duration(u.Latency)}); err != nil {
		srv.Close()
		return nil, err
	}
	return srv, nil
}

// shortLatency is about what loopback sockets take by themselves.
const shortLatency = time.Millisecond
