package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// written is a drill in the words of the transcripts, ready to be played.
func written(t *testing.T, text string) *schedule.Schedule {
	t.Helper()
	d := newDrill(t)
	for l := range strings.Lines(text) {
		d.do(strings.Fields(l))
	}
	d.push()
	d.s.Duration = trace.Sec(time.Minute)
	return &d.s
}

// chancy has every kind of draw: a split load, least request, random faults,
// back-off, the start of a decay.
const chancy = `upstream a 198.18.0.1
upstream b 198.18.0.2
upstream c 198.18.0.3
cluster lb=LEAST_REQUEST
outlier consecutive_5xx=2 interval=1s base=1s max_percent=67
endpoints a:80 b:80 c:80/1
route retries=2 on=5xx picks=5
client every=20ms count=2500
at 1 fault flaky a status status=503 percentage=60
at 20 heal flaky
at 30 fault slow b delay delay=40ms`

func bytesOf(t *testing.T, tr *trace.Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.Write(&b, tr); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The same seed gives the same bytes, another seed gives others: five of each.
func TestSameSeedSameBytes(t *testing.T) {
	seen := map[string]uint64{}
	for seed := range uint64(5) {
		s := written(t, chancy)
		s.Seed = seed
		first, second := bytesOf(t, Play(s)), bytesOf(t, Play(s))
		if !bytes.Equal(first, second) {
			t.Errorf("seed %d: two runs differ:\n%s", seed, cmp.Diff(string(first), string(second)))
		}
		// Without the head, which names the seed.
		_, body, _ := bytes.Cut(first, []byte("\n"))
		if other, ok := seen[string(body)]; ok {
			t.Errorf("seeds %d and %d gave the same run", other, seed)
		}
		seen[string(body)] = seed
	}
}

// A drill in which nothing is left to chance does not depend on the seed: one
// host, no retries.
func TestSeedDoesNotMatterWithoutChance(t *testing.T) {
	var first []byte
	for seed := range uint64(5) {
		s := written(t, "upstream a 198.18.0.1\noutlier consecutive_5xx=2 max_percent=100\nendpoints a:80\nclient every=1s count=30\nat 5 fault dead a refuse")
		s.Seed = seed
		_, body, _ := bytes.Cut(bytesOf(t, Play(s)), []byte("\n"))
		if first == nil {
			first = body
		}
		if !bytes.Equal(first, body) {
			t.Errorf("seed %d differs:\n%s", seed, cmp.Diff(string(first), string(body)))
		}
	}
}

// Playing does not change the schedule.
func TestScheduleIsLeftAlone(t *testing.T) {
	s := written(t, chancy)
	var before, after bytes.Buffer
	if err := s.Save(&before); err != nil {
		t.Fatal(err)
	}
	Play(s)
	if err := s.Save(&after); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before.String(), after.String()); d != "" {
		t.Errorf("(-before +after)\n%s", d)
	}
}

// Every request of the load is in the trace once, whatever becomes of it, and
// ends when it should.
func TestEveryRequestIsRecorded(t *testing.T) {
	for _, fault := range []string{"refuse", "blackhole", "reset", "hang", "hang hang=body", "status status=503", "delay delay=3s"} {
		for _, client := range []string{"", " concurrency=1", " concurrency=3", " timeout=2s"} {
			s := written(t, fmt.Sprintf("upstream a 198.18.0.1\nupstream b 198.18.0.2\noutlier consecutive_5xx=3 max_percent=50\nendpoints a:80 b:80\nroute retries=2 on=5xx,reset,connect-failure picks=5 timeout=4s\nclient every=500ms count=119%s\nat 5 fault x a %s\nat 20 heal x\nat 30 endpoints b:80 a:80", client, fault))
			tr := Play(s)
			if len(tr.Requests) != 119 || !tr.Ended {
				t.Errorf("%s,%s: %d requests in the trace, want 119", fault, client, len(tr.Requests))
			}
			for i, r := range tr.Requests {
				if r.N != int32(i) || r.Done < r.Sent || r.Sent < r.At {
					t.Fatalf("%s,%s: request %d: %+v", fault, client, i, r)
				}
			}
		}
	}
}

// Round robin with retries locks phase with a dead host: of n hosts it is the
// first pick of every (n-1)-th request. Measured 59 of 60 with 2 hosts, 29 or 30
// with 3, 20 or 19 with 4 (8.1.4, X65).
func TestX65PhaseLock(t *testing.T) {
	for _, c := range []struct{ hosts, least, most int }{{2, 59, 60}, {3, 29, 30}, {4, 19, 20}} {
		for seed := range uint64(8) {
			text, ends := "", "endpoints"
			for i := range c.hosts {
				text += fmt.Sprintf("upstream h%d 198.18.0.%d\n", i, i+1)
				ends += fmt.Sprintf(" h%d:80", i)
			}
			s := written(t, text+ends+"\nroute retries=1 on=connect-failure backoff=1ms\nclient every=100ms count=60\nat 0 fault dead h0 refuse")
			s.Seed = seed
			retried := 0
			for _, r := range Play(s).Requests {
				if r.Attempts == 2 {
					retried++
				}
			}
			if retried < c.least || retried > c.most {
				t.Errorf("%d hosts, seed %d: the dead host came first in %d of 60 requests, want %d to %d", c.hosts, seed, retried, c.least, c.most)
			}
		}
	}
}

// previous_hosts with random choice over two hosts: two picks take the same host
// again in 25 %, six in 1.6 % (11.4, X60: 25.0 and 1.7).
func TestX60PreviousHosts(t *testing.T) {
	for _, c := range []struct {
		attempts uint32
		want     float64
	}{{0, 25}, {1, 25}, {5, 100.0 / 64}} {
		cfg := testCluster()
		cfg.LBPolicy = xds.Random
		ch := NewChooser(3)
		cl := NewCluster(&cfg, xds.Rules{}, []Host{{Weight: 1}, {Weight: 1}}, Delays{}, 0, &ch)
		const n = 50_000
		again := 0
		for range n {
			if cl.Pick([]int32{0}, &xds.RetryPolicy{PreviousHosts: true, HostSelectionMaxAttempts: c.attempts}, &ch) == 0 {
				again++
			}
		}
		p := c.want / 100
		if got, slack := float64(again)/n, 5*math.Sqrt(p*(1-p)/n); math.Abs(got-p) > slack {
			t.Errorf("%d more picks: the same host in %.2f %%, want %.2f %%", c.attempts, 100*got, c.want)
		}
	}
}

// Least request sends 25 % to the busy one of two hosts, and half when idle (8.2, X10).
func TestX10LeastRequest(t *testing.T) {
	cfg := testCluster()
	cfg.LBPolicy = xds.LeastRequest
	ch := NewChooser(3)
	c := NewCluster(&cfg, xds.Rules{}, []Host{{Weight: 1}, {Weight: 1}}, Delays{}, 0, &ch)
	share := func() float64 {
		const n = 50_000
		k := 0
		for range n {
			if c.Pick(nil, nil, &ch) == 0 {
				k++
			}
		}
		return 100 * float64(k) / n
	}
	if got := share(); math.Abs(got-50) > 1.2 {
		t.Errorf("idle: %.1f %%, want 50 %%", got)
	}
	c.Begin(0)
	if got := share(); math.Abs(got-25) > 1 {
		t.Errorf("busy: %.1f %%, want 25 %%", got)
	}
	c.End(0)
	if got := share(); math.Abs(got-50) > 1.2 {
		t.Errorf("idle again: %.1f %%, want 50 %%", got)
	}
}

// Least request with unequal weights divides by the active requests: 1:3 with one
// on the heavy host is 160 to 240 of 400 (8.2, X49).
func TestX49LeastRequestWeights(t *testing.T) {
	cfg := testCluster()
	cfg.LBPolicy = xds.LeastRequest
	ch := NewChooser(3)
	c := NewCluster(&cfg, xds.Rules{}, []Host{{Weight: 1}, {Weight: 3}}, Delays{}, 0, &ch)
	c.Begin(1)
	k := [2]int{}
	for range 400 {
		k[c.Pick(nil, nil, &ch)]++
	}
	if k != [2]int{160, 240} {
		t.Errorf("got %v, want [160 240]", k)
	}
}

// previous_priorities: the ordinary load below the update frequency, other levels
// at its multiples, and from the beginning when none is left (11.4).
func TestPreviousPriorities(t *testing.T) {
	cfg := testCluster()
	ch := NewChooser(1)
	c := NewCluster(&cfg, xds.Rules{}, []Host{{Weight: 1}, {Weight: 1, Priority: 1}, {Weight: 1, Priority: 2}}, Delays{}, 0, &ch)
	p := &xds.RetryPolicy{PreviousPriorities: 2}
	var tried []int32
	var kept Kept
	for range 10 {
		tried = append(tried, c.PickAgain(tried, p, &kept, &ch))
	}
	// The fifth pick avoids 0 and 1; after six attempts all are used up, and the
	// count begins again.
	if d := cmp.Diff([]int32{0, 0, 1, 1, 2, 2, 0, 0, 1, 1}, tried); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// Weighted schedules start anywhere since Envoy 1.30; before, each began with the
// heaviest host, whatever the seed (8.1.2, 15).
func TestScheduleStart(t *testing.T) {
	first := func(rules xds.Rules) map[int32]int {
		picks := map[int32]int{}
		for seed := range uint64(200) {
			cfg := testCluster()
			ch := NewChooser(seed)
			c := NewCluster(&cfg, rules, []Host{{Weight: 1}, {Weight: 3}}, Delays{}, 0, &ch)
			picks[c.Pick(nil, nil, &ch)]++
		}
		return picks
	}
	if got := first(xds.Rules{}); got[1] != 200 {
		t.Errorf("before 1.30: first picks %v, want the heavy one always", got)
	}
	if got := first(xds.Rules{SchedulerRandomStart: true}); got[0] < 30 || got[0] > 70 {
		t.Errorf("since 1.30: first picks %v, want about 50 and 150", got)
	}
}

func BenchmarkPlayRecipe(b *testing.B) {
	s := written(&testing.T{}, `upstream east 198.18.0.1
upstream west 198.18.0.2
cluster lb=LEAST_REQUEST connect=10s
outlier consecutive_5xx=1 interval=15s base=60s max_percent=100
endpoints east:80 west:80/1
route retries=2 on=connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes picks=5
client every=2s count=60
at 9.5 endpoints east:81 west:80/1`)
	s.Duration = trace.Sec(2 * time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		Predict(s)
	}
}

// One simulated request over ten hosts: arrival, pick, connection, answer, record.
func BenchmarkRequest(b *testing.B) {
	text, ends := "", "endpoints"
	for i := range 10 {
		text += fmt.Sprintf("upstream h%d 198.18.0.%d\n", i, i+1)
		ends += fmt.Sprintf(" h%d:80", i)
	}
	for _, lb := range []xds.LBPolicy{xds.RoundRobin, xds.LeastRequest, xds.Random} {
		b.Run(string(lb), func(b *testing.B) {
			s := written(&testing.T{}, text+"cluster lb="+string(lb)+"\noutlier consecutive_5xx=5\n"+ends)
			const n = 10_000
			s.Clients[0].Load.Every, s.Clients[0].Load.Count = trace.Sec(time.Millisecond), n
			b.ReportAllocs()
			for b.Loop() {
				Predict(s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/request")
		})
	}
}

// A streamed drill is the predicted one, in parts, and its events come in order.
func TestStreamIsPredictInParts(t *testing.T) {
	s := written(t, `upstream a 198.18.0.1 latency=3ms
upstream b 198.18.0.2 latency=1ms
cluster lb=RANDOM connect=1s
outlier consecutive_5xx=2 interval=1s base=1s max_percent=100
endpoints a:80 b:80
at 10 fault bad a status status=503 percentage=30`)
	const n = 2*part + part/2
	s.Clients[0].Load.Every, s.Clients[0].Load.Count = trace.Sec(time.Millisecond), n
	s.Duration = s.Clients[0].Load.Due(n)
	var got trace.Trace
	parts, last := 0, ""
	err := Stream(s, func(e trace.Event) error {
		kind := fmt.Sprintf("%T", e)
		if last == "trace.Request" && kind != last {
			parts++
		}
		last = kind
		got.Add(e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if parts != 3 {
		t.Errorf("handed over in %d parts, want 3", parts)
	}
	want := Play(s)
	got.Sort()
	if !slices.Equal(want.Requests, got.Requests) || !slices.Equal(want.Attempts, got.Attempts) || !slices.Equal(want.Changes, got.Changes) {
		t.Error("requests, attempts or changes differ from the prediction's")
	}
	others := cmpopts.IgnoreFields(trace.Trace{}, "Requests", "Attempts", "Changes")
	if d := cmp.Diff(want, &got, others, cmpopts.IgnoreUnexported(trace.Trace{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-predicted +streamed)\n%s", d)
	}
	if len(want.Changes) < 10 {
		t.Errorf("%d changes; the test is about many", len(want.Changes))
	}
}

// An error of the one who takes the parts ends the drill.
func TestStreamStops(t *testing.T) {
	s := written(t, "upstream a 198.18.0.1\ncluster lb=RANDOM\nendpoints a:80")
	full := errors.New("disk full")
	if err := Stream(s, func(trace.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}
