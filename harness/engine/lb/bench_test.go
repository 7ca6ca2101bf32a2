package lb

import (
	"strconv"
	"testing"
)

// One weighted pick, from two hosts and from ten thousand.
func BenchmarkEDF(b *testing.B) {
	for _, n := range []int{2, 10, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			ws := make([]float64, n)
			for i := range ws {
				ws[i] = float64(1 + i%7)
			}
			e := NewEDFAfter(ws, 12345)
			for b.Loop() {
				e.Again(ws[e.Next()])
			}
		})
	}
}
