package probe

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkLateness says how late requests are sent that cost nothing:
//
//	go test -run '^$' -bench Lateness ./harness/probe
func BenchmarkLateness(b *testing.B) {
	for _, pacer := range []Pacer{Precise(), Timers()} {
		for _, rate := range []float64{500, 5000} {
			b.Run(fmt.Sprintf("%s/%v", pacer.Name(), rate), func(b *testing.B) {
				load := Load{Rate: rate, Count: max(2, b.N), Concurrency: 1000, Start: 10 * time.Millisecond}
				s, err := Run(b.Context(), Clock{Pacer: pacer}, load, nothing, nil)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(s.Lateness.P50)/1e3, "p50-µs")
				b.ReportMetric(float64(s.Lateness.P99)/1e3, "p99-µs")
				b.ReportMetric(float64(s.Lateness.Max)/1e3, "max-µs")
				b.ReportMetric(s.Rate, "sent/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
