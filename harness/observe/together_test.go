package observe_test

import (
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/trace"
)

// Clusters that came in one response count from the first of them, as the one of a drill
// on a starved machine did: 163 ms after the first of its response it was built, and its
// fifth tick came 75 s after that first, less 3 ms. What was built long after is of its
// own, and so is a cluster that the response had already.
func TestTogether(t *testing.T) {
	type built struct {
		cluster string
		at      int // when it was built, in milliseconds
		from    int // what its ticks count from
	}
	for _, c := range []struct {
		name string
		all  []built
	}{
		{"one", []built{{"a", 100, 100}}},
		{"a response of twelve", []built{
			{"a", 187, 187}, {"b", 213, 187}, {"c", 231, 187}, {"d", 239, 187}, {"e", 258, 187}, {"f", 290, 187},
			{"g", 299, 187}, {"h", 339, 187}, {"mydb", 350, 187}, {"i", 355, 187}, {"j", 358, 187}, {"k", 459, 187},
		}},
		{"the first took long", []built{{"a", 535, 535}, {"b", 746, 535}, {"c", 756, 535}}},
		{"one changes later", []built{{"a", 100, 100}, {"b", 120, 100}, {"a", 620, 620}, {"c", 640, 620}}},
		{"one changes at once", []built{{"a", 100, 100}, {"b", 120, 100}, {"b", 220, 220}, {"c", 230, 220}}},
		{"just apart", []built{{"a", 100, 100}, {"b", 350, 100}, {"c", 601, 601}}},
		{"in no order", []built{{"b", 120, 100}, {"a", 100, 100}}},
	} {
		at := func(ms int) time.Time { return time.UnixMilli(1795441463000 + int64(ms)).UTC() }
		var in []observe.Built
		want := map[observe.Built]bool{}
		for _, b := range c.all {
			in = append(in, observe.Built{At: at(b.at), Cluster: b.cluster})
			w := observe.Built{At: at(b.from), Cluster: b.cluster}
			if b.from != b.at {
				w.Read = at(b.at)
			}
			want[w] = true
		}
		got := observe.Together(in)
		if len(got) != len(want) {
			t.Errorf("%s: got %d, want %d", c.name, len(got), len(want))
		}
		for _, b := range got {
			if !want[b] {
				t.Errorf("%s: got %+v", c.name, b)
			}
		}
		if in[0].At != at(c.all[0].at) || !in[0].Read.IsZero() {
			t.Errorf("%s: what it was given changed: %+v", c.name, in[0])
		}
	}
}

// A cluster is of the configuration that was there when it was built itself, and does not
// tick from before that was.
func TestMergeClusterOfALaterResponse(t *testing.T) {
	_, in := load(t, "testdata/1.40-external-failover-invalid-port.txtar")
	const ms = trace.Sec(time.Millisecond)
	at := func(s trace.Sec) time.Time { return in.Origin.Add(s.D()) }
	name := in.Clients[0].Built[0].Cluster
	for _, c := range []struct{ at, read, want trace.Sec }{{9510 * ms, 9580 * ms, 9510 * ms}, {9400 * ms, 9580 * ms, 9500 * ms}, {9580 * ms, 0, 9580 * ms}} {
		b := observe.Built{At: at(c.at), Cluster: name}
		if c.read != 0 {
			b.Read = at(c.read)
		}
		in.Clients[0].Built = []observe.Built{{At: at(-110 * ms), Read: at(-50 * ms), Cluster: name}, b}
		loads := observe.Merge(in).Loads
		if len(loads) != 2 || loads[0].At != -110*ms || loads[0].Read != -50*ms || loads[1].At != c.want || loads[1].Read != c.read {
			t.Errorf("%+v: got %+v", c, loads)
		}
	}
}
