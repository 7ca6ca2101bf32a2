package harness_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/trace"
)

// What istioctl said of a run on the loopback interface has the places of the endpoints;
// the drill's table has their addresses.
func TestStoredEndpointsOfTheLoopbackInterface(t *testing.T) {
	dir := stored(t, t.TempDir(), drills(t, harness.Options{}, invalidPort)[0], 1)
	own, err := harness.StoredEndpoints(dir)
	if err != nil || len(own.Rows) < 2 {
		t.Fatalf("%+v, %v", own, err)
	}
	text, places := "ENDPOINT STATUS OUTLIER CHECK CLUSTER\n", map[string]string{}
	for i, r := range own.Rows {
		place := fmt.Sprintf("127.0.0.%d:40123", i+2)
		places[r.Address] = place
		text += fmt.Sprintln(place, r.Status, r.OutlierCheck, r.Cluster)
	}
	b, err := json.Marshal(places)
	if err != nil {
		t.Fatal(err)
	}
	at := trace.Sec(math.Round(own.At * 1e9))
	write(t, filepath.Join(dir, "evidence", backend.IstioctlFile(own.Rows[0].Client, at)), text)
	if table, err := harness.StoredEndpoints(dir); err != nil || len(table.Differences) != 2*len(own.Rows) {
		t.Errorf("addresses that nobody brings home: %q, %v", table.Differences, err)
	}
	write(t, filepath.Join(dir, "evidence", backend.LoopbackFile), string(b))
	table, err := harness.StoredEndpoints(dir)
	if err != nil || len(table.Differences) > 0 {
		t.Fatalf("%q, %v", table.Differences, err)
	}
	for _, r := range table.Rows {
		if r.Istioctl == nil || r.Istioctl.OutlierCheck != r.OutlierCheck {
			t.Errorf("beside %+v istioctl says %+v", r.Row, r.Istioctl)
		}
	}
}
