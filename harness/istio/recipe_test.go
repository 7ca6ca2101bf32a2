package istio

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

const recipe = `apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata:
  name: external-svc-dns
spec:
  hosts:
  - mydb.com
  location: MESH_EXTERNAL
  ports:
  - number: 80
    name: http
    protocol: HTTP
  resolution: DNS
  endpoints:
  - address: dynamodb.us-east-1.amazonaws.com
    locality: us-east1
    ports:
      http: 80
  - address: dynamodb.us-west-1.amazonaws.com
    locality: us-west
    ports:
      http: 80
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata:
  name: mydynamodb
spec:
  host: mydb.com
  trafficPolicy:
    outlierDetection:
      consecutive5xxErrors: 1
      interval: 15s
      baseEjectionTime: 1m
`

// The cluster and route of istio-semantics 0.2, as istiod generated them.
func TestRecipe(t *testing.T) {
	want := xds.Config{
		Clusters: []xds.Cluster{{
			Name: "outbound|80||mydb.com", Type: xds.StrictDNS, LBPolicy: xds.LeastRequest, ConnectTimeout: 10 * time.Second,
			Localities: []xds.LocalityEndpoints{
				{Locality: xds.Locality{Region: "us-east1"}, Priority: 0, Weight: 1, Endpoints: []xds.Endpoint{{Address: "dynamodb.us-east-1.amazonaws.com", Port: 80, Weight: 1}}},
				{Locality: xds.Locality{Region: "us-west"}, Priority: 1, Weight: 1, Endpoints: []xds.Endpoint{{Address: "dynamodb.us-west-1.amazonaws.com", Port: 80, Weight: 1}}},
			},
			OverprovisioningFactor: 140, HealthyPanicThreshold: 0, UpdateMergeWindow: time.Second,
			OutlierDetection: &xds.OutlierDetection{
				Interval: 15 * time.Second, BaseEjectionTime: time.Minute, MaxEjectionTime: 5 * time.Minute, MaxEjectionPercent: 10,
				Consecutive5xx: 1, EnforcingConsecutive5xx: 100, ConsecutiveGatewayFailure: 5,
				ConsecutiveLocalOriginFailure: 5, EnforcingConsecutiveLocalOriginFailure: 100,
				SuccessRateMinimumHosts: 5, SuccessRateRequestVolume: 100, SuccessRateStdevFactor: 1900, EnforcingLocalOriginSuccessRate: 100,
				FailurePercentageThreshold: 85, FailurePercentageMinimumHosts: 5, FailurePercentageRequestVolume: 50,
			},
			CircuitBreakers: xds.CircuitBreakers{MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited},
			DNS:             &xds.DNS{RefreshRate: time.Minute, RespectTTL: true, Jitter: 100 * time.Millisecond},
		}},
		VirtualHosts: []xds.VirtualHost{{
			Name: "mydb.com:80", Domains: []string{"mydb.com", "mydb.com."}, Port: 80,
			Routes: []xds.Route{{Name: "default", Prefix: "/", Cluster: "outbound|80||mydb.com", Retry: &xds.RetryPolicy{
				RetryOn:    []string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"},
				NumRetries: 2, BackOffBase: 25 * time.Millisecond, BackOffMax: 250 * time.Millisecond,
				PreviousHosts: true, HostSelectionMaxAttempts: 5,
			}}},
		}},
	}
	// A client in a zone of the region gets the same two priorities.
	for _, l := range []xds.Locality{{Region: "us-east1"}, {Region: "us-east1", Zone: "us-east1-b"}} {
		got := Translate(read(t, "recipe.yaml", recipe), Client{Locality: l}, Mesh{}, profile(t, "1.31"))
		if d := cmp.Diff(want, got.Config); d != "" {
			t.Errorf("client in %v: config differs (-want +got):\n%s", l, d)
		}
		if len(got.NotModelled)+len(got.Rejected)+len(got.Warnings) > 0 || got.Crash != nil {
			t.Errorf("client in %v: unexpected findings: %v %v %v %v", l, got.NotModelled, got.Rejected, got.Warnings, got.Crash)
		}
	}
}
