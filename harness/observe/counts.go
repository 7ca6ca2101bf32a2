package observe

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// full are the attempts on a cluster that fill the count of a detector, by attempt and
// detector, where the main thread hears of each before the next and empties that count
// (outlier_detection_impl.cc, onConsecutiveErrorWorker). The counts of the others go on.
func (m *merger) full(client int32, cluster string, as []trace.Attempt) map[refusal]bool {
	var on []*trace.Attempt
	for i := range as {
		if a := &as[i]; a.Host >= 0 && m.hosts.Rows[a.Host].Cluster == cluster {
			on = append(on, a)
		}
	}
	slices.SortStableFunc(on, func(a, b *trace.Attempt) int { return cmp.Compare(a.Done, b.Done) })
	out := map[refusal]bool{}
	var cfg *xds.Cluster
	var d outlier.Detector
	for _, a := range on {
		k := m.clusterAt(client, cluster, a.Done)
		r, ok := resultOf(a)
		if k == nil || k.OutlierDetection == nil || !ok {
			continue
		}
		if cfg == nil || !reflect.DeepEqual(cfg, k) {
			cfg, d = k, outlier.New(*k.OutlierDetection, m.in.Schedule.Profile.Rules, len(m.hosts.Rows), 0)
		}
		if a.Result != trace.Refused && a.Result != trace.ConnectTimeout {
			d.Report(a.Host, outlier.ConnectSuccess, 0)
		}
		ds := d.Report(a.Host, r, int(a.Status))
		for _, t := range ds.List() {
			out[refusal{a, t.String()}] = true
			if host := d.Host(a.Host); int(t) < len(host.Consecutive) {
				host.Consecutive[t] = 0
			}
		}
	}
	return out
}

// resultOf is what outlier detection hears of an attempt; not ok: nothing.
func resultOf(a *trace.Attempt) (r outlier.Result, ok bool) {
	switch a.Result {
	case trace.Answered:
		if a.Status >= 500 {
			return outlier.RequestFailed, true
		}
		return outlier.RequestSuccess, true
	case trace.Refused, trace.ConnectTimeout, trace.Reset:
		return outlier.ConnectFailed, true
	case trace.Timeout, trace.PerTryTimeout:
		return outlier.Timeout, true
	}
	return 0, false
}

// heard are n of the attempts that filled a count, or all if there are fewer. A count
// that has passed its threshold sets nothing off until the main thread has emptied it
// (DetectorHostMonitorImpl, putHttpResponseCode): what it found no more came soonest after
// the one before on its host. What is left over is in the next reading.
func heard(as []*trace.Attempt, n int) []*trace.Attempt {
	for len(as) > n {
		lost, soonest := -1, hop+1
		last := map[int32]trace.Sec{}
		for i, a := range as {
			if at, ok := last[a.Host]; ok && a.Done-at < soonest {
				lost, soonest = i, a.Done-at
			}
			last[a.Host] = a.Done
		}
		if lost < 0 {
			return as[:n]
		}
		as = slices.Delete(as, lost, lost+1)
	}
	return as
}
