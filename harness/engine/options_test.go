package engine

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// transcripts plays every file of the folder: a comment that says why, commands,
// and what came of them, indented.
func transcripts(t *testing.T, folder string, play func(t *testing.T, lines []string) string) {
	files, _ := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if len(files) == 0 {
		t.Fatalf("no transcripts in testdata/%s", folder)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for l := range strings.Lines(string(text)) {
				if !strings.HasPrefix(l, "    ") {
					lines = append(lines, strings.TrimRight(l, "\n"))
				}
			}
			got := play(t, lines)
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(string(text), got); d != "" {
				t.Errorf("%s (-want +got), -update writes it anew:\n%s", f, d)
			}
		})
	}
}

// indent sets text off as what came of a command.
func indent(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString("    " + strings.TrimRight(l, "\n") + "\n")
	}
	return b.String()
}

// options are the key=value words of a command.
type options map[string]string

func optionsOf(words []string) options {
	o := options{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		o[k] = v
	}
	return o
}

// take removes an option, so that what is left over is unknown.
func take[T any](t *testing.T, o options, key string, into *T) {
	t.Helper()
	v, ok := o[key]
	if !ok {
		return
	}
	delete(o, key)
	var err error
	switch p := any(into).(type) {
	case *uint32:
		var n int
		n, err = strconv.Atoi(v)
		*p = uint32(n)
	case *int:
		*p, err = strconv.Atoi(v)
	case *float64:
		*p, err = strconv.ParseFloat(v, 64)
	case *time.Duration:
		*p, err = time.ParseDuration(v)
	case *bool:
		*p = v != "false"
	case *string:
		*p = v
	case *xds.LBPolicy:
		*p = xds.LBPolicy(v)
	case *xds.DiscoveryType:
		*p = xds.DiscoveryType(v)
	case *xds.Health:
		*p = xds.Health(v)
	default:
		t.Fatalf("%s: no reader for %T", key, into)
	}
	if err != nil {
		t.Fatalf("%s=%s: %v", key, v, err)
	}
}

func none(t *testing.T, o options) {
	t.Helper()
	if len(o) > 0 {
		t.Fatalf("unknown options %v", o)
	}
}

// testCluster is a cluster with Envoy's defaults, panic off.
func testCluster() xds.Cluster {
	return xds.Cluster{
		Name: "c", Type: xds.EDS, LBPolicy: xds.RoundRobin, ConnectTimeout: 5 * time.Second, OverprovisioningFactor: 140,
		UpdateMergeWindow: time.Second, CircuitBreakers: xds.CircuitBreakers{
			MaxConnections: xds.Unlimited, MaxPendingRequests: xds.Unlimited, MaxRequests: xds.Unlimited, MaxRetries: xds.Unlimited,
		},
	}
}

func setCluster(t *testing.T, c *xds.Cluster, o options) {
	t.Helper()
	take(t, o, "lb", &c.LBPolicy)
	take(t, o, "connect", &c.ConnectTimeout)
	take(t, o, "panic", &c.HealthyPanicThreshold)
	take(t, o, "weighted", &c.LocalityWeighted)
	take(t, o, "type", &c.Type)
	take(t, o, "merge", &c.UpdateMergeWindow)
	take(t, o, "max_connections", &c.CircuitBreakers.MaxConnections)
	take(t, o, "max_pending", &c.CircuitBreakers.MaxPendingRequests)
	take(t, o, "max_requests", &c.CircuitBreakers.MaxRequests)
	take(t, o, "max_retries", &c.CircuitBreakers.MaxRetries)
	take(t, o, "http2", &c.MaxConcurrentStreams)
	if _, ok := o["budget"]; ok {
		var budget xds.RetryBudget
		take(t, o, "budget", &budget.Percent)
		take(t, o, "budget_min", &budget.MinRetryConcurrency)
		c.CircuitBreakers.RetryBudget = &budget
	}
	none(t, o)
}

func setOutlier(t *testing.T, c *xds.Cluster, o options) {
	t.Helper()
	od := xds.DefaultOutlierDetection()
	take(t, o, "consecutive_5xx", &od.Consecutive5xx)
	take(t, o, "consecutive_gateway", &od.ConsecutiveGatewayFailure)
	take(t, o, "enforcing_gateway", &od.EnforcingConsecutiveGatewayFailure)
	take(t, o, "consecutive_local", &od.ConsecutiveLocalOriginFailure)
	take(t, o, "split", &od.SplitExternalLocalOriginErrors)
	take(t, o, "interval", &od.Interval)
	take(t, o, "base", &od.BaseEjectionTime)
	take(t, o, "max", &od.MaxEjectionTime)
	take(t, o, "jitter", &od.MaxEjectionTimeJitter)
	take(t, o, "max_percent", &od.MaxEjectionPercent)
	take(t, o, "always_eject_one", &od.AlwaysEjectOneHost)
	take(t, o, "enforcing_5xx", &od.EnforcingConsecutive5xx)
	take(t, o, "success_rate_volume", &od.SuccessRateRequestVolume)
	take(t, o, "enforcing_success_rate", &od.EnforcingSuccessRate)
	take(t, o, "failure_volume", &od.FailurePercentageRequestVolume)
	take(t, o, "failure_threshold", &od.FailurePercentageThreshold)
	take(t, o, "enforcing_failure", &od.EnforcingFailurePercentage)
	take(t, o, "degraded", &od.DetectDegradedHosts)
	none(t, o)
	c.OutlierDetection = &od
}
