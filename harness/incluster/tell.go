package incluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

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
	set := &p.o.Settings
	removing.Go(func() { upstreams = p.o.Upstreams.Stop(ctx) })
	removing.Go(func() {
		if set.Own {
			namespace = p.o.Cluster.EndNamespace(ctx, set.Namespace)
		} else {
			namespace = Sweep(ctx, p.o.Cluster, set.Namespace, runSelector(set.Run))
		}
	})
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
		x.Last(p.sink)
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
