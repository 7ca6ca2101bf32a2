// Package xds holds the nouns of Envoy's configuration as plain values.
//
// A Cluster with its endpoints, outlier detection and circuit breakers, and a
// Route with its retry policy, are what istiod would push to a sidecar and what
// the engine plays. The fields are the ones that decide a failover; everything
// is comparable, serialises as JSON, and needs no protobuf:
//
//	c := xds.Cluster{Name: "outbound|80||mydb.com", LBPolicy: xds.LeastRequest,
//	        HealthyPanicThreshold: 0, OverprovisioningFactor: 140,
//	        OutlierDetection: &xds.OutlierDetection{Consecutive5xx: 1, ...}}
//
// Defaults are written out: a zero here is a zero in Envoy, never "unset". What
// Envoy fills in when a field is absent is in Defaults (section "Outlier
// detection" and config.cluster.v3 of Envoy's API reference).
//
// It leaves out listeners and everything that cannot change which endpoint answers.
package xds
