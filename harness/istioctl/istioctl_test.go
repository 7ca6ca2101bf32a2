package istioctl_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/istioctl"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/trace"
)

const cluster = "outbound|80||mydb.com"

var (
	east = trace.Row{Address: "198.18.0.1:80", Cluster: cluster, Status: "HEALTHY", OutlierCheck: "FAILED"}
	west = trace.Row{Address: "198.18.1.1:80", Cluster: cluster, Status: "HEALTHY", OutlierCheck: "OK"}
)

// The real program reads what Envoy 1.40.0 answered, and agrees with the table of the drill.
func TestEndpoints(t *testing.T) {
	b := needs.Istioctl(t)
	answer, err := os.ReadFile("testdata/clusters.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text, err := istioctl.Endpoints(t.Context(), b.Path, answer, dir)
	if err != nil {
		t.Fatal(err)
	}
	table, err := istioctl.Parse(text)
	if err != nil || len(table) != 3 {
		t.Fatalf("%v: %s", err, text)
	}
	if d := istioctl.Differences([]trace.Row{east, west}, table); len(d) > 0 {
		t.Errorf("they differ: %v", d)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	if _, err := istioctl.Endpoints(t.Context(), b.Path, []byte("no JSON"), dir); err == nil || !strings.HasPrefix(err.Error(), "running istioctl: exit status") {
		t.Errorf("got %v, want an error of istioctl", err)
	}
}

func TestParse(t *testing.T) {
	const head = "ENDPOINT              STATUS      OUTLIER CHECK     CLUSTER\n"
	got, err := istioctl.Parse(head + "198.18.0.1:80         HEALTHY     FAILED            outbound|80||mydb.com\n")
	want := []istioctl.Row{{Endpoint: "198.18.0.1:80", Status: "HEALTHY", OutlierCheck: "FAILED", Cluster: cluster}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, want - got +\n%s", err, d)
	}
	for text, want := range map[string]string{
		"":                      `it begins with ""`,
		"NAME CLUSTER\n":        `it begins with "NAME CLUSTER"`,
		head + "a:80 HEALTHY\n": "expected an endpoint, two states and a cluster",
	} {
		if _, err := istioctl.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestDifferences(t *testing.T) {
	row := func(endpoint, check, cluster string) istioctl.Row {
		return istioctl.Row{Endpoint: endpoint, Status: "HEALTHY", OutlierCheck: check, Cluster: cluster}
	}
	six := trace.Row{Address: "[2001:db8::1]:80", Cluster: cluster, Status: "HEALTHY", OutlierCheck: "OK"}
	if d := istioctl.Differences([]trace.Row{six}, []istioctl.Row{row("2001:db8::1:80", "OK", cluster)}); len(d) > 0 {
		t.Errorf("IPv6: %v", d)
	}
	for name, c := range map[string]struct {
		table []istioctl.Row
		want  []string
	}{
		"the same, and a cluster that no client uses": {
			[]istioctl.Row{row("10.0.0.1:15010", "OK", "xds"), row(west.Address, "OK", cluster), row(east.Address, "FAILED", cluster)}, nil,
		},
		"another state": {
			[]istioctl.Row{row(east.Address, "OK", cluster), row(west.Address, "OK", cluster)},
			[]string{"198.18.0.1:80 of outbound|80||mydb.com: istioctl says HEALTHY / OK, this table HEALTHY / FAILED"},
		},
		"one missing, one more": {
			[]istioctl.Row{row(east.Address, "FAILED", cluster), row("198.18.2.1:80", "OK", cluster)},
			[]string{"198.18.1.1:80 of outbound|80||mydb.com: istioctl does not list it", "198.18.2.1:80 of outbound|80||mydb.com: only istioctl lists it"},
		},
	} {
		if d := cmp.Diff(c.want, istioctl.Differences([]trace.Row{east, west}, c.table)); d != "" {
			t.Errorf("%s: want - got +\n%s", name, d)
		}
	}
}
