package explain_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

var update = flag.Bool("update", false, "write the golden files")

func inputs(t testing.TB, paths ...string) []*scenario.Input {
	t.Helper()
	in, err := scenario.Load(scenario.Disk(), paths)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// load reads a file that is given as text.
func load(t testing.TB, text string) *scenario.Input {
	t.Helper()
	name := filepath.Join(t.TempDir(), "drill.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return inputs(t, name)[0]
}

// drill is a drill with what came out of it.
type drill struct {
	*schedule.Compiled
	trace  *trace.Trace
	impact check.Impact
}

func play(t testing.TB, d *schedule.Drill) drill {
	t.Helper()
	c := d.Compile()
	for _, ts := range c.Translations {
		for i := range ts {
			if len(ts[i].Rejected) > 0 {
				t.Fatalf("istiod rejects it: %v", ts[i].Rejected)
			}
		}
	}
	tr := engine.Play(c.Schedule)
	return drill{c, tr, check.Outcome(tr)}
}

func scene(t testing.TB, in *scenario.Input, profile string) drill {
	t.Helper()
	o := schedule.Options{}
	if profile != "" {
		p, err := istio.ParseProfile(profile)
		if err != nil {
			t.Fatal(err)
		}
		o.Profile = &p
	}
	d, err := schedule.New(in, o)
	if err != nil {
		t.Fatal(err)
	}
	return play(t, d)
}

func (d drill) causes() []result.Cause { return explain.Causes(d.Compiled, d.trace, d.impact) }

// recipe is a drill in one file: mydb.com with these endpoints and further
// documents, and a fault of east at 10 s.
func recipe(endpoints, fault, more string) string {
	return fmt.Sprintf(`apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: drill}
spec:
  duration: 130s
  clients: [{name: sleep, locality: us-east1/a, traffic: {url: "http://mydb.com/", every: 2s, start: 300ms}}]
  timeline: [{at: 9.5s, fault: {upstream: east, %s}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  location: MESH_EXTERNAL
  resolution: DNS
  endpoints: %s
%s`, fault, endpoints, more)
}

const twoRegions = `[{address: east.x, locality: us-east1/a}, {address: west.x, locality: us-west1/b}]`

func rule(policy string) string {
	return `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: mydb}
spec:
  host: mydb.com
  trafficPolicy: ` + policy + "\n"
}

// first checks the first cause and its fix.
func first(t *testing.T, d drill, want result.Cause) result.Cause {
	t.Helper()
	cs := d.causes()
	if len(cs) == 0 {
		t.Fatalf("no cause of %s with %d errors", d.impact.Outcome, d.impact.Errors)
	}
	c := cs[0]
	got := result.Cause{Code: c.Code, Field: c.Field, Line: c.Line, Default: c.Default, Since: c.Since, Message: want.Message}
	if c.Fix != nil {
		got.Fix = &result.Fix{Field: c.Fix.Field, From: c.Fix.From, To: c.Fix.To, Confirmed: c.Fix.Confirmed}
	}
	if df := cmp.Diff(want, got); df != "" {
		t.Errorf("want - got +\n%s", df)
	}
	if !strings.Contains(c.Message, want.Message) {
		t.Errorf("the message is %q; want %q in it", c.Message, want.Message)
	}
	return c
}

// repaired checks that the fix really makes the drill pass, also when what is
// lost resolves to several addresses.
func repaired(t *testing.T, d drill) {
	t.Helper()
	fixed, _, ok := explain.Repair(d.Compiled, d.trace, d.impact)
	if !ok {
		t.Fatal("nothing repairs it")
	}
	if im := play(t, fixed).impact; !im.Outcome.Passes() {
		t.Errorf("repaired, it still is %s with %d errors", im.Outcome, im.Errors)
	}
	for i, docs := range fixed.Compile().Schedule.Documents {
		for _, doc := range docs {
			if doc.YAML == "" {
				t.Errorf("configuration %d: %s %s has no text", i, doc.Kind, doc.Name)
			}
		}
	}
}

const budgetField = "spec.trafficPolicy.outlierDetection.maxEjectionPercent"

func TestTheRecipe(t *testing.T) {
	want := result.Cause{
		Code: "maxEjectionPercent", Field: budgetField, Line: 9, Default: "10", Since: "Envoy 1.28 (Istio 1.20)",
		Message: "maxEjectionPercent (not set, default 10 %) of 2 hosts = 0 ejections",
		// 50 would do for two hosts, and not when the names resolve to more addresses.
		Fix: &result.Fix{Field: budgetField, To: "100", Confirmed: true},
	}
	ds, err := schedule.Drills(inputs(t, "fixtures/recipes/external-failover")[0], schedule.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 3} { // each client loses its own region
		d := play(t, ds[i])
		c := first(t, d, want)
		if !strings.HasSuffix(c.File, "external-failover/destinationrule.yaml") {
			t.Errorf("%s: points at %s", ds[i].Name, c.File)
		}
		repaired(t, d)
	}
	for _, i := range []int{1, 2} {
		if cs := play(t, ds[i]).causes(); len(cs) != 0 {
			t.Errorf("%s: no impact has causes: %+v", ds[i].Name, cs)
		}
	}
	d := scene(t, inputs(t, "scenarios/failover/external-failover-invalid-port.yaml")[0], "")
	first(t, d, want)
	repaired(t, d)
	if cs := scene(t, inputs(t, "scenarios/failover/external-failover-invalid-port.yaml")[0], "1.19").causes(); len(cs) != 1 || cs[0].Code != "retries-hide" {
		t.Errorf("on Istio 1.19: %+v", cs)
	}
}

// What is proposed can be applied: it is read like any other file, and passes.
func TestAProposedPatchIsARule(t *testing.T) {
	for _, c := range []struct {
		name, text, to string
	}{
		{"a changed rule", recipe(twoRegions, "refuse: true", rule("{outlierDetection: {consecutive5xxErrors: 1}}")), "100"},
		{"a new rule", recipe(twoRegions, "status: 500", ""), "{consecutive5xxErrors: 1, maxEjectionPercent: 100}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := scene(t, load(t, c.text), "")
			cause := d.causes()[0]
			if cause.Fix == nil || cause.Fix.To != c.to {
				t.Fatalf("fix: %+v", cause.Fix)
			}
			repaired(t, d)
			base, _, _ := strings.Cut(c.text, "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule")
			if im := scene(t, load(t, base+"---\n"+cause.Fix.Patch), "").impact; !im.Outcome.Passes() {
				t.Errorf("with the patch it is %s\n%s", im.Outcome, cause.Fix.Patch)
			}
		})
	}
}

func TestNoOutlierDetection(t *testing.T) {
	d := scene(t, load(t, recipe(twoRegions, "status: 500", "")), "")
	first(t, d, result.Cause{
		Code: "no-outlier-detection", Field: "spec.trafficPolicy.outlierDetection", Line: 12, Default: "none",
		Message: "locality failover is off, so that the endpoints of 2 localities share one priority",
		Fix:     &result.Fix{Field: "DestinationRule spec.trafficPolicy.outlierDetection", To: "{consecutive5xxErrors: 1, maxEjectionPercent: 100}", Confirmed: true},
	})
	d = scene(t, load(t, recipe(twoRegions, "status: 500", rule("{loadBalancer: {simple: ROUND_ROBIN}}"))), "")
	first(t, d, result.Cause{
		Code: "no-outlier-detection", Field: "spec.trafficPolicy.outlierDetection", Line: 24, Default: "none", Message: "no outlierDetection",
		Fix: &result.Fix{Field: "spec.trafficPolicy.outlierDetection", To: "{consecutive5xxErrors: 1, maxEjectionPercent: 100}", Confirmed: true},
	})
	repaired(t, d)
}

func TestABudgetThatIsUsedUp(t *testing.T) {
	d := scene(t, inputs(t, "scenarios/outlier/max-ejection-percent-boundary.yaml")[0], "")
	first(t, d, result.Cause{
		Code: "maxEjectionPercent", Field: budgetField, Line: 50, Message: "maxEjectionPercent 66 % of 3 hosts = at most 1 out at a time",
		Fix: &result.Fix{Field: budgetField, From: "66", To: "100", Confirmed: true},
	})
	repaired(t, d)
}

func TestAThresholdThatIsNotReached(t *testing.T) {
	d := scene(t, inputs(t, "scenarios/outlier/success-ends-a-run.yaml")[0], "")
	cs := d.causes()
	if len(cs) == 0 || cs[0].Code != "threshold-not-reached" || !strings.Contains(cs[0].Message, "never 2 in a row") {
		t.Fatalf("got %+v", cs)
	}
	if f := cs[0].Fix; f != nil && (f.To != "1" || f.From != "2") {
		t.Errorf("fix %+v; want consecutive5xxErrors 2 to 1", f)
	}
}

// The fix changes the block that is in force, and no other.
func TestTheBlockThatDecides(t *testing.T) {
	const od = "outlierDetection: {consecutive5xxErrors: 1}"
	whole := "outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}"
	route := `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  http: [{route: [{destination: {host: mydb.com, subset: all}}]}]
`
	for _, c := range []struct{ name, more, field string }{
		{
			"a port",
			rule("{" + whole + ", portLevelSettings: [{port: {number: 443}, " + whole + "}, {port: {number: 80}, " + od + "}]}"),
			"spec.trafficPolicy.portLevelSettings[1].outlierDetection.maxEjectionPercent",
		},
		{
			"a subset",
			rule("{"+whole+"}") + "  subsets: [{name: none}, {name: all, trafficPolicy: {" + od + "}}]\n" + route,
			"spec.subsets[1].trafficPolicy.outlierDetection.maxEjectionPercent",
		},
		{
			"a port of a subset",
			rule("{"+whole+"}") + "  subsets: [{name: all, trafficPolicy: {" + whole + ", portLevelSettings: [{port: {number: 80}, " + od + "}]}}]\n" + route,
			"spec.subsets[0].trafficPolicy.portLevelSettings[0].outlierDetection.maxEjectionPercent",
		},
		{
			"a subset that leaves it to the rule",
			rule("{"+od+"}") + "  subsets: [{name: all}]\n" + route,
			budgetField,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := scene(t, load(t, recipe(twoRegions, "refuse: true", c.more)), "")
			cs := d.causes()
			if len(cs) == 0 || cs[0].Field != c.field || cs[0].Fix == nil || cs[0].Fix.Field != c.field {
				t.Fatalf("%s: got %+v", d.impact.Outcome, cs)
			}
			repaired(t, d)
		})
	}
}

func TestStandingCauses(t *testing.T) {
	for _, c := range []struct{ scenario, code, field, to string }{
		{"scenarios/locality/failover-from-mismatch.yaml", "failover-from", "spec.trafficPolicy.loadBalancer.localityLbSetting.failover[0].from", "us-east1"},
		{"scenarios/locality/endpoint-without-locality.yaml", "endpoint-without-locality", "spec.endpoints[0].locality", ""},
	} {
		d := scene(t, inputs(t, c.scenario)[0], "")
		if !d.impact.Outcome.Passes() {
			t.Errorf("%s: %s; these causes matter although the drill passes", c.scenario, d.impact.Outcome)
		}
		cs := d.causes()
		cs = slices.DeleteFunc(cs, func(c result.Cause) bool { return c.Code == "retries-hide" })
		if len(cs) != 1 || cs[0].Code != c.code || cs[0].Field != c.field || cs[0].Fix == nil || !cs[0].Fix.Confirmed || c.to != "" && cs[0].Fix.To != c.to {
			t.Errorf("%s: got %+v", c.scenario, cs)
		}
	}
}

func TestReturnsCost(t *testing.T) {
	// Without retries every return of the host that is still broken costs a request.
	d := scene(t, load(t, recipe(twoRegions, "refuse: true", rule("{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100, interval: 5s, baseEjectionTime: 20s}}")+`---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  http: [{route: [{destination: {host: mydb.com}}], retries: {attempts: 0}}]
`)), "")
	if d.impact.Outcome != result.FailsOver || d.impact.ReturnErrors == 0 {
		t.Fatalf("%s with %d errors of returns", d.impact.Outcome, d.impact.ReturnErrors)
	}
	cs := d.causes()
	if len(cs) != 1 || cs[0].Code != "return-cost" || cs[0].Field != "spec.trafficPolicy.outlierDetection.baseEjectionTime" || !strings.Contains(cs[0].Message, "client errors") {
		t.Errorf("got %+v", cs)
	}
}

// A rule that a step brings is the one to change, and its text is complete.
func TestTheRuleOfAStep(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("rule.yaml", strings.TrimPrefix(rule("{outlierDetection: {consecutive5xxErrors: 1}}"), "---\n"))
	text := strings.Replace(recipe(twoRegions, "refuse: true", ""), "timeline: [", "timeline: [{at: 1s, apply: rule.yaml}, ", 1)
	d := scene(t, inputs(t, write("drill.yaml", text))[0], "")
	cs := d.causes()
	if len(cs) == 0 || cs[0].Code != "maxEjectionPercent" || cs[0].Fix == nil || !strings.Contains(cs[0].Fix.Patch, "maxEjectionPercent: 100") {
		t.Fatalf("got %+v", cs)
	}
	repaired(t, d)
}

func TestTotalLossHasNoFix(t *testing.T) {
	d := scene(t, load(t, recipe(`[{address: east.x, locality: us-east1}]`, "refuse: true", rule("{outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}}"))), "")
	if d.impact.Outcome != result.TotalLoss {
		t.Fatalf("got %s", d.impact.Outcome)
	}
	for _, c := range d.causes() {
		if c.Fix != nil {
			t.Errorf("a fix for the loss of everything: %+v", c)
		}
	}
}

func TestGoldenLint(t *testing.T) {
	var b strings.Builder
	paths := []string{"scenarios"}
	recipes, err := os.ReadDir("../../fixtures/recipes")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes {
		paths = append(paths, "fixtures/recipes/"+r.Name())
	}
	for _, p := range paths {
		for _, in := range inputs(t, p) {
			p := istio.DefaultProfile()
			if in.Scenario != nil && in.Scenario.Spec.Profile != "" {
				if p, err = istio.ParseProfile(in.Scenario.Spec.Profile); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Fprintf(&b, "# %s\n", in.File)
			for _, d := range explain.Lint(in, p) {
				fmt.Fprintf(&b, "%s: %s: %s [%s]\n", d.Pos, d.Severity, d.Message, d.Code)
				if d.Fix != "" {
					fmt.Fprintf(&b, "  fix: %s\n", d.Fix)
				}
			}
		}
	}
	golden(t, "testdata/lint.golden", b.String())
}

// golden compares a text with a file; -update writes it.
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
