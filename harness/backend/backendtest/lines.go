package backendtest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/trace"
)

// lines tells a trace in order of time.
func lines(tr *trace.Trace) []string {
	type line struct {
		at   trace.Sec
		text string
	}
	var ls []line
	add := func(at trace.Sec, format string, args ...any) {
		ls = append(ls, line{at, fmt.Sprintf("%9.4f ", at.Seconds()) + fmt.Sprintf(format, args...)})
	}
	host := func(h int32) string { return tr.UpstreamName(tr.UpstreamOf(h)) }
	for _, s := range tr.Steps {
		add(s.At, "step %s, done %.4f, witness %q %.4f %s", s.Name, s.Done.Seconds(), s.Witness, s.Witnessed.Seconds(), s.Error)
	}
	for _, c := range tr.Changes {
		add(c.At, "client %d: %s %s by %s, until %.4f", c.Client, host(c.Host), c.Event, c.Cause, c.Until.Seconds())
	}
	for _, l := range tr.Loads {
		add(l.At, "client %d: load %v panic %v", l.Client, l.Percent, l.Panic)
	}
	for _, a := range tr.Attempts {
		add(a.At, "client %d: request %d attempt %d on %s: %s %d charged %v, done %.4f", a.Client, a.Request, a.N, host(a.Host), a.Result, a.Status, a.Charged, a.Done.Seconds())
	}
	for _, r := range tr.Requests {
		add(r.Done, "client %d: request %d, due %.4f sent %.4f: %d from %s, %d attempts, flags %s %s", r.Client, r.N, r.At.Seconds(), r.Sent.Seconds(), r.Status, tr.UpstreamName(r.Upstream), r.Attempts, r.Flags, r.Error)
	}
	for _, n := range tr.Notes {
		add(n.At, "%s", n.Text)
	}
	slices.SortStableFunc(ls, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	var out []string
	for _, l := range ls {
		out = append(out, l.text)
	}
	return out
}
