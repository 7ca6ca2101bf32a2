package xds

import (
	"encoding/json"
	"strings"
	"testing"
)

// What JSON leaves out has Envoy's default, whether or not the default is zero;
// what it says is kept, zero too.
func TestOutlierDetectionJSON(t *testing.T) {
	var got OutlierDetection
	if err := json.Unmarshal([]byte(`{"consecutive5xx":1,"enforcingSuccessRate":0,"detectDegradedHosts":true}`), &got); err != nil {
		t.Fatal(err)
	}
	want := DefaultOutlierDetection()
	want.Consecutive5xx, want.EnforcingSuccessRate, want.DetectDegradedHosts = 1, 0, true
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var again OutlierDetection
	if err := json.Unmarshal(b, &again); err != nil || again != want {
		t.Errorf("written and read: %+v, %v; want %+v", again, err, want)
	}
	for field, there := range map[string]bool{
		"enforcingSuccessRate": true, "failurePercentageThreshold": true, "successRateStdevFactor": true,
		"enforcingFailurePercentage": false, "maxEjectionTimeJitter": false, "alwaysEjectOneHost": false,
	} {
		if strings.Contains(string(b), `"`+field+`"`) != there {
			t.Errorf("%s is written: %v, want %v: %s", field, !there, there, b)
		}
	}
	if err := json.Unmarshal([]byte(`{"interval":"soon"}`), &got); err == nil {
		t.Error("a bad interval was read")
	}
}
