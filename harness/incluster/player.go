package incluster

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/agent"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/incluster/demand"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/mockupstreams"
)

// Upstreams are the fake upstreams, wherever they run.
type Upstreams interface {
	// Start starts them, healthy; then Addresses knows them.
	Start(context.Context) error
	// Addresses are the addresses of the schedule, and where each of them is.
	Addresses() map[netip.Addr]netip.Addr
	Apply(ctx context.Context, upstream int32, f mockupstreams.Fault) error
	Heal(ctx context.Context, upstream int32, name string) error
	AtWork(ctx context.Context, upstream int32, name string) bool
	Met(ctx context.Context, upstream int32, name string) int
	// Log is what the upstream wrote.
	Log(ctx context.Context, upstream int32) ([]byte, error)
	Stop(context.Context) error
}

// Breaker is an Upstreams whose servers can be broken from outside: paused, killed, cut
// off. A fault has a name there as with Apply.
type Breaker interface {
	Break(ctx context.Context, upstream int32, name string, f *schedule.Fault) error
	Mend(ctx context.Context, upstream int32, name string) error
	Broken(name string) bool
}

// Options say where a drill is played.
type Options struct {
	Backend   string // its name
	Settings  Settings
	Cluster   *kube.Client
	Upstreams Upstreams
	Istioctl  string // the program that looks at the endpoints, too; "": nobody does
	Envoy     string // the release of the sidecars, if they have to be of it: of the same line
}

const (
	// readyWithin bounds how long pods and proxies may take.
	readyWithin = 90 * time.Second
	// quiet is how long no update may come for a push to be over.
	quiet = 200 * time.Millisecond
	// pollEvery is the time between two looks at a proxy that is waited for.
	pollEvery = 30 * time.Millisecond
	// pollCounters is how often the counters are read.
	pollCounters = 200 * time.Millisecond
	// flush is how long Envoy may keep a line of a log, twice.
	flush = 100 * time.Millisecond
	// admin is where a sidecar's admin interface listens, for its pod.
	admin = "http://127.0.0.1:15000"
)

// Play plays the schedule and removes all that it made.
func Play(ctx context.Context, s *schedule.Schedule, o Options, sink backend.Sink) error {
	p := &player{
		s: s, o: o, sink: sink, fixed: demand.Fixed(s), book: sidecar.NewBook(s, sink), names: live.NewNames(s),
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p.fail = fail
	_, err := live.Play(ctx, s, p, p.book)
	return err
}

// client is one client's pod.
type client struct {
	*sidecar.Proxy
	pod   string
	agent *agent.Conn
	ahead time.Duration // of its clock
}

type player struct {
	s     *schedule.Schedule
	o     Options
	sink  backend.Sink
	book  *sidecar.Book
	fail  context.CancelCauseFunc
	fixed map[netip.Addr]bool // see demand.Fixed

	dns        *agent.Conn
	nameserver string // its address, for pods
	clients    []*client

	made         time.Time // when the first object was asked for
	stopWatching context.CancelFunc
	watching     sync.WaitGroup
	views        sync.WaitGroup // istioctl is looking
	names        *live.Names

	mu     sync.Mutex // guards what follows
	origin time.Time
	looks  []*look          // by endpoint table
	before map[int][]string // pods of istiod before a step that restarts it
}

var _ live.Player = (*player)(nil)

func (p *player) Name() string { return p.o.Backend }

// Begin sets the clock going.
func (p *player) Begin(origin time.Time) {
	p.mu.Lock()
	p.origin = origin
	p.mu.Unlock()
	p.book.Begin()
	ctx, stop := context.WithCancel(context.Background())
	p.stopWatching = stop
	for _, x := range p.clients {
		p.watching.Go(func() {
			if err := p.book.Configuration(x.Proxy, 0); err != nil {
				p.sink.Event(trace.Note{At: trace.Sec(p.since()), Text: err.Error()})
			}
		})
		p.watching.Go(func() { x.Watch(ctx, pollCounters, true) })
		p.watching.Go(func() {
			select {
			case <-x.agent.Done():
				p.fail(fmt.Errorf("the pod of %s was lost before the drill was over: %w", x.Name, x.agent.Err()))
			case <-ctx.Done():
			}
		})
	}
}

func (p *player) since() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.origin.IsZero() {
		return 0
	}
	return max(0, time.Since(p.origin))
}

// Do sends the requests of a client from its pod.
func (p *player) Do(i int) probe.Do {
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	do, err := p.clients[i].agent.Load(ctx, &p.s.Clients[i].Load)
	if err != nil {
		failed := probe.Outcome{Err: err, Kind: probe.KindOf(err)}
		return probe.Blocking(func(context.Context, int) probe.Outcome { return failed })
	}
	return do
}

// Complete does nothing: what the proxies did with a request is known at the end.
func (*player) Complete(*trace.Request) {}

// Observe is the endpoint table of all proxies.
func (p *player) Observe(ctx context.Context) ([]trace.Row, error) {
	var rows []trace.Row
	l := &look{}
	for _, x := range p.clients {
		b, err := x.Get(sidecar.ClustersPath)
		if err != nil {
			return nil, fmt.Errorf("asking the proxy of %s: %w", x.Name, err)
		}
		at := trace.Sec(p.since())
		more, err := p.book.Rows(x.Proxy, x.Client, b, at)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
		if p.o.Istioctl != "" {
			p.views.Go(func() {
				v := p.secondView(context.WithoutCancel(ctx), x, at, more)
				p.mu.Lock()
				defer p.mu.Unlock()
				l.views = append(l.views, v)
			})
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks = append(p.looks, l)
	return rows, nil
}
