package incluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/agent"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

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
