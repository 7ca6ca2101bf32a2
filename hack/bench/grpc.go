package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/balancer/weightedtarget"
	"google.golang.org/grpc/connectivity"
	estats "google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/internal"
	"google.golang.org/grpc/internal/hierarchy"
	istats "google.golang.org/grpc/internal/stats"
	"google.golang.org/grpc/internal/xds/balancer/outlierdetection"
	"google.golang.org/grpc/internal/xds/balancer/priority"
	"google.golang.org/grpc/resolver"
)

// grpcStack is grpc-go's priority > outlier_detection > weighted_target >
// round_robin over n endpoints in two localities of one priority, all of them
// ready. It stays as it is until the process ends.
func grpcStack(n int) (balancer.Picker, error) {
	roundRobin := fmt.Sprintf(`[{%q: {}}]`, roundrobin.Name)
	target := func(weight int) string {
		return fmt.Sprintf(`{"weight": %d, "childPolicy": %s}`, weight, roundRobin)
	}
	targets := fmt.Sprintf(`[{%q: {"targets": {"a": %s, "b": %s}}}]`, weightedtarget.Name, target(1), target(1))
	detection := fmt.Sprintf(`[{%q: {"interval": "3600s", "baseEjectionTime": "30s", "maxEjectionTime": "300s", "maxEjectionPercent": 10,
		"failurePercentageEjection": {"threshold": 85}, "childPolicy": %s}}]`, outlierdetection.Name, targets)
	config := fmt.Sprintf(`{"priorities": ["p0"], "children": {"p0": {"config": %s}}}`, detection)

	builder := balancer.Get(priority.Name)
	parsed, err := builder.(balancer.ConfigParser).ParseConfig(json.RawMessage(config))
	if err != nil {
		return nil, err
	}
	cc := &fakeClientConn{states: make(chan balancer.State, 4*n+16)}
	b := builder.Build(cc, balancer.BuildOptions{})
	var endpoints []resolver.Endpoint
	for i := range n {
		e := resolver.Endpoint{Addresses: []resolver.Address{{Addr: "10.0.0.1:" + strconv.Itoa(i)}}}
		endpoints = append(endpoints, hierarchy.SetInEndpoint(e, []string{"p0", []string{"a", "b"}[i%2]}))
	}
	err = b.UpdateClientConnState(balancer.ClientConnState{ResolverState: resolver.State{Endpoints: endpoints}, BalancerConfig: parsed})
	if err != nil {
		return nil, err
	}
	for {
		s := <-cc.states
		if s.ConnectivityState != connectivity.Ready {
			continue
		}
		if all(s.Picker, n) {
			return s.Picker, nil
		}
	}
}

// all reports whether a picker spreads over n endpoints.
func all(p balancer.Picker, n int) bool {
	seen := map[balancer.SubConn]bool{}
	for range 64 * n {
		r, err := p.Pick(balancer.PickInfo{})
		if err != nil {
			return false
		}
		if r.Done != nil {
			r.Done(balancer.DoneInfo{})
		}
		seen[r.SubConn] = true
	}
	return len(seen) == n
}

// fakeClientConn takes the place of a channel: its connections are ready as soon
// as they are wanted.
type fakeClientConn struct {
	internal.EnforceClientConnEmbedding
	states chan balancer.State
}

func (c *fakeClientConn) NewSubConn(_ []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	return &fakeSubConn{listener: o.StateListener}, nil
}

func (c *fakeClientConn) UpdateState(s balancer.State)                         { c.states <- s }
func (c *fakeClientConn) RemoveSubConn(balancer.SubConn)                       {}
func (c *fakeClientConn) UpdateAddresses(balancer.SubConn, []resolver.Address) {}
func (c *fakeClientConn) ResolveNow(resolver.ResolveNowOptions)                {}
func (c *fakeClientConn) Target() string                                       { return "bench" }
func (c *fakeClientConn) MetricsRecorder() estats.MetricsRecorder {
	return istats.NewMetricsRecorderList(nil)
}

type fakeSubConn struct {
	balancer.SubConn
	listener func(balancer.SubConnState)
}

func (s *fakeSubConn) Connect() {
	go func() {
		s.listener(balancer.SubConnState{ConnectivityState: connectivity.Connecting})
		s.listener(balancer.SubConnState{ConnectivityState: connectivity.Ready})
	}()
}

func (s *fakeSubConn) Shutdown()                          {}
func (s *fakeSubConn) UpdateAddresses([]resolver.Address) {}

func (s *fakeSubConn) RegisterHealthListener(l func(balancer.SubConnState)) {
	go l(balancer.SubConnState{ConnectivityState: connectivity.Ready})
}
