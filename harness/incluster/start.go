package incluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/agent"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

// Start builds everything; then a request could be sent. The clients come last: what they need
// takes a second or two to be reached everywhere after it runs (the nodes learn of the DNS server's
// address), and a proxy whose first look-up is lost begins without hosts. With five drills beginning at
// once on two cores, three did so when the clients began beside the rest.
func (p *player) Start(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, readyWithin)
	defer stop()
	p.made = time.Now()
	if err := p.begin(ctx); err != nil {
		return err
	}
	if err := p.startAll(ctx); err != nil {
		return err
	}
	for _, x := range p.clients {
		if err := p.begun(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// startAll starts the upstreams and the pods. What fails ends what else begins.
func (p *player) startAll(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	running := make(chan struct{})
	all.Go(func() error {
		defer close(running)
		return p.o.Upstreams.Start(ctx)
	})
	all.Go(func() error { return p.startPods(ctx, running) })
	return all.Wait()
}

// startPods makes the namespace, the DNS server, the configuration and the clients.
func (p *player) startPods(ctx context.Context, running <-chan struct{}) error {
	set, k := &p.o.Settings, p.o.Cluster
	if err := p.apply(ctx, names); err != nil {
		return err
	}
	if set.Own {
		service, err := k.Core.CoreV1().Services(set.Namespace).Get(ctx, dnsName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("looking for the DNS server's address: %w", err)
		}
		p.nameserver = service.Spec.ClusterIP
	}
	all, ctx := errgroup.WithContext(ctx)
	configured := make(chan struct{})
	all.Go(func() error {
		defer close(configured)
		if err := p.startDNS(ctx, running); err != nil {
			return err
		}
		return p.configure(ctx, 0)
	})
	if err := p.apply(ctx, environment); err != nil {
		return errors.Join(err, all.Wait())
	}
	p.clients = make([]*client, len(p.s.Clients))
	for i := range p.s.Clients {
		all.Go(func() (err error) {
			p.clients[i], err = p.startClient(ctx, i, configured)
			return err
		})
	}
	return all.Wait()
}

// apply applies objects that are made from the settings.
func (p *player) apply(ctx context.Context, made func(*Settings) ([]*kube.Object, error)) error {
	os, err := made(&p.o.Settings)
	if err != nil {
		return err
	}
	return rejected(p.make(ctx, os...))
}

// make makes objects of the run. In a namespace of somebody else none that is there is touched.
func (p *player) make(ctx context.Context, os ...*kube.Object) error {
	if p.o.Settings.Own {
		return p.o.Cluster.Apply(ctx, os...)
	}
	return p.o.Cluster.Create(ctx, os...)
}

// begun waits until a proxy takes requests by the configuration of 0 s.
func (p *player) begun(ctx context.Context, x *client) error {
	if err := p.await(x)(ctx, "took requests", func() (bool, error) { return x.Live(), nil }); err != nil {
		return err
	}
	if err := p.release(x); err != nil {
		return err
	}
	if err := x.Taken(ctx, p.await(x), 0, 0, quiet); err != nil {
		return err
	}
	if err := p.knows(ctx, x, 0); err != nil {
		return err
	}
	return p.agrees(ctx, x)
}

// startDNS starts the DNS server, which answers when it is known where the upstreams are.
func (p *player) startDNS(ctx context.Context, running <-chan struct{}) error {
	k, namespace := p.o.Cluster, p.o.Settings.Namespace
	pod, err := k.Running(ctx, namespace, "app="+dnsName, dnsContainer)
	if err != nil {
		return err
	}
	stream, err := k.Exec(namespace, pod.Name, dnsContainer, agentProgram, "serve")
	if err != nil {
		return err
	}
	p.dns = agent.Connect(stream)
	if !p.o.Settings.Own {
		p.nameserver = pod.Status.PodIP // read by who waits for this
	}
	// What the pod itself would ask.
	conf, err := p.dns.Read(ctx, "/etc/resolv.conf", 0)
	if err != nil {
		return fmt.Errorf("looking for the cluster's DNS server: %w", err)
	}
	if err := after(ctx, running); err != nil {
		return err
	}
	return p.dns.ServeNames(ctx, fmt.Sprintf(":%d", dnsPort), forwardOf(conf), p.answer)
}

// after waits for all that comes before.
func after(ctx context.Context, before ...<-chan struct{}) error {
	for _, b := range before {
		select {
		case <-b:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return ctx.Err()
}

// startClient starts a client after all that comes before it: its pod is told where the upstreams
// are, and its proxy looks names up at once.
func (p *player) startClient(ctx context.Context, i int, before ...<-chan struct{}) (*client, error) {
	k, set, c := p.o.Cluster, &p.o.Settings, &p.s.Clients[i]
	if err := after(ctx, before...); err != nil {
		return nil, err
	}
	o, err := workload(set, c, i, p.nameserver, detours(p.fixed, p.o.Upstreams.Addresses()))
	if err != nil {
		return nil, err
	}
	if err := p.make(ctx, o); err != nil {
		return nil, err
	}
	pod, err := k.Running(ctx, set.Namespace, fmt.Sprintf("%s=%d,%s=%s", clientLabel, i, RunLabel, set.Run), agentContainer)
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

// release compares the Envoy of a proxy with the one whose rules were predicted.
func (p *player) release(x *client) error {
	if p.o.Envoy == "" {
		return nil
	}
	is, err := x.Release()
	if err != nil {
		return err
	}
	if !istio.SameLine(is, p.o.Envoy) {
		return fmt.Errorf("the sidecars here are Envoy %s, and the drill was predicted for Envoy %s: play it with --profile istio=%s,envoy=%s", is, p.o.Envoy, p.s.Profile.Istio, is)
	}
	return nil
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

// agreeWithin is how long a proxy may take to have the configuration that was predicted. One
// that has another all the same is the drill's to tell.
const agreeWithin = 5 * time.Second

// agrees waits until a proxy has the configuration that was predicted: what istiod was told
// last may come as an update of its own.
func (p *player) agrees(ctx context.Context, x *client) error {
	until, waited := time.Now().Add(agreeWithin), false
	err := p.await(x)(ctx, "told its configuration", func() (bool, error) {
		agrees, err := p.book.Agrees(x.Proxy, 0)
		if err != nil {
			return false, nil // it is busy
		}
		agrees = agrees || time.Now().After(until)
		waited = waited || !agrees
		return agrees, nil
	})
	if err != nil || !waited {
		return err
	}
	return x.Taken(ctx, p.await(x), 0, 0, quiet)
}
