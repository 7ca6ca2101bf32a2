// Package inproc is the backend that rehearses a drill with real sockets in
// this process: real clients, real upstreams on loopback, and between them a
// reverse proxy for each client.
//
//	var sink backend.Collector
//	b := inproc.New()
//	if m := b.Missing(s); len(m) > 0 { ... }      // what it cannot play, and why
//	err := b.Play(ctx, s, &sink)
//	backend.InOrder(&sink.Trace)
//
// The proxy decides with the engine's own parts (clusters, pools, retries) by
// the wall clock. That it agrees with a prediction therefore proves sockets,
// time and concurrency; it says nothing about what Envoy does. One lock guards
// all decisions, so that events reach the sink in the order in which they were
// decided.
//
// Addresses of the schedule are mapped to loopback ports: one listener for each
// address and port that an upstream serves. Whatever else an endpoint names, as
// the recipe's port 81, is mapped to a port that is held and refuses.
//
// A loopback socket always answers a SYN, so that a blackhole is made by the
// proxy's dialer: a connect that begins while it lasts waits for the connect
// timeout, and idle connections are closed when it begins.
//
// Left out: TLS, consistent hashing, resolution NONE, HTTP/2.
// An upstream's latency of up to a millisecond is left to the sockets.
package inproc

import (
	"context"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Backend plays schedules on loopback sockets. Its zero value is ready, and any
// number of plays may run at once.
type Backend struct{}

var _ backend.Backend = Backend{}

// New returns the backend.
func New() Backend { return Backend{} }

// Name is inproc.
func (Backend) Name() string { return "inproc" }

// Play plays the schedule by the wall clock.
func (Backend) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	_, err := live.Play(ctx, s, newPlayer(s, sink), sink)
	return err
}
