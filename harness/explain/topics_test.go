package explain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// Everything that faildrill says or reads can be explained: one topic each, with a text.
func TestEveryTopic(t *testing.T) {
	topics := explain.Topics(inputs(t, "scenarios"))
	has := map[string]bool{}
	for _, topic := range topics {
		key := topic.Group + " " + topic.Name
		if has[key] {
			t.Errorf("%s is there twice", key)
		}
		has[key] = true
		if strings.TrimSpace(topic.Text) == "" {
			t.Errorf("%s says nothing", key)
		}
	}
	want := func(group string, names ...string) {
		for _, n := range names {
			if !has[group+" "+n] {
				t.Errorf("no %s %s", group, n)
			}
		}
	}
	want(explain.GroupCause, explain.Codes()...)
	want(explain.GroupFault, schedule.Status, schedule.Delay, schedule.Refuse, schedule.Blackhole, schedule.Reset, schedule.Hang, schedule.SlowBody, schedule.CloseAfter)
	want(explain.GroupFlag, trace.FlagLetters()...)
	for _, o := range []result.Outcome{result.NoImpact, result.FailsOver, result.Partial, result.NeverFailsOver, result.TotalLoss, result.Rejected} {
		want(explain.GroupOutcome, string(o))
	}
	for _, v := range []result.Verdict{result.Pass, result.Fail, result.Skip, result.Inconclusive, result.Error} {
		want(explain.GroupVerdict, string(v))
	}
	fields := 0
	for _, topic := range topics {
		if topic.Group == explain.GroupField {
			fields++
		}
	}
	if n := len(istio.Fields()); fields != n {
		t.Errorf("%d fields, and the translation knows %d", fields, n)
	}
	// What is told of a field that is read cannot be left over from one that is gone.
	for _, name := range explain.FieldTexts() {
		if !slices.ContainsFunc(istio.Fields(), func(f istio.Field) bool { return f.Name == name && f.Why == "" }) {
			t.Errorf("%s has a text, and the translation does not read it", name)
		}
	}
	// A cause that a field decides names one of them.
	for _, topic := range topics {
		for _, f := range topic.Facts {
			if f.Label == "decided by" && !has[explain.GroupField+" "+f.Text] {
				t.Errorf("%s is decided by %s, which is no field", topic.Name, f.Text)
			}
		}
	}
}

// Each cause has a scenario that says it teaches it, and shows it first.
func TestEveryCauseIsTaught(t *testing.T) {
	taught := map[string]bool{
		// Connections are not played; TestTLSPassThrough has it.
		explain.CodeTLSPassThrough: true,
	}
	for _, in := range inputs(t, "scenarios") {
		code := in.Scenario.Metadata.Labels[explain.LabelCause]
		if code == "" {
			continue
		}
		d, err := schedule.New(in, schedule.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cs := harness.Plan(d).Causes
		if len(cs) == 0 || cs[0].Code != code {
			t.Errorf("%s teaches %s; its causes are %+v", in.File, code, cs)
		}
		taught[code] = true
	}
	for _, code := range explain.Codes() {
		if !taught[code] {
			t.Errorf("no scenario has the label cause: %s", code)
		}
	}
}

// A topic is found by its name, or by the end of a field's path.
func TestFind(t *testing.T) {
	topics := explain.Topics(nil)
	for _, c := range []struct{ word, want, nearest string }{
		{"maxEjectionPercent", "cause maxEjectionPercent, field OutlierDetection.maxEjectionPercent", ""},
		{"spec.trafficPolicy.outlierDetection.interval", "field OutlierDetection.interval", ""},
		{"outlierdetection.INTERVAL", "field OutlierDetection.interval", ""},
		{"refuse", "fault refuse", ""},
		{"uh", "response flag UH", ""},
		{"panic", "cause panic", ""},
		{"total-los", "", "total-loss"},
		{"baseEjectonTime", "", "baseEjectionTime"},
		{"nothing like it", "", ""},
		{"", "", ""},
	} {
		found, nearest := explain.Find(topics, c.word)
		var got []string
		for _, f := range found {
			got = append(got, f.Group+" "+f.Name)
		}
		if s := strings.Join(got, ", "); s != c.want || nearest != c.nearest {
			t.Errorf("%q: got %q, nearest %q; want %q, %q", c.word, s, nearest, c.want, c.nearest)
		}
	}
}
