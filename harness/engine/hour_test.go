package engine

import (
	"runtime"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

const requestsAnHour = 3_600_000

// hour is an hour of 1000 requests a second over two endpoints that take 10 ms.
func hour() *schedule.Schedule {
	s := written(&testing.T{}, "upstream a 198.18.0.1 latency=10ms\nupstream b 198.18.0.2 latency=10ms\ncluster lb=ROUND_ROBIN\noutlier consecutive_5xx=5\nendpoints a:80 b:80")
	s.Duration = trace.Sec(time.Hour)
	s.Clients[0].Load.Every, s.Clients[0].Load.Count = trace.Sec(time.Millisecond), requestsAnHour
	return s
}

// BenchmarkHour keeps the trace in memory.
func BenchmarkHour(b *testing.B) {
	s := hour()
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		tr := Predict(s)
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(tr)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/requestsAnHour, "ns/request")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/requestsAnHour, "B/request")
}

// BenchmarkHourStreamed is the same hour with its trace handed over in parts, as
// for a file: the room that it takes does not grow.
func BenchmarkHourStreamed(b *testing.B) {
	s := hour()
	most := uint64(0)
	for b.Loop() {
		runtime.GC()
		n, m := 0, runtime.MemStats{}
		err := Stream(s, func(trace.Event) error {
			if n++; n%(1<<20) == 0 {
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(most)/(1<<20), "MiB")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/requestsAnHour, "ns/request")
}
