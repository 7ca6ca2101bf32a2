package envoyconfig

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/faildrill/faildrill/harness/xds"
)

func recipe() *xds.Cluster {
	od := xds.DefaultOutlierDetection()
	od.Consecutive5xx, od.Interval, od.BaseEjectionTime, od.EnforcingSuccessRate = 1, 15*time.Second, time.Minute, 0
	group := func(region string, priority uint32, name string) xds.LocalityEndpoints {
		return xds.LocalityEndpoints{Locality: xds.Locality{Region: region}, Priority: priority, Weight: 1,
			Endpoints: []xds.Endpoint{{Address: name, Port: 80, Weight: 1}}}
	}
	return &xds.Cluster{
		Name: "outbound|80||mydb.com", Type: xds.StrictDNS, LBPolicy: xds.LeastRequest, ConnectTimeout: 10 * time.Second,
		Localities: []xds.LocalityEndpoints{
			group("us-east1", 0, "dynamodb.us-east-1.amazonaws.com"), group("us-west", 1, "dynamodb.us-west-1.amazonaws.com"),
		},
		OverprovisioningFactor: 140, UpdateMergeWindow: time.Second, OutlierDetection: &od,
		CircuitBreakers: xds.CircuitBreakers{MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited},
		DNS:             &xds.DNS{RefreshRate: time.Minute, RespectTTL: true, Jitter: 100 * time.Millisecond},
	}
}

// The recipe's cluster as Envoy 1.40 shows it in its config dump, sent by istiod
// of the 1.31 branch; without the metadata.
func TestRecipeCluster(t *testing.T) {
	const dumped = `{"name":"outbound|80||mydb.com","type":"STRICT_DNS","connect_timeout":"10s","lb_policy":"LEAST_REQUEST",
		"circuit_breakers":{"thresholds":[{"max_connections":4294967295,"max_pending_requests":4294967295,"max_requests":4294967295,"max_retries":4294967295}]},
		"dns_refresh_rate":"60s","dns_lookup_family":"V4_ONLY",
		"outlier_detection":{"consecutive_5xx":1,"interval":"15s","base_ejection_time":"60s","enforcing_success_rate":0},
		"common_lb_config":{"healthy_panic_threshold":{}},"alt_stat_name":"outbound|80||mydb.com;",
		"load_assignment":{"cluster_name":"outbound|80||mydb.com","endpoints":[
			{"locality":{"region":"us-east1"},"lb_endpoints":[{"endpoint":{"address":{"socket_address":{"address":"dynamodb.us-east-1.amazonaws.com","port_value":80}}},"load_balancing_weight":1}],"load_balancing_weight":1},
			{"locality":{"region":"us-west"},"lb_endpoints":[{"endpoint":{"address":{"socket_address":{"address":"dynamodb.us-west-1.amazonaws.com","port_value":80}}},"load_balancing_weight":1}],"load_balancing_weight":1,"priority":1}]},
		"respect_dns_ttl":true,"dns_jitter":"0.100s",
		"typed_dns_resolver_config":{"name":"envoy.network.dns_resolver.cares","typed_config":{
			"@type":"type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig","udp_max_queries":100}}}`
	want := &clusterv3.Cluster{}
	if err := protojson.Unmarshal([]byte(dumped), want); err != nil {
		t.Fatal(err)
	}
	if got := Cluster(recipe()); !proto.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", protojson.Format(got), protojson.Format(want))
	}
}

// Without EDS the endpoints are inside, each address once.
func TestInline(t *testing.T) {
	c := recipe()
	c.Type, c.DNS = xds.EDS, nil
	for i := range c.Localities {
		c.Localities[i].Endpoints = []xds.Endpoint{{Address: "10.0.0.1", Port: 80, Weight: 1}, {Address: "10.0.0.1", Port: 81, Weight: 1}}
	}
	if got := Cluster(c); got.GetType() != clusterv3.Cluster_EDS || got.LoadAssignment != nil || got.EdsClusterConfig.GetServiceName() != c.Name {
		t.Errorf("the cluster of istiod asks for its endpoints: got %s", protojson.Format(got))
	}
	got := Inline(c)
	if got.GetType() != clusterv3.Cluster_STATIC || got.EdsClusterConfig != nil {
		t.Errorf("got type %s", got.GetType())
	}
	if e := got.LoadAssignment.GetEndpoints(); len(e) != 2 || len(e[0].LbEndpoints) != 2 || len(e[1].LbEndpoints) != 0 {
		t.Errorf("the second group repeats the first: got %s", protojson.Format(got.LoadAssignment))
	}
	if got := Inline(recipe()); !proto.Equal(got, Cluster(recipe())) {
		t.Errorf("a DNS cluster is the same in both: got %s", protojson.Format(got))
	}
}

// A cluster whose connections say where they go has no endpoints.
func TestOriginalDst(t *testing.T) {
	c := recipe()
	c.Type, c.LBPolicy, c.DNS = xds.OriginalDst, xds.ClusterProvided, nil
	got := Cluster(c)
	if got.LoadAssignment != nil || got.GetType() != clusterv3.Cluster_ORIGINAL_DST || got.LbPolicy != clusterv3.Cluster_CLUSTER_PROVIDED {
		t.Errorf("got %s", protojson.Format(got))
	}
	if err := got.ValidateAll(); err != nil {
		t.Error(err)
	}
}

// The back-off is left out where Envoy would do the same by itself.
func TestBackOff(t *testing.T) {
	for name, c := range map[string]struct {
		base, most, wantBase, wantMax time.Duration
	}{
		"Envoy's own":          {25 * time.Millisecond, 250 * time.Millisecond, 0, 0},
		"ten bases":            {50 * time.Millisecond, 500 * time.Millisecond, 50 * time.Millisecond, 0},
		"a maximum of its own": {25 * time.Millisecond, time.Second, 25 * time.Millisecond, time.Second},
	} {
		b := retryPolicy(&xds.RetryPolicy{BackOffBase: c.base, BackOffMax: c.most}).RetryBackOff
		if base, most := b.GetBaseInterval().AsDuration(), b.GetMaxInterval().AsDuration(); base != c.wantBase || most != c.wantMax {
			t.Errorf("%s: base %s, max %s; want %s, %s", name, base, most, c.wantBase, c.wantMax)
		}
	}
}

// A proxy of istiod says who it is; without istiod it has a name alone.
func TestBootstrapOfIstiod(t *testing.T) {
	o := BootstrapOptions{
		Name: "sleep", Namespace: "apps", Locality: xds.Locality{Region: "us-east1", Zone: "b"}, Labels: map[string]string{"app": "sleep"},
		Admin: netip.MustParseAddrPort("127.0.0.1:15000"), OutlierLog: "/tmp/outlier.log", Mark: 1337,
		Istiod: &Istiod{Address: netip.MustParseAddrPort("10.99.0.1:15010"), SDS: "/tmp/sds.sock", Version: "1.31.1"},
	}
	b := Bootstrap(o)
	if err := b.ValidateAll(); err != nil {
		t.Fatal(err)
	}
	if want := "sidecar~127.0.0.1~sleep.apps~apps.svc.cluster.local"; b.Node.Id != want {
		t.Errorf("node id %s, want %s", b.Node.Id, want)
	}
	meta, err := json.Marshal(b.Node.Metadata.AsMap())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"CLUSTER_ID":"Kubernetes","INTERCEPTION_MODE":"NONE","ISTIO_VERSION":"1.31.1","LABELS":{"app":"sleep"},"NAMESPACE":"apps","SERVICE_ACCOUNT":"sleep"}`
	if diff := cmp.Diff(want, string(meta)); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	var names []string
	for _, c := range b.StaticResources.Clusters {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"xds", "sds-grpc"}, names); diff != "" {
		t.Errorf("static clusters (-want +got):\n%s", diff)
	}
	if got := b.StaticResources.Clusters[1].LoadAssignment.Endpoints[0].LbEndpoints[0].GetEndpoint().Address.GetPipe().GetPath(); got != "/tmp/sds.sock" {
		t.Errorf("certificates come from %q", got)
	}
	if s := b.ClusterManager.UpstreamBindConfig.GetSocketOptions(); len(s) != 1 || s[0].GetIntValue() != 1337 {
		t.Errorf("mark: got %v", s)
	}

	o.Istiod, o.Mark = nil, 0
	if b := Bootstrap(o); b.Node.Metadata != nil || b.ClusterManager.UpstreamBindConfig != nil || b.DynamicResources.AdsConfig != nil {
		t.Errorf("without istiod: got %s", protojson.Format(b))
	}
}

// What is written is whole and names its version; the next version replaces it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1", "2"} {
		if err := WriteCDS(dir, version, []*clusterv3.Cluster{Cluster(recipe())}); err != nil {
			t.Fatal(err)
		}
		if err := WriteRDS(dir, version, Routes([]xds.VirtualHost{{Name: "mydb.com:80", Domains: []string{"mydb.com"}, Port: 80,
			Routes: []xds.Route{{Cluster: "outbound|80||mydb.com"}}}}, 80)); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{CDSFile(dir), RDSFile(dir, "80")} {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r := &discoveryv3.DiscoveryResponse{}
			if err := protojson.Unmarshal(b, r); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if r.VersionInfo != version || len(r.Resources) != 1 {
				t.Errorf("%s: version %s with %d resources, want %s with 1", f, r.VersionInfo, len(r.Resources), version)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := WriteCDS(filepath.Join(dir, "missing"), "1", nil); err == nil {
		t.Error("a folder that is not there was written to")
	}
}
