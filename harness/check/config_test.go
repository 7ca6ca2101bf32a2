package check_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/check"
	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/xds"
)

// realDump is what Envoy had from istiod (testdata/config/README.md), and the
// prediction for it.
func realDump(t *testing.T) (predicted, observed []byte) {
	t.Helper()
	inputs, err := scenario.Load(scenario.Disk(), []string{filepath.Join("testdata", "config", "resources.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := istio.ParseProfile("1.31")
	if err != nil {
		t.Fatal(err)
	}
	tr := istio.Translate(inputs[0].Resources, istio.Client{Name: "sleep", Locality: xds.Locality{Region: "us-east1"}}, istio.Mesh{}, p)
	if len(tr.Config.Clusters) < 8 || len(tr.Rejected) > 0 {
		t.Fatalf("%d clusters, rejected %v", len(tr.Config.Clusters), tr.Rejected)
	}
	if predicted, err = envoyconfig.Predicted(&tr.Config); err != nil {
		t.Fatal(err)
	}
	if observed, err = os.ReadFile(filepath.Join("testdata", "config", "dump.json")); err != nil {
		t.Fatal(err)
	}
	return predicted, observed
}

func differences(t *testing.T, predicted, observed []byte) []check.Difference {
	t.Helper()
	list, err := check.Config(predicted, observed)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// file is a stored part of a comparison.
func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "config", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What istiod sends, to a proxy by itself and to one in a cluster, is what was
// predicted, but for what is known; and what is known to differ does: a line of the
// table that no dump shows has to go.
func TestConfigOfIstiod(t *testing.T) {
	predicted, observed := realDump(t)
	list := append(differences(t, predicted, observed), differences(t, file(t, "kind-predicted.json"), file(t, "kind.json"))...)
	for _, d := range check.Unexplained(list) {
		t.Errorf("unexplained: %s", d)
	}
	own := 0
	for _, d := range list {
		if strings.HasSuffix(d.Cluster, ".svc.cluster.local") || d.Routes == "15010" {
			own++
		}
	}
	if own < 3 {
		t.Errorf("%d differences are services of the cluster, want clusters and routes", own)
	}
	for _, k := range check.KnownDifferences() {
		if !slices.ContainsFunc(list, func(d check.Difference) bool {
			return d.Reason == k.Reason && (d.Cluster == "") == (k.Table == "routes")
		}) {
			t.Errorf("%s %s differs no more: %s", k.Table, k.Path, k.Reason)
		}
	}
}

// ignored are the parts of a dump that may change without a difference.
var ignored = []string{"version_info", "last_updated", "metadata", "decorator", "health_status", "health_check_config",
	"common_http_protocol_options", "explicit_http_config", "tcp_keepalive", "hash_policy",
	"runtime_key", "ring_hash_lb_config", "maglev_lb_config"}

// leaves calls change for every scalar of the document, with its place, the
// value changed; then changes it back.
func leaves(v any, path []string, change func(path []string)) {
	each := func(key string, x any, set func(any)) {
		at := append(slices.Clone(path), key)
		switch x := x.(type) {
		case map[string]any, []any:
			leaves(x, at, change)
			return
		case string:
			set(x + "0") // a longer time, another address, name or code
		case float64:
			set(x + 1)
		case bool:
			set(!x)
		}
		change(at)
		set(x)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			each(key, v[key], func(x any) { v[key] = x })
		}
	case []any:
		for i := range v {
			each(fmt.Sprint(i), v[i], func(x any) { v[i] = x })
		}
	}
}

// Whatever is changed in the dump is found, one field at a time.
func TestConfigFindsEveryChange(t *testing.T) {
	predicted, observed := realDump(t)
	var doc map[string]any
	if err := json.Unmarshal(observed, &doc); err != nil {
		t.Fatal(err)
	}
	var sentBy struct {
		Endpoints []struct {
			Cluster string `json:"cluster_name"`
		}
	}
	if err := json.Unmarshal(predicted, &sentBy); err != nil {
		t.Fatal(err)
	}
	sent := map[any]bool{}
	for _, e := range sentBy.Endpoints {
		sent[e.Cluster] = true
	}
	changed := 0
	for _, section := range doc["configs"].([]any) {
		for kind, list := range section.(map[string]any) {
			if !strings.HasPrefix(kind, "dynamic_") {
				continue
			}
			for _, x := range list.([]any) {
				about := x.(map[string]any)
				if e, ok := about["endpoint_config"].(map[string]any); ok && !sent[e["cluster_name"]] {
					continue // Envoy's view of a cluster without EDS
				}
				if c, ok := about["cluster"].(map[string]any); ok && !strings.HasPrefix(c["name"].(string), "outbound") {
					continue // one that istiod adds
				}
				leaves(x, []string{kind}, func(path []string) {
					at := strings.Join(path, ".")
					if slices.ContainsFunc(ignored, func(part string) bool { return slices.Contains(path, part) }) ||
						strings.HasSuffix(at, "cluster.@type") || strings.HasSuffix(at, "_config.@type") && len(path) == 3 ||
						strings.HasSuffix(at, "HttpProtocolOptions.@type") || addedByIstiod(about, path) {
						return
					}
					b, err := json.Marshal(doc)
					if err != nil {
						t.Fatal(err)
					}
					changed++
					if list, err := check.Config(predicted, b); err == nil && len(check.Unexplained(list)) == 0 {
						t.Errorf("a change of %s is not found", at)
					}
				})
			}
		}
	}
	if changed < 300 {
		t.Errorf("changed %d fields; expected the whole dump", changed)
	}
}

// addedByIstiod reports whether the path is in the virtual host that istiod adds,
// or is the domain of a port without a protocol.
func addedByIstiod(about map[string]any, path []string) bool {
	if len(path) < 4 || path[2] != "virtual_hosts" {
		return false
	}
	config := about["route_config"].(map[string]any)
	if strings.Contains(config["name"].(string), ":") && path[4] == "domains" {
		return true
	}
	hosts := config["virtual_hosts"].([]any)
	var i int
	if _, err := fmt.Sscan(path[3], &i); err != nil {
		return false
	}
	return strings.HasPrefix(hosts[i].(map[string]any)["name"].(string), "block_all") && path[4] != "name"
}

// Edits of the dump and the lines that tell of them.
func TestConfigLines(t *testing.T) {
	predicted, observed := realDump(t)
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"a number", `"base_ejection_time":"60s","enforcing_consecutive_5xx":100`, `"base_ejection_time":"60s","max_ejection_percent":50`, []string{
			"cluster outbound|80||mydb.com: outlier_detection.max_ejection_percent predicted absent, observed 50"}},
		{"a default left out", `"interval":"15s",`, ``, []string{
			"cluster outbound|80||mydb.com: outlier_detection.interval predicted 15s, observed absent"}},
		{"no outlier detection", `"outlier_detection":{"consecutive_5xx":1,"interval":"15s","base_ejection_time":"60s","enforcing_consecutive_5xx":100,"enforcing_success_rate":0},`, ``, []string{
			`cluster outbound|80||mydb.com: outlier_detection predicted {"base_ejection_time":"60s","consecutive_5xx":"1","enforcing_success_rate":"0","interval":"15s"}, observed absent`}},
		{"panic", `"common_lb_config":{"healthy_panic_threshold":{}},"alt_stat_name":"outbound|80||mydb.com;"`, `"common_lb_config":{"healthy_panic_threshold":{"value":50}},"alt_stat_name":"outbound|80||mydb.com;"`, []string{
			"cluster outbound|80||mydb.com: common_lb_config predicted {\"healthy_panic_threshold\":\"0\"}, observed absent"}},
		{"locality weights", `"common_lb_config":{"healthy_panic_threshold":{"value":10},"locality_weighted_lb_config":{}},"alt_stat_name":"outbound|8080||static.example;"`,
			`"common_lb_config":{"healthy_panic_threshold":{"value":10}},"alt_stat_name":"outbound|8080||static.example;"`, []string{
				"cluster outbound|8080||static.example: common_lb_config.locality_weighted_lb_config predicted {}, observed absent"}},
		{"an endpoint of a DNS cluster", `"dynamodb.us-west-1.amazonaws.com"`, `"dynamodb.us-west-2.amazonaws.com"`, []string{
			`cluster outbound|80||mydb.com: load_assignment.endpoints[us-west, priority 1].lb_endpoints[dynamodb.us-west-1.amazonaws.com:80] predicted present, observed absent`,
			`cluster outbound|80||mydb.com: load_assignment.endpoints[us-west, priority 1].lb_endpoints[dynamodb.us-west-2.amazonaws.com:80] predicted absent, observed present`}},
		{"a priority of EDS", `"port_value":8080}},"health_check_config":{}},"health_status":"HEALTHY","metadata":{},"load_balancing_weight":1}],"load_balancing_weight":1,"priority":1}`,
			`"port_value":8080}},"health_check_config":{}},"health_status":"HEALTHY","metadata":{},"load_balancing_weight":1}],"load_balancing_weight":1,"priority":2}`, []string{
				`cluster outbound|8080||static.example: load_assignment.endpoints[us-west, priority 1] predicted present, observed absent`,
				`cluster outbound|8080||static.example: load_assignment.endpoints[us-west, priority 2] predicted absent, observed present`}},
		{"a retry condition", `"retry_on":"5xx,retriable-status-codes"`, `"retry_on":"5xx"`, []string{
			"routes 80: virtual_hosts[ring.example:80].routes[0].route.retry_policy.retry_on predicted 5xx,retriable-status-codes, observed 5xx"}},
		{"a virtual host", `"name":"static.example:8080"`, `"name":"other.example:8080"`, []string{
			`routes 8080: virtual_hosts[other.example:8080] predicted absent, observed present`, `routes 8080: virtual_hosts[static.example:8080] predicted present, observed absent`}},
		{"a cluster more", `"name":"outbound|80||rr.example"`, `"name":"outbound|81||rr.example"`, []string{
			"cluster outbound|80||rr.example: predicted present, observed absent", "cluster outbound|81||rr.example: predicted absent, observed present"}},
		// What means the same is no difference.
		{"a duration", `"dns_refresh_rate":"60s"`, `"dns_refresh_rate":"60.000s"`, nil},
		{"a default written out", `"base_ejection_time":"60s"`, `"base_ejection_time":"60s","max_ejection_percent":10`, nil},
		{"the order of domains", `"domains":["mydb.com","mydb.com."]`, `"domains":["mydb.com.","mydb.com"]`, nil},
		{"an empty retry condition", `"retry_on":"5xx,retriable-status-codes"`, `"retry_on":",5xx,retriable-status-codes"`, nil},
		{"the order of retry conditions", `"retry_on":"5xx,retriable-status-codes"`, `"retry_on":"retriable-status-codes,5xx"`, nil},
	} {
		text := string(observed)
		if c.name != "nothing" {
			if !strings.Contains(text, c.old) {
				t.Errorf("%s: the dump has no %s", c.name, c.old)
			}
			text = strings.ReplaceAll(text, c.old, c.new)
		}
		var got []string
		for _, d := range check.Unexplained(differences(t, predicted, []byte(text))) {
			got = append(got, d.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// What cannot be compared is said.
func TestConfigErrors(t *testing.T) {
	predicted, observed := realDump(t)
	for name, c := range map[string]struct{ predicted, observed, want string }{
		"no JSON":      {"{", string(observed), "reading the prediction"},
		"no dump":      {string(predicted), "no healthy upstream", "reading the config dump"},
		"an empty one": {string(predicted), "{}", "it is empty"},
		"no endpoints": {string(predicted), strings.Replace(string(observed), "EndpointsConfigDump", "Other", 1), "include_eds"},
	} {
		_, err := check.Config([]byte(c.predicted), []byte(c.observed))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
