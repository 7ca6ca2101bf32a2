package incluster

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/istioctl"
	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

// view is what istioctl printed of a proxy when a table was made of it.
type view struct {
	x    *client
	text string
	err  error
	from time.Time
	to   time.Time
	// still is set when the proxy said the same before it and after it.
	still []trace.Row
}

// moved reports whether a host of the proxy went or came while istioctl looked: it can have
// seen what was so for an instant.
func (v *view) moved(changes []trace.Change, origin time.Time) bool {
	from, to := trace.Sec(v.from.Sub(origin))-slow, trace.Sec(v.to.Sub(origin))+slow
	return slices.ContainsFunc(changes, func(c trace.Change) bool {
		return int(c.Client) == v.x.Client && c.At >= from && c.At <= to && c.Event != trace.OverflowEvent
	})
}

// slow is by how much a log may be off.
const slow = trace.Sec(100 * time.Millisecond)

// look is what istioctl printed at one table.
type look struct{ views []*view }

// secondView has istioctl look at a proxy as people do. It takes its time, in which the proxy
// may change: it is only held against what the proxy says before it and after it.
func (p *player) secondView(ctx context.Context, x *client, at trace.Sec, before []trace.Row) *view {
	v := &view{x: x, from: time.Now()}
	defer func() { v.to = time.Now() }()
	if v.text, v.err = p.asPeopleLook(ctx, x); v.err != nil {
		return v
	}
	b, err := x.Get(sidecar.ClustersPath)
	if err != nil {
		return v // nobody knows what it would have said
	}
	if after, err := p.book.Rows(x.Proxy, x.Client, b, at); err == nil && slices.Equal(columns(before), columns(after)) {
		v.still = before
	}
	return v
}

// asPeopleLook is what istioctl prints of a pod. By itself it would forward a port, which is a
// right more: in a namespace of somebody else it is given what the proxy says.
func (p *player) asPeopleLook(ctx context.Context, x *client) (string, error) {
	if p.o.Settings.Own {
		return istioctl.PodEndpoints(ctx, p.o.Istioctl, istioctl.Pod{
			Kubeconfig: p.o.Cluster.Kubeconfig, Context: p.o.Cluster.Context, Namespace: p.o.Settings.Namespace, Name: x.pod,
		})
	}
	b, err := x.Get("/clusters?format=json")
	if err != nil {
		return "", err
	}
	return istioctl.Endpoints(ctx, p.o.Istioctl, b, os.TempDir())
}

// differs is how istioctl's table differs from the drill's; "" if it does not.
func (v *view) differs(home func(string) string) string {
	theirs, err := istioctl.Parse(v.text)
	if err != nil {
		return err.Error()
	}
	for i := range theirs {
		theirs[i].Endpoint = home(theirs[i].Endpoint)
	}
	return strings.Join(istioctl.Differences(v.still, theirs), "; ")
}

// elsewhere notes where the endpoints are that istioctl prints, if that is not their address
// in the drill.
func (v *view) elsewhere(home func(string) string, places map[string]string) {
	theirs, err := istioctl.Parse(v.text)
	if err != nil {
		return // what differs says so
	}
	for i := range theirs {
		if at := theirs[i].Endpoint; home(at) != at {
			places[home(at)] = at
		}
	}
}

// columns are what istioctl has of rows.
func columns(rows []trace.Row) []istioctl.Row {
	var out []istioctl.Row
	for i := range rows {
		r := &rows[i]
		out = append(out, istioctl.Row{Endpoint: r.Address, Status: r.Status, OutlierCheck: r.OutlierCheck, Cluster: r.Cluster})
	}
	return out
}

// tellViews keeps what istioctl printed at each table, and notes where it differs.
func (p *player) tellViews(changes []trace.Change, origin time.Time) {
	p.views.Wait()
	tables := p.book.Tables()
	places := map[string]string{} // by address of the drill
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		if b, err := json.Marshal(places); err == nil && len(places) > 0 {
			p.sink.Evidence(backend.PlacesFile, append(b, '\n'))
		}
	}()
	for i, l := range p.looks {
		if i >= len(tables) {
			return // the drill was ended before the table was
		}
		at := tables[i].At
		for _, v := range l.views {
			if v.err != nil {
				p.sink.Event(trace.Note{At: at, Text: v.err.Error()})
				continue
			}
			p.sink.Evidence(backend.IstioctlFile(v.x.Name, at), []byte(v.text))
			v.elsewhere(p.home, places)
			if v.still == nil || v.moved(changes, origin) {
				continue
			}
			if ds := v.differs(p.home); ds != "" {
				p.sink.Event(trace.Note{At: at, Text: trace.TwoViews + ds})
			}
		}
	}
}
