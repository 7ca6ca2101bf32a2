package observe

import (
	"reflect"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// Each detector has its own count: the one that wants five failures in a row finds the
// fifth of those that it is told of, whatever the one that wants one has missed. The
// failures are those of a drill on a starved machine, whose second was counted 178 µs
// after the first, before the main thread had heard of that. What is expected is the
// numbers of the failures that each reading is about.
func TestOverflowsByCounts(t *testing.T) {
	const gateway, any5xx = "consecutive_gateway_failure", "consecutive_5xx"
	refused := []trace.Sec{10007689, 10007867, 10048536, 12005913, 12019633, 12067491, 14003445, 14024470, 14061655, 16002406}
	for _, c := range []struct {
		name   string
		change func(a []trace.Attempt)
		// what the counters rose by
		at          []trace.Sec
		any, by5    []int64
		want, fifth []int
	}{
		{
			name: "the second is lost", at: []trace.Sec{10250, 12250, 14250, 16250}, any: []int64{2, 3, 3, 1}, by5: []int64{0, 1, 0, 1},
			want: []int{0, 2, 3, 4, 5, 6, 7, 8, 9}, fifth: []int{4, 9},
		},
		{
			name: "none is lost", at: []trace.Sec{10250, 12250, 14250, 16250}, any: []int64{3, 3, 3, 1}, by5: []int64{0, 1, 0, 1},
			want: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, fifth: []int{4, 9},
		},
		{
			name: "an answer ends the run", change: func(a []trace.Attempt) { a[3].Result, a[3].Status, a[3].Charged = trace.Answered, 200, false },
			at: []trace.Sec{10250, 12250, 14250, 16250}, any: []int64{3, 2, 3, 1}, by5: []int64{0, 0, 1, 0},
			want: []int{0, 1, 2, 4, 5, 6, 7, 8, 9}, fifth: []int{8},
		},
		{
			name: "an answer that is no gateway's ends one run", change: func(a []trace.Attempt) { a[3].Result, a[3].Status = trace.Answered, 500 },
			at: []trace.Sec{10250, 12250, 14250, 16250}, any: []int64{3, 3, 3, 1}, by5: []int64{0, 0, 1, 0},
			want: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, fifth: []int{8},
		},
		{
			name: "a reading in between", at: []trace.Sec{10250, 12015, 12250, 14250, 16250}, any: []int64{3, 1, 2, 3, 1}, by5: []int64{0, 0, 1, 0, 1},
			want: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, fifth: []int{4, 9},
		},
		{
			name: "none would have filled it", at: []trace.Sec{10250, 12500, 14250, 16250}, any: []int64{3, 3, 3, 1}, by5: []int64{0, 0, 1, 0},
			want: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, fifth: []int{8},
		},
	} {
		cluster := xds.Cluster{Name: "c", OutlierDetection: &xds.OutlierDetection{Interval: 15 * time.Second, Consecutive5xx: 1, ConsecutiveGatewayFailure: 5}}
		m := merger{
			in:    Input{Origin: time.Unix(0, 0), Schedule: &schedule.Schedule{Configs: [][]xds.Config{{{Clusters: []xds.Cluster{cluster}}}}}},
			hosts: &Hosts{Rows: []trace.Host{{Cluster: "c"}}},
		}
		var as []trace.Attempt
		for _, us := range refused {
			as = append(as, trace.Attempt{At: us*1000 - 1, Done: us * 1000, Result: trace.Refused, Charged: true})
		}
		if c.change != nil {
			c.change(as)
		}
		var polls []Poll
		sum := map[string]int64{}
		for i, ms := range c.at {
			sum["outlier_detection.ejections_overflow"] += c.any[i] + c.by5[i]
			sum["outlier_detection.ejections_detected_"+any5xx] += c.any[i]
			sum["outlier_detection.ejections_detected_"+gateway] += c.by5[i]
			p := Poll{At: time.Unix(0, int64(ms)*1e6), Counters: map[string]int64{}}
			for name, n := range sum {
				p.Counters["cluster.c."+name] = n
			}
			polls = append(polls, p)
		}
		got := map[string][]int{}
		for _, ch := range m.overflows(0, &Client{Polls: polls}, as, nil) {
			for i := range as {
				if ch.At == as[i].Done+1 {
					got[ch.Cause] = append(got[ch.Cause], i)
				}
			}
		}
		if !reflect.DeepEqual(got[any5xx], c.want) || !reflect.DeepEqual(got[gateway], c.fifth) {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}
