package report_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

func TestEndpoints(t *testing.T) {
	const cluster = "outbound|80||mydb.com"
	table := result.Table{
		Run: "small-ab12", Scenario: "small", Kept: true, At: 3.04, Differences: []string{"198.18.0.1:80 of " + cluster + ": istioctl says HEALTHY / OK, this table HEALTHY / FAILED"},
		Rows: []result.TableRow{
			{
				Row:   result.Row{Client: "a", Address: "198.18.0.1:80", Locality: "us-east1", Weight: 1, Status: "HEALTHY", OutlierCheck: "FAILED", Ejections: 1, Cluster: cluster},
				Share: 0.154, Istioctl: &result.Istioctl{Status: "HEALTHY", OutlierCheck: "OK"},
			},
			{Row: result.Row{Client: "b", Address: "198.18.1.1:80", Priority: 1, Weight: 1, Status: "HEALTHY", OutlierCheck: "OK", Cluster: cluster}, Share: 1},
		},
	}
	var b strings.Builder
	if err := report.Endpoints(&b, table); err != nil {
		t.Fatal(err)
	}
	want := `small, kept as small-ab12, at 3.0 s

CLIENT  ADDRESS        LOCALITY  PRIORITY  WEIGHT  STATUS   OUTLIER CHECK  EJECTIONS  SHARE  ISTIOCTL STATUS  ISTIOCTL CHECK  CLUSTER
a       198.18.0.1:80  us-east1  0         1       HEALTHY  FAILED         1          15 %   HEALTHY          OK              outbound|80||mydb.com
b       198.18.1.1:80  -         1         1       HEALTHY  OK             0          100 %  -                -               outbound|80||mydb.com

disagreement: 198.18.0.1:80 of outbound|80||mydb.com: istioctl says HEALTHY / OK, this table HEALTHY / FAILED
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
}
