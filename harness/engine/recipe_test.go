package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// recipe is the external-failover recipe as istiod sends it to a client in
// us-east1, with east moved to eastPort at 9.5 s.
func recipe(t *testing.T, profile string, maxEjectionPercent uint32, duration time.Duration) *schedule.Schedule {
	t.Helper()
	p, err := istio.ParseProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	config := func(eastPort uint32) xds.Config {
		od := xds.DefaultOutlierDetection()
		od.Consecutive5xx, od.Interval, od.BaseEjectionTime, od.EnforcingSuccessRate = 1, 15*time.Second, time.Minute, 0
		if maxEjectionPercent > 0 {
			od.MaxEjectionPercent = maxEjectionPercent
		}
		return xds.Config{
			Clusters: []xds.Cluster{{
				Name: "outbound|80||mydb.com", Type: xds.StrictDNS, LBPolicy: xds.LeastRequest, ConnectTimeout: 10 * time.Second,
				Localities: []xds.LocalityEndpoints{
					{Locality: xds.Locality{Region: "us-east1"}, Priority: 0, Weight: 1, Endpoints: []xds.Endpoint{{Address: "east.example", Port: eastPort, Weight: 1}}},
					{Locality: xds.Locality{Region: "us-west"}, Priority: 1, Weight: 1, Endpoints: []xds.Endpoint{{Address: "west.example", Port: 80, Weight: 1}}},
				},
				OverprovisioningFactor: 140, UpdateMergeWindow: time.Second, OutlierDetection: &od,
				CircuitBreakers: xds.CircuitBreakers{MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited},
			}},
			VirtualHosts: []xds.VirtualHost{{Name: "mydb.com:80", Domains: []string{"mydb.com"}, Port: 80, Routes: []xds.Route{{
				Cluster: "outbound|80||mydb.com",
				Retry: &xds.RetryPolicy{
					RetryOn: []string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"}, NumRetries: 2,
					BackOffBase: 25 * time.Millisecond, BackOffMax: 250 * time.Millisecond, PreviousHosts: true, HostSelectionMaxAttempts: 5,
				},
			}}}},
		}
	}
	every := trace.Sec(2 * time.Second)
	return &schedule.Schedule{
		Schema: schedule.Schema, Name: "recipe", Profile: p, Seed: 1, Scale: 1, Duration: trace.Sec(duration),
		Clients: []schedule.Client{{Name: "sleep", Load: schedule.Load{Host: "mydb.com", Port: 80, Path: "/", Every: every, Count: int(trace.Sec(duration) / every), KeepAlive: true}}},
		Upstreams: []schedule.Upstream{
			{Name: "east", Address: "east.example", IPs: []netip.Addr{netip.MustParseAddr("198.18.0.1")}, Ports: []uint32{80}, Latency: trace.Sec(time.Millisecond)},
			{Name: "west", Address: "west.example", IPs: []netip.Addr{netip.MustParseAddr("198.18.0.2")}, Ports: []uint32{80}, Latency: trace.Sec(time.Millisecond)},
		},
		Steps:     []schedule.Step{{At: trace.Sec(9500 * time.Millisecond), Kind: schedule.KindConfig, Name: "invalid port", Config: 1}},
		Configs:   [][]xds.Config{{config(80)}, {config(81)}},
		Documents: [][]schedule.Document{nil, nil},
	}
}

func summary(tr *trace.Trace) string {
	s := ""
	for _, c := range tr.Changes {
		s += fmt.Sprintf("%7.1f %s %s %s until %.1f\n", c.At.Seconds(), tr.UpstreamName(tr.UpstreamOf(c.Host)), c.Event, c.Cause, c.Until.Seconds())
	}
	for _, r := range tr.Requests {
		s += fmt.Sprintf("%7.1f %d %s attempts %d flags %s\n", r.At.Seconds(), r.Status, tr.UpstreamName(r.Upstream), r.Attempts, r.Flags)
	}
	return s
}

func TestRecipeX(t *testing.T) {
	t.Log(summary(Play(recipe(t, "1.31", 0, 20*time.Second))))
	t.Log(summary(Play(recipe(t, "1.31", 100, 230*time.Second))))
	t.Log(summary(Play(recipe(t, "1.19", 0, 20*time.Second))))
}
