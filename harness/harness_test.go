package harness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/fixtures"
	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/model"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

var update = flag.Bool("update", false, "write the golden files")

func drills(t testing.TB, o harness.Options, paths ...string) []*schedule.Drill {
	t.Helper()
	in, err := scenario.Load(scenario.Disk(), paths)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := harness.Drills(in, o)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

const invalidPort = "scenarios/failover/external-failover-invalid-port.yaml"

// everything is all embedded scenarios, and every recipe that a drill can be made of.
func everything(t testing.TB) []*schedule.Drill {
	t.Helper()
	ds := drills(t, harness.Options{}, "scenarios")
	recipes, err := fs.ReadDir(fixtures.FS, "recipes")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes {
		in, err := scenario.Load(scenario.Disk(), []string{"fixtures/recipes/" + r.Name()})
		if err != nil {
			t.Fatal(err)
		}
		more, err := harness.Drills(in, harness.Options{})
		var none scenario.Problems
		if errors.As(err, &none) {
			continue // a rule without a service
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range more {
			d.Name = r.Name() + ": " + d.Name
		}
		ds = append(ds, more...)
	}
	return ds
}

// plans is the document that plan -o json writes.
func plans(t testing.TB, ds []*schedule.Drill) []byte {
	t.Helper()
	doc := result.Document[result.Plan]{Schema: result.PlanSchema}
	for _, d := range ds {
		doc.Results = append(doc.Results, harness.Plan(d).Plan)
	}
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGoldenPlan is what is predicted of every drill that comes with the
// program. The diff of an update is the review.
func TestGoldenPlan(t *testing.T) {
	var b strings.Builder
	for _, d := range everything(t) {
		b.WriteString(compact(harness.Plan(d).Plan))
	}
	golden(t, "testdata/plan.golden", b.String())
}

// compact is a plan in a few lines.
func compact(p result.Plan) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	after := func(f *float64) string {
		if f == nil {
			return "never"
		}
		return fmt.Sprintf("%.4gs", *f)
	}
	line("%s: %s, %s", p.Name, p.Outcome, p.Verdict)
	line("  %s; %s; istio %s envoy %s seed %d", p.Client, p.Fault, p.Profile.Istio, p.Profile.Envoy, p.Seed)
	line("  %d requests, %d errors, %d of returns; failover %s, return %s", p.Requests, p.ClientErrors, p.ReturnErrors, after(p.FailoverAfter), after(p.ReturnAfter))
	for _, e := range p.Expectations {
		line("  %s %s: %s", e.Verdict, e.Name, e.Observed)
	}
	for _, ph := range p.Phases {
		line("  %.4g-%.4g: %d requests, %d errors, %v %v %v", ph.From, ph.To, ph.Requests, ph.Errors, ph.Share, ph.Statuses, ph.Flags)
	}
	for i, e := range p.Events {
		if i == 12 {
			line("  and %d more events", len(p.Events)-i)
			break
		}
		line("  at %.6g %s %s %s %s", e.At, e.Upstream, e.Address, e.Event, e.Cause)
	}
	for _, u := range slices.Sorted(mapsKeys(p.Counters)) {
		line("  %s: %+v", u, p.Counters[u])
	}
	if n := len(p.Endpoints); n > 0 {
		for _, r := range p.Endpoints[n-1].Rows {
			line("  %s %s priority %d %s / %s, ejected %d times", r.Address, r.Locality, r.Priority, r.Status, r.OutlierCheck, r.Ejections)
		}
	}
	for _, c := range p.Causes {
		fix := "no fix"
		if c.Fix != nil {
			fix = fmt.Sprintf("%s: %q to %q", c.Fix.Field, c.Fix.From, c.Fix.To)
		}
		line("  cause %s %s:%d %s; %s", c.Code, c.File, c.Line, c.Field, fix)
	}
	for _, n := range p.NotModelled {
		line("  not modelled: %s:%d %s, decides %v", n.File, n.Line, n.Field, n.Decides)
	}
	for _, x := range p.Problems {
		line("  problem: %s", x)
	}
	return b.String() + "\n"
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (want - got +; -update accepts):\n%s", file, d)
	}
}

func TestTheSamePlanTwiceIsTheSameBytes(t *testing.T) {
	if a, b := plans(t, everything(t)), plans(t, everything(t)); !bytes.Equal(a, b) {
		t.Errorf("two plans differ:\n%s", cmp.Diff(string(a), string(b)))
	}
	const chance = "scenarios/locality/no-outlier-detection.yaml"
	a, b := plans(t, drills(t, harness.Options{Seed: 1}, chance)), plans(t, drills(t, harness.Options{Seed: 2}, chance))
	if bytes.Equal(bytes.ReplaceAll(a, []byte(`"seed": 1`), nil), bytes.ReplaceAll(b, []byte(`"seed": 2`), nil)) {
		t.Error("another seed plans the same drill of chance")
	}
}

// The recipe as published, in the numbers that were measured
// (../shared/recipes/external-failover.md).
func TestTheRecipeAsMeasured(t *testing.T) {
	p := harness.Plan(drills(t, harness.Options{}, invalidPort)[0])
	if p.Outcome != result.NeverFailsOver || p.Verdict != result.Pass || p.Requests != 5 || p.ClientErrors != 5 {
		t.Errorf("%s, %s, %d of %d failed", p.Outcome, p.Verdict, p.ClientErrors, p.Requests)
	}
	if east := p.Counters["east"]; east.Charged != 15 || east.Overflow != 18 || east.Ejections != 0 {
		t.Errorf("counters of east: %+v; want 15 charged, 18 overflows, no ejection", east)
	}
	if c := p.Causes; len(c) == 0 || c[0].Code != "maxEjectionPercent" || c[0].Fix == nil || !c[0].Fix.Confirmed {
		t.Errorf("causes: %+v", c)
	}
	fixed, _, ok := harness.Repair(p.Drill)
	if !ok {
		t.Fatal("nothing repairs it")
	}
	q := harness.Plan(fixed)
	if q.Outcome != result.FailsOver || q.ClientErrors != 0 || q.Counters["west"].Ejections != 0 || q.Phases[len(q.Phases)-1].Share["west"] != 1 {
		t.Errorf("repaired: %s, %d errors, %+v", q.Outcome, q.ClientErrors, q.Phases)
	}
	if _, _, ok := harness.Repair(fixed); ok {
		t.Error("a drill that passes is repaired")
	}
	old, err := istio.ParseProfile("1.19")
	if err != nil {
		t.Fatal(err)
	}
	if p := harness.Plan(drills(t, harness.Options{Profile: &old}, invalidPort)[0]); p.Outcome != result.FailsOver {
		t.Errorf("on Istio 1.19: %s", p.Outcome)
	}
}

func TestDrillsOfNoUse(t *testing.T) {
	in, err := scenario.Load(scenario.Disk(), []string{"fixtures/recipes/forecast-mtls", invalidPort})
	if err != nil {
		t.Fatal(err)
	}
	_, err = harness.Drills(in, harness.Options{Duration: 10 * time.Second})
	var ps scenario.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("got %v; want problems", err)
	}
	for _, want := range []string{"no drill can be made of it", "spec.expect[1]: lasts to 20s, after the end of the drill (--duration 10s)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %q", err, want)
		}
	}
}

// sick is a backend that breaks, or lacks something.
type sick struct {
	missing []backend.Missing
	err     error
	play    func(backend.Sink)
}

func (sick) Name() string                                   { return "sick" }
func (s sick) Missing(*schedule.Schedule) []backend.Missing { return s.missing }
func (s sick) Play(_ context.Context, _ *schedule.Schedule, sink backend.Sink) error {
	if s.play != nil {
		s.play(sink)
	}
	return s.err
}

func TestRunSaysWhatHappened(t *testing.T) {
	rejected := filepath.Join(t.TempDir(), "rejected.yaml")
	write(t, rejected, `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}, {address: 10.0.0.2}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec: {host: mydb.com, trafficPolicy: {outlierDetection: {maxEjectionPercent: 200}}}
`)
	done, stop := context.WithCancel(context.Background())
	stop()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		drill   string
		backend backend.Backend
		scale   float64
		verdict result.Verdict
		reason  string
	}{
		{"it passes", context.Background(), invalidPort, model.Backend{}, 1, result.Pass, ""},
		{"scaled, it passes", context.Background(), invalidPort, model.Backend{}, 10, result.Pass, ""},
		{"a backend that lacks something", context.Background(), invalidPort, sick{missing: []backend.Missing{{Feature: "wings", Why: "it is a stone"}}}, 1, result.Skip, "sick lacks wings: it is a stone"},
		{"a backend that breaks", context.Background(), invalidPort, sick{err: errors.New("no sockets left")}, 1, result.Error, "playing external-failover-invalid-port on sick: no sockets left"},
		{"a backend that stops early", context.Background(), invalidPort, sick{}, 1, result.Error, "the run was not played to its end"},
		{"interrupted before its turn", done, invalidPort, model.Backend{}, 1, result.Error, "interrupted"},
		{"interrupted in the middle", context.Background(), invalidPort, sick{err: context.Canceled}, 1, result.Error, "interrupted"},
		{"a configuration that is rejected", context.Background(), rejected, model.Backend{}, 1, result.Error, "the configuration is rejected: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "runs")
			if err := harness.NewRoot(root); err != nil {
				t.Fatal(err)
			}
			f, err := harness.NewFolder(root, "run")
			if err != nil {
				t.Fatal(err)
			}
			p := harness.Run(c.ctx, drills(t, harness.Options{}, c.drill)[0], c.backend, harness.RunOptions{Scale: c.scale, Folder: f})
			if p.Verdict != c.verdict || !strings.HasPrefix(p.Reason, c.reason) || c.reason == "" && p.Reason != "" {
				t.Errorf("got %s: %s\nwant %s: %s", p.Verdict, p.Reason, c.verdict, c.reason)
			}
			stored := verdictOf(t, f.Path())
			if stored.Verdict != p.Verdict || stored.Reason != p.Reason || stored.Scale != p.Scale {
				t.Errorf("stored: %s: %s", stored.Verdict, stored.Reason)
			}
			if left, _ := filepath.Glob(filepath.Join(f.Path(), "*.tmp")); len(left) > 0 {
				t.Errorf("half-written: %v", left)
			}
		})
	}
}

func TestRunWithoutAFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	var events int
	p := harness.Run(context.Background(), drills(t, harness.Options{}, invalidPort)[0], model.Backend{}, harness.RunOptions{Progress: func(trace.Event) { events++ }})
	if p.Verdict != result.Pass || p.Folder != "" || events == 0 {
		t.Errorf("%s in %q with %d events", p.Verdict, p.Folder, events)
	}
	if left, _ := os.ReadDir("."); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// A live backend writes requests as they end; what is judged is in order of time.
func TestRunPutsTheTraceInOrder(t *testing.T) {
	d := drills(t, harness.Options{}, invalidPort)[0]
	shuffled := sick{play: func(sink backend.Sink) {
		tr := harness.Plan(d).Trace
		slices.Reverse(tr.Requests)
		_ = tr.Events(func(e trace.Event) error { sink.Event(e); return nil })
	}}
	p := harness.Run(context.Background(), d, shuffled, harness.RunOptions{})
	if p.Verdict != result.Pass {
		t.Errorf("%s: %s %+v", p.Verdict, p.Reason, p.Divergence)
	}
	if !slices.IsSortedFunc(p.Observed.Requests, func(a, b trace.Request) int { return int(a.At - b.At) }) {
		t.Error("the requests are not in order of time")
	}
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func verdictOf(t testing.TB, dir string) result.Run {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc result.Document[result.Run]
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Results) != 1 || doc.Schema != result.RunSchema {
		t.Fatalf("%v\n%s", err, b)
	}
	return doc.Results[0]
}
