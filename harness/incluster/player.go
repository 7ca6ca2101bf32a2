package incluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/agent"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/dnsserver"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/engine/dns"
	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/probe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/mockupstreams"
)

// Upstreams are the fake upstreams, wherever they run.
type Upstreams interface {
	// Start starts them, healthy; then Address and Addresses know them.
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

// Options say where a drill is played.
type Options struct {
	Backend   string // its name
	Settings  Settings
	Cluster   *kube.Client
	Upstreams Upstreams
	Istioctl  string // the program that looks at the endpoints, too; "": nobody does
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
		s: s, o: o, sink: sink, fixed: fixed(s), book: sidecar.NewBook(s, sink), names: engine.NewNames(s), answered: map[int]bool{}, pushes: map[int][]push{},
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
	fixed map[netip.Addr]bool // see fixed

	dns     *agent.Conn
	clients []*client

	made         time.Time // when the first object was asked for
	stopWatching context.CancelFunc
	watching     sync.WaitGroup
	views        sync.WaitGroup // istioctl is looking

	mu       sync.Mutex // guards what follows
	origin   time.Time
	names    engine.Names
	answered map[int]bool // DNS faults that somebody met
	pushes   map[int][]push
	looks    []*look // by endpoint table
}

// push is what a proxy had taken and refused before a configuration was handed over.
type push struct {
	x              *client
	taken, refused int64
}

var _ live.Player = (*player)(nil)

func (p *player) Name() string { return p.o.Backend }

// Start builds everything; then a request could be sent. The configuration is there before the clients
// are, so that their proxies begin with it.
func (p *player) Start(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, readyWithin)
	defer stop()
	set := &p.o.Settings
	p.made = time.Now()
	if set.Own {
		if err := p.sink.Undo(undoNamespace(p.o.Cluster, set.Namespace)); err != nil {
			return err
		}
	}
	// What fails of the two ends the other, which may wait for it.
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running := make(chan struct{})
	go func() {
		defer close(running)
		if err := p.o.Upstreams.Start(ctx); err != nil {
			fail(err)
		}
	}()
	if err := p.startPods(ctx, running); err != nil {
		fail(err)
	}
	<-running
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	for _, x := range p.clients {
		if err := p.await(x)(ctx, "took requests", func() (bool, error) { return x.Live(), nil }); err != nil {
			return err
		}
		if err := x.Taken(ctx, p.await(x), 0, 0, quiet); err != nil {
			return err
		}
		if err := p.knows(ctx, x, 0); err != nil {
			return err
		}
	}
	return nil
}

// startPods makes the namespace, the DNS server, the configuration and, when the upstreams
// are running, the clients.
func (p *player) startPods(ctx context.Context, running <-chan struct{}) error {
	set, k := &p.o.Settings, p.o.Cluster
	env, err := environment(set)
	if err != nil {
		return err
	}
	if err := k.Apply(ctx, env...); err != nil {
		return rejected(err)
	}
	service, err := k.Core.CoreV1().Services(set.Namespace).Get(ctx, dnsName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("looking for the DNS server's address: %w", err)
	}
	if err := p.configure(ctx, 0); err != nil {
		return err
	}
	var starting sync.WaitGroup
	errs := make([]error, len(p.s.Clients)+1)
	p.clients = make([]*client, len(p.s.Clients))
	served := make(chan struct{})
	starting.Go(func() {
		defer close(served)
		errs[len(p.s.Clients)] = p.startDNS(ctx)
	})
	for i := range p.s.Clients {
		starting.Go(func() { p.clients[i], errs[i] = p.startClient(ctx, i, service.Spec.ClusterIP, running, served) })
	}
	starting.Wait()
	return errors.Join(errs...)
}

func (p *player) startDNS(ctx context.Context) error {
	k, namespace := p.o.Cluster, p.o.Settings.Namespace
	pod, err := k.Ready(ctx, namespace, "app="+dnsName)
	if err != nil {
		return err
	}
	stream, err := k.Exec(namespace, pod.Name, "dns", agentProgram, "serve")
	if err != nil {
		return err
	}
	p.dns = agent.Connect(stream)
	forward := ""
	if s, err := k.Core.CoreV1().Services(metav1.NamespaceSystem).Get(ctx, "kube-dns", metav1.GetOptions{}); err == nil {
		forward = net.JoinHostPort(s.Spec.ClusterIP, "53")
	}
	return p.dns.ServeNames(ctx, fmt.Sprintf(":%d", dnsPort), forward, p.answer)
}

// startClient waits with a client for all that comes before it: until it is known where
// the upstreams are, and until names are answered. Its proxy looks for istiod at once,
// and would wait a second for the second look.
func (p *player) startClient(ctx context.Context, i int, nameserver string, before ...<-chan struct{}) (*client, error) {
	k, set, c := p.o.Cluster, &p.o.Settings, &p.s.Clients[i]
	for _, b := range before {
		select {
		case <-b:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	o, err := workload(set, c, i, nameserver, detours(p.fixed, p.o.Upstreams.Addresses()))
	if err != nil {
		return nil, err
	}
	if err := k.Apply(ctx, o); err != nil {
		return nil, err
	}
	pod, err := k.Ready(ctx, set.Namespace, fmt.Sprintf("%s=%d,%s=%s", clientLabel, i, RunLabel, set.Run))
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", c.Name, err)
	}
	stream, err := k.Exec(set.Namespace, pod.Name, agentContainer, agentProgram, "serve")
	if err != nil {
		return nil, err
	}
	x := &client{pod: pod.Name, agent: agent.Connect(stream)}
	x.Proxy = &sidecar.Proxy{Name: c.Name, Client: i, Ask: x.ask, Home: p.home, NameOf: p.home}
	ahead, trip, err := x.agent.Clock(ctx)
	if err != nil {
		return x, err
	}
	x.ahead = ahead
	p.sink.Event(trace.Note{Text: fmt.Sprintf("the clock of %s is ahead by %v, to within %v", c.Name, ahead.Round(time.Microsecond), (trip / 2).Round(time.Microsecond))})
	return x, nil
}

// askWithin bounds one question to a proxy.
const askWithin = 10 * time.Second

func (x *client) ask(path string) (sidecar.Answer, error) {
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	p, err := x.agent.Get(ctx, admin+path)
	return sidecar.Answer{Body: p.Body, At: p.At.Add(-x.ahead), Took: p.Took}, err
}

// await polls until done says so. A stream that ends ends the waiting.
func (p *player) await(x *client) sidecar.Await {
	return func(ctx context.Context, what string, done func() (bool, error)) error {
		ctx, stop := context.WithTimeout(ctx, readyWithin)
		defer stop()
		t := time.NewTicker(pollEvery)
		defer t.Stop()
		for {
			ok, err := done()
			if ok || err != nil {
				return err
			}
			select {
			case <-t.C:
			case <-x.agent.Done():
				return fmt.Errorf("the pod of %s was lost before its proxy %s: %w", x.Name, what, x.agent.Err())
			case <-ctx.Done():
				if errors.Is(context.Cause(ctx), context.Canceled) {
					return ctx.Err()
				}
				return fmt.Errorf("%v passed before the proxy of %s %s", readyWithin, x.Name, what)
			}
		}
	}
}

// knows waits until a proxy has every cluster of a configuration.
func (p *player) knows(ctx context.Context, x *client, config int) error {
	want := p.s.Configs[config][x.Client].Clusters
	missing := ""
	err := p.await(x)(ctx, "knew its clusters", func() (bool, error) {
		b, err := x.Get("/clusters")
		if err != nil {
			return false, nil // it is busy
		}
		missing = ""
		for i := range want {
			if !strings.Contains(string(b), want[i].Name+"::") {
				missing = want[i].Name
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil && missing != "" {
		return fmt.Errorf("%w; it has no %s", err, missing)
	}
	return err
}

// rejected is a refusal as the backend reports it.
func rejected(err error) error {
	var r *kube.RefusedError
	if errors.As(err, &r) && !r.Forbidden {
		return &backend.RejectedError{By: "istiod", Reason: r.Reason}
	}
	return err
}

// documents are the objects of a configuration, in the drill's namespace.
func (p *player) documents(config int) ([]*kube.Object, error) {
	var os []*kube.Object
	for _, d := range p.s.Documents[config] {
		o, err := kube.Parse(d.YAML)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", d.File, d.Line, err)
		}
		o.SetNamespace(p.o.Settings.Namespace)
		if o.GetName() == "" {
			o.SetName(d.Name)
		}
		os = append(os, o)
	}
	return os, nil
}

// configure makes a configuration that of the cluster: what it has is applied, and what
// only the ones before it had is deleted.
func (p *player) configure(ctx context.Context, config int) error {
	now, err := p.documents(config)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, o := range now {
		has[kube.String(o)] = true
	}
	if err := p.o.Cluster.Apply(ctx, now...); err != nil {
		return rejected(err)
	}
	for before := range config {
		old, err := p.documents(before)
		if err != nil {
			return err
		}
		for _, o := range old {
			if has[kube.String(o)] {
				continue
			}
			has[kube.String(o)] = true
			if err := p.o.Cluster.Delete(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// where is the place of an address of the schedule, and home the address at a place.
func (p *player) where(ip netip.Addr) netip.Addr {
	if at, ok := p.o.Upstreams.Addresses()[ip]; ok {
		return at
	}
	return ip
}

func (p *player) home(address string) string {
	a, err := netip.ParseAddrPort(address)
	if _, ok := p.fixed[a.Addr()]; ok || err != nil {
		return address
	}
	for home, at := range p.o.Upstreams.Addresses() {
		if at == a.Addr() {
			return netip.AddrPortFrom(home, a.Port()).String()
		}
	}
	return address
}

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
			if err := p.evidence(x, 0); err != nil {
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

// evidence keeps the configuration that a proxy has, and what was predicted of it:
// check.Config compares the two.
func (p *player) evidence(x *client, config int) error {
	predicted, err := envoyconfig.Predicted(&p.s.Configs[config][x.Client])
	if err != nil {
		return err
	}
	dump, err := x.Get("/config_dump?include_eds")
	if err != nil {
		return fmt.Errorf("asking the proxy of %s: %w", x.Name, err)
	}
	p.sink.Evidence(backend.PredictedFile(x.Name, config), predicted)
	p.sink.Evidence(backend.DumpFile(x.Name, config), dump)
	return nil
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

// Step carries out a step.
func (p *player) Step(ctx context.Context, step int) error {
	st := &p.s.Steps[step]
	if st.Kind != schedule.KindConfig {
		return p.fault(ctx, step)
	}
	var pushes []push
	for _, x := range p.clients {
		taken, refused, _, err := x.Updates()
		if err != nil {
			return fmt.Errorf("asking the proxy of %s: %w", x.Name, err)
		}
		pushes = append(pushes, push{x, taken, refused})
	}
	p.mu.Lock()
	p.pushes[step] = pushes
	p.mu.Unlock()
	return p.configure(ctx, st.Config)
}

// mockName is a name that a fake upstream accepts.
func mockName(step int) string { return fmt.Sprintf("step-%d", step) }

func (p *player) fault(ctx context.Context, step int) error {
	begun := live.BegunBy(p.s, step)
	if begun < 0 {
		return nil
	}
	f := p.s.Steps[begun].Fault
	switch {
	case f.IsDNS():
		p.mu.Lock()
		defer p.mu.Unlock()
		p.names.Step(step)
		return nil
	case p.s.Steps[step].Kind == schedule.KindHeal:
		return p.o.Upstreams.Heal(ctx, f.Upstream, mockName(begun))
	}
	return p.o.Upstreams.Apply(ctx, f.Upstream, live.MockFault(f, mockName(begun), int(f.Port)))
}

// Witness waits until a step shows, from a pod without a proxy.
func (p *player) Witness(ctx context.Context, step int) (string, error) {
	w := live.Witness{Schedule: p.s, Every: pollEvery, Dial: p.dial, AtWork: p.atWork, Met: p.met, Taken: p.taken, ShowsTLS: p.showsTLS}
	return w.See(ctx, step)
}

// dial connects from the pod of the DNS server, which has no proxy.
func (p *player) dial(ctx context.Context, address string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	at := netip.AddrPortFrom(p.where(a.Addr()), a.Port()).String()
	if err := p.dns.Dial(ctx, at); err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	far.Close()
	return dialed{near, at}, nil
}

// dialed is a connection that was made elsewhere, and is over.
type dialed struct {
	net.Conn
	to string
}

func (p *player) showsTLS(fault string, nc net.Conn) bool {
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	shown, err := p.dns.ShowsTLS(ctx, nc.(dialed).to, fault)
	return err == nil && shown
}

func (p *player) atWork(step int) bool {
	f := p.s.Steps[step].Fault
	if f.IsDNS() {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.names.AtWork(step)
	}
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	return p.o.Upstreams.AtWork(ctx, f.Upstream, mockName(step))
}

func (p *player) met(step int) bool {
	f := p.s.Steps[step].Fault
	if f.IsDNS() {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.answered[step]
	}
	ctx, stop := context.WithTimeout(context.Background(), askWithin)
	defer stop()
	return p.o.Upstreams.Met(ctx, f.Upstream, mockName(step)) > 0
}

func (p *player) taken(ctx context.Context, step int) (bool, error) {
	p.mu.Lock()
	pushes := p.pushes[step]
	p.mu.Unlock()
	for _, u := range pushes {
		if err := u.x.Taken(ctx, p.await(u.x), u.taken, u.refused, quiet); err != nil {
			return false, err
		}
		if err := p.evidence(u.x, p.s.Steps[step].Config); err != nil {
			return false, err
		}
	}
	return true, nil
}

var codes = map[dns.Code]dnsserver.Code{
	dns.NoError: dnsserver.NoError, dns.NXDomain: dnsserver.NXDomain, dns.ServFail: dnsserver.ServFail,
	dns.Refused: dnsserver.Refused, dns.Timeout: dnsserver.Silence,
}

// anyAddress is what a service's own host resolves to: the proxy takes the connection
// wherever it goes (RFC 5737).
var anyAddress = netip.MustParseAddr("192.0.2.1")

// answer is the scenario's DNS. What it does not know is the cluster's.
func (p *player) answer(name string) dnsserver.Answer {
	p.mu.Lock()
	a, step := p.names.Answer(name, int64(p.sinceLocked()))
	if step >= 0 {
		p.answered[step] = true
	}
	p.mu.Unlock()
	if step < 0 && len(a.Addresses) == 0 {
		for i := range p.s.Clients {
			if schedule.SameAddress(p.s.Clients[i].Load.Host, name) {
				return dnsserver.Answer{Addresses: []netip.Addr{anyAddress}, TTL: 5 * time.Second}
			}
		}
		if !p.known(name) {
			return dnsserver.Answer{Code: dnsserver.Elsewhere}
		}
	}
	out := dnsserver.Answer{Code: codes[a.Code], TTL: a.TTL}
	for _, ip := range a.Addresses {
		if _, ok := p.fixed[ip]; !ok {
			ip = p.where(ip)
		}
		out.Addresses = append(out.Addresses, ip)
	}
	return out
}

// known reports whether a name is the scenario's.
func (p *player) known(name string) bool {
	for i := range p.s.Upstreams {
		if schedule.SameAddress(p.s.Upstreams[i].Address, name) {
			return true
		}
	}
	return false
}

func (p *player) sinceLocked() time.Duration {
	if p.origin.IsZero() {
		return 0
	}
	return max(0, time.Since(p.origin))
}

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

// Stop collects what the proxies wrote down, and removes everything.
func (p *player) Stop(ctx context.Context) error {
	if p.stopWatching != nil {
		time.Sleep(flush) // what is on its way to a log is the drill's, too
		p.stopWatching()
		p.watching.Wait()
	}
	var collecting sync.WaitGroup
	collecting.Go(func() { p.collect(ctx) })
	err := p.tell(ctx)
	collecting.Wait()
	for _, x := range p.clients {
		if x != nil && x.agent != nil {
			_ = x.agent.Close() // the pod goes with it
		}
	}
	if p.dns != nil {
		_ = p.dns.Close()
	}
	var removing sync.WaitGroup
	var upstreams, namespace error
	removing.Go(func() { upstreams = p.o.Upstreams.Stop(ctx) })
	if p.o.Settings.Own {
		removing.Go(func() { namespace = p.o.Cluster.DeleteNamespace(ctx, p.o.Settings.Namespace) })
	}
	removing.Wait()
	if upstreams == nil && namespace == nil {
		namespace = p.sink.Undo(backend.Undo{What: backend.Undone})
	}
	return errors.Join(err, upstreams, namespace)
}

// tell merges what the clients and the proxies saw, and hands it on.
func (p *player) tell(ctx context.Context) error {
	p.mu.Lock()
	origin := p.origin
	p.mu.Unlock()
	if origin.IsZero() {
		return nil // nothing was sent
	}
	var errs []error
	var seen []observe.Client
	for _, x := range p.clients {
		if err := x.Dump(); err != nil {
			p.sink.Event(trace.Note{At: trace.Sec(p.since()), Text: fmt.Sprintf("the proxy of %s did not answer at the end: %v", x.Name, err)})
		}
		for name, path := range map[string]string{"config_dump.json": "/config_dump?include_eds", "clusters.txt": "/clusters", "stats.txt": "/stats?usedonly"} {
			if b, err := x.Get(path); err == nil {
				p.sink.Evidence(backend.ClientFile(x.Name, name), b)
			}
		}
		var l sidecar.Logs
		for _, f := range []struct {
			path, name string
			into       *[]byte
		}{{accessLog, "access.log", &l.Access}, {upstreamLog, "upstream.log", &l.Upstream}, {outlierLog, "outlier.log", &l.Outlier}} {
			b, err := x.agent.Read(ctx, f.path, 0)
			if err != nil {
				errs = append(errs, fmt.Errorf("reading %s of %s: %w", f.path, x.Name, err))
				continue
			}
			*f.into = b
			p.sink.Evidence(backend.ClientFile(x.Name, f.name), b)
		}
		left, err := x.Left(l)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the logs of %s: %w", x.Name, err))
		}
		seen = append(seen, left)
	}
	out := p.book.Tell(origin, seen)
	p.tellViews(out.Changes, origin)
	return errors.Join(errs...)
}
