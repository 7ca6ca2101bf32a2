package istiod

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func TestNode(t *testing.T) {
	n := Node{Name: "sleep", Namespace: "shop", Labels: map[string]string{"app": "x"}}
	if got, want := n.ID(), "sidecar~127.0.0.1~sleep.shop~shop.svc.cluster.local"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m, err := n.message()
	if err != nil || m.Cluster != "sleep.shop" || m.Metadata.Fields["LABELS"].GetStructValue().Fields["app"].GetStringValue() != "x" {
		t.Errorf("got %v (%v)", m, err)
	}
}

// A push is read whole, by every kind of resource, and again after a change.
func TestFetch(t *testing.T) {
	static := document(t, "ServiceEntry", "default", "static",
		"{hosts: [s.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 10.0.0.1, locality: r1}, {address: 10.0.0.2, locality: r2}]}")
	rule := document(t, "DestinationRule", "default", "static", "{host: s.example, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}}")
	i, err := Start(t.Context(), Options{Binary: needs.Istiod(t).Path, Dir: t.TempDir(), Documents: []schedule.Document{entry(t, "a.example")}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	if err := i.SetConfig(t.Context(), []schedule.Document{entry(t, "b.example"), static, rule}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := Fetch(ctx, i.GRPCAddr(), Node{Locality: xds.Locality{Region: "r2"}}, func(c map[string]*cluster.Cluster) bool {
		return c["outbound|80||b.example"] != nil
	})
	if err != nil {
		t.Fatal(err)
	}
	config, _ := s.Read()
	var names []string
	for _, c := range config.Clusters {
		names = append(names, c.Name)
	}
	if want := []string{"outbound|80||b.example", "outbound|80||s.example"}; !slices.Equal(names, want) {
		t.Fatalf("got clusters %v, want %v", names, want)
	}
	want := []xds.LocalityEndpoints{
		{Locality: xds.Locality{Region: "r1"}, Priority: 1, Weight: 1, Endpoints: []xds.Endpoint{{Address: "10.0.0.1", Port: 80, Weight: 1}}},
		{Locality: xds.Locality{Region: "r2"}, Priority: 0, Weight: 1, Endpoints: []xds.Endpoint{{Address: "10.0.0.2", Port: 80, Weight: 1}}},
	}
	if diff := cmp.Diff(want, config.Clusters[1].Localities, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if od := config.Clusters[1].OutlierDetection; od == nil || od.Consecutive5xx != 1 || od.MaxEjectionPercent != 10 || od.EnforcingSuccessRate != 0 {
		t.Errorf("got %+v", od)
	}
	if len(config.VirtualHosts) != 2 || config.VirtualHosts[0].Port != 80 || config.VirtualHosts[0].Routes[0].Retry.NumRetries != 2 {
		t.Errorf("got %+v", config.VirtualHosts)
	}
}

// Who asks nobody, or gives up, is told so.
func TestFetchFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	if _, err := Fetch(t.Context(), addr, Node{}, nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want connection refused", err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 0, errors.New("enough"))
	defer cancel()
	if _, err := Fetch(ctx, addr, Node{}, nil); err == nil {
		t.Error("no error after the end")
	}
}

// Fields that the values have no place for are named.
func TestFromClusterUnread(t *testing.T) {
	c, unread := FromCluster(&cluster.Cluster{Name: "x", AltStatName: "y", OutlierDetection: &cluster.OutlierDetection{},
		CommonLbConfig: &cluster.Cluster_CommonLbConfig{IgnoreNewHostsUntilFirstHc: true}}, nil)
	if want := []string{"cluster.alt_stat_name", "cluster.common_lb_config.ignore_new_hosts_until_first_hc"}; !slices.Equal(unread, want) {
		t.Errorf("got %v, want %v", unread, want)
	}
	if d := xds.DefaultOutlierDetection(); c.OutlierDetection == nil || *c.OutlierDetection != d {
		t.Errorf("got %+v, want Envoy's defaults", c.OutlierDetection)
	}
	if c.CircuitBreakers.MaxRetries != 3 || c.ConnectTimeout != 5*time.Second || c.HealthyPanicThreshold != 50 {
		t.Errorf("got %+v, want Envoy's defaults", c)
	}
}
