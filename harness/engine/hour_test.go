package engine

import (
	"runtime"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/trace"
)

// BenchmarkHour is an hour of 1000 requests a second over two endpoints that
// take 10 ms to answer, with its trace in memory.
func BenchmarkHour(b *testing.B) {
	s := written(&testing.T{}, "upstream a 198.18.0.1 latency=10ms\nupstream b 198.18.0.2 latency=10ms\ncluster lb=ROUND_ROBIN\noutlier consecutive_5xx=5\nendpoints a:80 b:80")
	const n = 3_600_000
	s.Duration = trace.Sec(time.Hour)
	s.Clients[0].Load.Every, s.Clients[0].Load.Count = trace.Sec(time.Millisecond), n
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		tr := Predict(s)
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(tr)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/request")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/request")
}
