package explain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/result"
)

// Tests that the kill list asked for: without them a mutant survived.

func cause(d drill, code string) (result.Cause, bool) {
	cs := d.causes()
	i := slices.IndexFunc(cs, func(c result.Cause) bool { return c.Code == code })
	if i < 0 {
		return result.Cause{}, false
	}
	return cs[i], true
}

// One host has nobody to leave its traffic to: that it is not ejected is no cause.
func TestRuleNoOutlierDetection(t *testing.T) {
	d := scene(t, load(t, recipe(`[{address: east.x, locality: us-east1}]`, "refuse: true", "")), "")
	if c, ok := cause(d, "no-outlier-detection"); ok {
		t.Errorf("one host: got %+v", c)
	}
}

// A failover rule that is for the client's region is enough, wherever it stands;
// and as long as the own region answers, the missing one changes nothing.
func TestRuleFailoverFrom(t *testing.T) {
	od := "outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}, loadBalancer: {localityLbSetting: {failover: "
	three := `[{address: east.x, locality: us-east1}, {address: west.x, locality: us-west1}, {address: eu.x, locality: eu-central1}]`
	for _, c := range []struct {
		what, lost, failover string
		want                 bool
	}{
		{"none for the region", "east", "[{from: us-west1, to: eu-central1}]", true},
		{"the second is", "east", "[{from: us-west1, to: eu-central1}, {from: us-east1, to: us-west1}]", false},
		{"nobody fails over", "west", "[{from: us-west1, to: eu-central1}]", false},
	} {
		text := strings.Replace(recipe(three, "refuse: true", rule("{"+od+c.failover+"}}}")), "upstream: east", "upstream: "+c.lost, 1)
		d := scene(t, load(t, text), "")
		if got, ok := cause(d, "failover-from"); ok != c.want {
			t.Errorf("%s: got %+v", c.what, got)
		}
	}
}

// Failures that alternate with answers need a threshold of 1; where nothing was
// charged, no threshold is too high.
func TestRuleThresholdNotReached(t *testing.T) {
	od := rule("{outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 100, baseEjectionTime: 300s}}")
	d := scene(t, load(t, recipe(twoRegions, "status: 503, everyNth: 2", od)), "")
	if c, ok := cause(d, "threshold-not-reached"); !ok || c.Fix == nil || c.Fix.To != "1" || !c.Fix.Confirmed {
		t.Errorf("every second fails: got %+v", c)
	}
	d = scene(t, load(t, recipe(twoRegions, "hang: headers", od)), "")
	if c, ok := cause(d, "threshold-not-reached"); ok || d.impact.Errors == 0 {
		t.Errorf("nothing is charged: %d errors, got %+v", d.impact.Errors, c)
	}
}
