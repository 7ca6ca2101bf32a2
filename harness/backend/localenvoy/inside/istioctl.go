package inside

import (
	"context"
	"runtime"
	"strings"
	"sync"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/istioctl"
	"github.com/faildrill/faildrill/harness/trace"
)

// answer is what a proxy said of its endpoints when a table was made of it.
type answer struct {
	x    *proxy
	json []byte // /clusters?format=json
}

// secondView lets istioctl read the same answers as the endpoint tables, keeps what
// it prints, and notes where the two differ. It runs after the drill: the
// program is large, and its start would be felt.
func (p *player) secondView(ctx context.Context) {
	if p.o.Istioctl.Path == "" || p.o.Packed {
		return
	}
	tables := p.book.Tables()
	p.mu.Lock()
	answers := p.answers
	p.mu.Unlock()
	slots := make(chan struct{}, runtime.NumCPU())
	var reading sync.WaitGroup
	for i := range min(len(tables), len(answers)) {
		for _, a := range answers[i] {
			reading.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if why := p.compare(ctx, tables[i], a); why != "" {
					p.sink.Event(trace.Note{At: tables[i].At, Text: trace.TwoViews + why})
				}
			})
		}
	}
	reading.Wait()
}

// compare is how istioctl's table of an answer differs from the drill's; "" if it does not.
func (p *player) compare(ctx context.Context, table trace.Endpoints, a answer) string {
	text, err := istioctl.Endpoints(ctx, p.o.Istioctl.Path, a.json, p.place.dir())
	if err != nil {
		return err.Error()
	}
	p.sink.Evidence(backend.IstioctlFile(a.x.Name, table.At), []byte(text))
	theirs, err := istioctl.Parse(text)
	if err != nil {
		return err.Error()
	}
	for i := range theirs {
		theirs[i].Endpoint = p.home(theirs[i].Endpoint)
	}
	var own []trace.Row
	for _, r := range table.Rows {
		if p.proxies[r.Client] == a.x {
			own = append(own, r)
		}
	}
	return strings.Join(istioctl.Differences(own, theirs), "; ")
}
