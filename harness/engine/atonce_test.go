package engine

import (
	"strconv"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// BenchmarkAtOnce is one simulated request whose outcome lands at once: arrival,
// priority, locality, host, outcome, outlier counters and its record. WEIGHTED is
// round robin over hosts that weigh 1 to 7, which are scheduled.
func BenchmarkAtOnce(b *testing.B) {
	for _, n := range []int{2, 10, 10000} {
		for _, policy := range []xds.LBPolicy{xds.RoundRobin, xds.LeastRequest, xds.Random} {
			b.Run(string(policy)+"/"+strconv.Itoa(n), func(b *testing.B) { atOnce(b, policy, n, 1) })
		}
		b.Run("WEIGHTED/"+strconv.Itoa(n), func(b *testing.B) { atOnce(b, xds.RoundRobin, n, 7) })
	}
}

func atOnce(b *testing.B, policy xds.LBPolicy, n, weights int) {
	od := xds.DefaultOutlierDetection()
	cfg := &xds.Cluster{
		Name: "bench", Type: xds.EDS, LBPolicy: policy, OverprovisioningFactor: 140, UpdateMergeWindow: time.Second, OutlierDetection: &od,
	}
	hosts := make([]Host, n)
	for i := range hosts {
		hosts[i] = Host{Address: "10.0.0.1:" + strconv.Itoa(i), Weight: uint32(1 + i%weights)}
	}
	ch := NewChooser(1)
	c := NewCluster(cfg, xds.Rules{}, hosts, Delays{}, 0, &ch)
	records := make([]trace.Attempt, 0, 1<<16)
	tell := func(Change) {}
	b.ReportAllocs()
	now := int64(0)
	for b.Loop() {
		now += 1_000_000
		c.Advance(now, &ch, tell)
		h := c.Pick(nil, nil, &ch)
		c.Begin(h)
		c.Report(now, h, outlier.RequestSuccess, 200, &ch, tell)
		c.End(h)
		if len(records) == cap(records) {
			records = records[:0]
		}
		records = append(records, trace.Attempt{At: trace.Sec(now), Done: trace.Sec(now), Host: h, Status: 200})
	}
}
