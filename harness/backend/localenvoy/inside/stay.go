package inside

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/kept"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

// stay is what goes on after the drill: everything is left as it is, and the control
// socket answers. With the end of it this process ends, and everything with it.
func (p *player) stay() (child.Rest, error) {
	k := p.o.Keep
	l, err := net.Listen("unix", k.Registry.Socket(k.ID))
	if err != nil {
		return nil, fmt.Errorf("keeping the run: %w", err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), k.For)
		defer cancel()
		defer k.Registry.Release(k.ID)
		return kept.Serve(ctx, l, p)
	}, nil
}

var _ kept.Run = (*player)(nil)

// Endpoints are those of all proxies as they are now.
func (p *player) Endpoints(context.Context) (kept.Table, error) {
	t := kept.Table{At: p.since().Seconds()}
	for i := range p.s.Upstreams {
		t.Upstreams = append(t.Upstreams, p.s.Upstreams[i].Name)
	}
	for client, x := range p.proxies {
		answer, err := x.Get(sidecar.ClustersPath)
		if err != nil {
			return kept.Table{}, x.silent(err)
		}
		rows, err := p.book.Rows(x.Proxy, client, answer, trace.Sec(p.since()))
		if err != nil {
			return kept.Table{}, err
		}
		ejections, err := x.ejections()
		if err != nil {
			return kept.Table{}, err
		}
		c := kept.Client{Name: p.s.Clients[client].Name, Rows: []kept.Row{}, Answer: answer}
		for _, r := range rows {
			r.Ejections = ejections[hostOf{r.Cluster, r.Address}]
			c.Rows = append(c.Rows, kept.Row{Row: r, Share: p.shares[client][r.Host]})
		}
		t.Clients = append(t.Clients, c)
	}
	return t, nil
}

type hostOf struct{ cluster, address string }

// ejections counts those of every host since its cluster was built.
func (x *proxy) ejections() (map[hostOf]int32, error) {
	log, err := os.ReadFile(x.path("outlier.log"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	events, err := observe.Outlier(log)
	if err != nil {
		return nil, err
	}
	since := map[string]time.Time{}
	for _, b := range x.Built() {
		if b.At.After(since[b.Cluster]) {
			since[b.Cluster] = b.At
		}
	}
	out := map[hostOf]int32{}
	for _, e := range events {
		if e.Kind == trace.Ejected && !e.At.Before(since[e.Cluster].Truncate(time.Millisecond)) {
			out[hostOf{e.Cluster, e.Host}] = e.Ejections
		}
	}
	return out, nil
}
