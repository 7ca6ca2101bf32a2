package backendtest

import (
	"bytes"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faildrill/faildrill/harness/trace"
)

// ordered holds the order in which events reached the sink: what one client's
// proxy decided comes in order of time.
func (p *played) ordered() {
	p.Helper()
	type kindOf struct {
		kind   string
		client int32
	}
	last := map[kindOf]trace.Sec{}
	after := func(kind string, client int32, at trace.Sec) {
		k := kindOf{kind, client}
		if at < last[k] {
			p.Errorf("a %s of client %d at %v comes after one at %v", kind, client, at.D(), last[k].D())
		}
		last[k] = at
	}
	for _, c := range p.tr.Changes {
		after("change", c.Client, c.At)
	}
	for _, l := range p.tr.Loads {
		after("load", l.Client, l.At)
	}
	for _, a := range p.tr.Attempts {
		after("attempt", a.Client, a.Done)
	}
	for _, e := range p.tr.Endpoints {
		after("endpoint table", 0, e.At)
	}
}

// wellFormed holds what is true of every trace.
func (p *played) wellFormed() {
	p.Helper()
	if _, ok := p.first.(trace.Run); !ok {
		p.Errorf("the first event is %T, want trace.Run", p.first)
	}
	if _, ok := p.last.(trace.End); !ok || !p.tr.Ended {
		p.Errorf("the last event is %T, want trace.End", p.last)
	}
	var b bytes.Buffer
	if err := trace.Write(&b, p.tr); err != nil {
		p.Fatalf("writing the trace: %v", err)
	}
	got, err := trace.Read(&b)
	if err != nil {
		p.Fatalf("reading the trace: %v", err)
	}
	if d := cmp.Diff(p.tr, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(trace.Trace{})); d != "" {
		p.Errorf("written and read again, the trace differs:\n%s", d)
	}
	if len(p.tr.Endpoints) != len(p.s.Observe) {
		p.Errorf("got %d endpoint tables, want %d", len(p.tr.Endpoints), len(p.s.Observe))
	}
	p.requests()
}

// requests: each has one record, and one record for each of its attempts.
func (p *played) requests() {
	p.Helper()
	type key struct{ client, n int32 }
	attempts := map[key]int32{}
	for _, a := range p.tr.Attempts {
		k := key{a.Client, a.Request}
		if attempts[k]++; a.N != attempts[k] || a.At > a.Done {
			p.Errorf("attempt %d of request %v: found after %d others, from %v to %v", a.N, k, attempts[k]-1, a.At.D(), a.Done.D())
		}
	}
	seen := map[key]bool{}
	for _, r := range p.tr.Requests {
		k := key{r.Client, r.N}
		if seen[k] {
			p.Errorf("request %v has two records", k)
		}
		seen[k] = true
		due := p.s.Clients[r.Client].Load.Due(int(r.N))
		if r.At != due || r.Sent < r.At || r.Done < r.Sent {
			p.Errorf("request %v: due %v, at %v, sent %v, done %v", k, due.D(), r.At.D(), r.Sent.D(), r.Done.D())
		}
		// One that the end of the drill cut off may lack the record of its last attempt.
		if r.Attempts != attempts[k] && r.Done < p.s.Duration {
			p.Errorf("request %v: says %d attempts, and %d are recorded", k, r.Attempts, attempts[k])
		}
	}
	for i := range p.s.Clients {
		for n := range p.s.Clients[i].Load.Count {
			if !seen[key{int32(i), int32(n)}] {
				p.Errorf("request %d of client %d has no record", n, i)
			}
		}
	}
}

// witnessed: every step was carried out on time, and somebody saw it.
func (p *played) witnessed() {
	p.Helper()
	if len(p.tr.Steps) != len(p.s.Steps) {
		p.Fatalf("got %d steps, want %d", len(p.tr.Steps), len(p.s.Steps))
	}
	for i, s := range p.tr.Steps {
		if int(s.Index) != i || s.At != p.s.Steps[i].At || s.Done < s.At || s.Done > s.At+p.slack {
			p.Errorf("step %d: index %d, due %v, done %v", i, s.Index, s.At.D(), s.Done.D())
		}
		if s.Witness == "" || s.Witnessed < s.Done || s.Error != "" {
			p.Errorf("step %d (%s): witness %q at %v, error %q", i, s.Name, s.Witness, s.Witnessed.D(), s.Error)
		}
	}
}
