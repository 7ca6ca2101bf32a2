package sidecar

import (
	"math"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// A Book is the sink of a play. It keeps the requests until it is known what the proxies did with
// them, and the endpoint tables until their ejections are counted; the rest it passes on.
type Book struct {
	backend.Sink
	s     *schedule.Schedule
	hosts *observe.Hosts

	mu        sync.Mutex
	requests  []trace.Request
	steps     []trace.Step
	endpoints []trace.Endpoints
}

// NewBook is the book of a schedule's play.
func NewBook(s *schedule.Schedule, sink backend.Sink) *Book {
	return &Book{Sink: sink, s: s, hosts: observe.NewHosts(s)}
}

// Event passes on what is complete.
func (b *Book) Event(e trace.Event) {
	b.mu.Lock()
	switch e := e.(type) {
	case trace.Request:
		b.requests = append(b.requests, e)
		b.mu.Unlock()
		return
	case trace.Endpoints:
		b.endpoints = append(b.endpoints, e)
		b.mu.Unlock()
		return
	case trace.Step:
		b.steps = append(b.steps, e)
	}
	b.mu.Unlock()
	b.Sink.Event(e)
}

// Begin tells of the hosts, before anything else is told.
func (b *Book) Begin() {
	for _, h := range b.hosts.Rows {
		b.Sink.Event(h)
	}
}

// Configuration keeps, as evidence, the configuration that a proxy has, and what was
// predicted of it: check.Config compares the two.
func (b *Book) Configuration(x *Proxy, config int) error {
	predicted, dump, err := b.both(x, config)
	if err != nil {
		return err
	}
	b.Sink.Evidence(backend.PredictedFile(x.Name, config), predicted)
	b.Sink.Evidence(backend.DumpFile(x.Name, config), dump)
	return nil
}

// Agrees reports whether the configuration that a proxy has is the one that was predicted, but for
// what is known to differ.
func (b *Book) Agrees(x *Proxy, config int) (bool, error) {
	predicted, dump, err := b.both(x, config)
	if err != nil {
		return false, err
	}
	differences, err := check.Config(predicted, dump)
	return len(check.Unexplained(differences)) == 0, err
}

// both are the configuration that was predicted of a proxy, and the one that it has.
func (b *Book) both(x *Proxy, config int) (predicted, dump []byte, err error) {
	if predicted, err = envoyconfig.Predicted(&b.s.Configs[config][x.Client]); err != nil {
		return nil, nil, err
	}
	if dump, err = x.Get(dumpPath); err != nil {
		return nil, nil, x.silent(err)
	}
	return predicted, dump, nil
}

// Tables are the endpoint tables so far.
func (b *Book) Tables() []trace.Endpoints {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.endpoints
}

// Tell merges what the clients and the proxies saw, by client of the schedule, and hands it on.
func (b *Book) Tell(origin time.Time, clients []observe.Client) observe.Output {
	in := observe.Input{Schedule: b.s, Hosts: b.hosts, Origin: origin, Clients: clients}
	b.mu.Lock()
	in.Requests, in.Steps = b.requests, b.steps
	b.mu.Unlock()
	out := observe.Merge(in)
	out.Hosts = nil // told at the beginning
	for _, e := range out.Events() {
		b.Sink.Event(e)
	}
	built := func(r *trace.Row, at trace.Sec) trace.Sec {
		last := trace.Sec(math.MinInt64)
		for _, b := range clients[r.Client].Built {
			if t := trace.Sec(b.At.Sub(origin)); b.Cluster == r.Cluster && t <= at {
				last = max(last, t)
			}
		}
		return last
	}
	for _, e := range b.counted(out.Changes, built) {
		b.Sink.Event(e)
	}
	return out
}

// counted are the endpoint tables with the ejections so far of every host: Envoy
// tells them in its event log only. A cluster that was built anew begins at 0.
func (b *Book) counted(changes []trace.Change, built func(r *trace.Row, at trace.Sec) trace.Sec) []trace.Endpoints {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, es := range b.endpoints {
		for i := range es.Rows {
			r := &es.Rows[i]
			since := built(r, es.At)
			for _, c := range changes {
				if c.Client == r.Client && c.Host == r.Host && c.Event == trace.Ejected && c.At >= since && c.At <= es.At {
					r.Ejections = max(r.Ejections, c.Ejections)
				}
			}
		}
	}
	return b.endpoints
}
