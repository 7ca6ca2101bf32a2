package engine

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/engine/outlier"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// What real Envoys did with whole requests, or with the priorities of a cluster:
// 1.36.2 and 1.40.0 alike unless it says otherwise. The names of the tests are
// those of the measurements. The settings are theirs too: one error is enough,
// all may go, ticks are far away, panic is off, no merge window.

const probeOutlier = "consecutive_5xx=1 interval=60s base=60s max_percent=100 enforcing_success_rate=0"

// seen is what a measurement looks at after a drill.
type seen struct {
	*world
	c *clusterState
}

// measure plays a drill. The words of outlier come after those of the probe; host
// names are h0, h1, ... with a fault each when one is given.
func measure(t *testing.T, hosts int, fault, outlier, cluster, rest string) seen {
	t.Helper()
	text, ends, faults := "", "endpoints", ""
	for i := range hosts {
		text += fmt.Sprintf("upstream h%d 198.18.0.%d\n", i, i+1)
		ends += fmt.Sprintf(" h%d:80", i)
		if fault != "" {
			faults += fmt.Sprintf("\nat 0 fault f%d h%d %s", i, i, fault)
		}
	}
	text += "cluster merge=0s " + cluster + "\noutlier " + probeOutlier + " " + outlier + "\n" + ends + "\n" + rest + faults
	s := written(t, text)
	w := newWorld(s, DefaultDelays)
	w.play(func() {})
	w.tr.Unpack()
	return seen{w, w.proxies[0].clusters["c"]}
}

func (s seen) active() int { return int(s.counter("active")) }

func (s seen) counter(name string) uint64 {
	for _, c := range s.c.Counters() {
		if c.Name == "ejections_"+name {
			return c.Value
		}
	}
	panic("no counter " + name)
}

// ejected are the hosts that are out at the end.
func (s seen) ejected() (out []int32) {
	for h := range s.c.hosts {
		if s.c.Ejected(int32(h)) {
			out = append(out, int32(h))
		}
	}
	return out
}

// outcomes are the requests in words.
func (s seen) outcomes() (out []string) {
	for i := range s.tr.Requests {
		r := &s.tr.Requests[i]
		text := fmt.Sprint(r.Status)
		if r.Flags != 0 {
			text += " " + r.Flags.String()
		}
		out = append(out, text)
	}
	return out
}

// Nine hosts at the default 10 %: nobody goes. Of 54 answers 503 with a threshold
// of 2, 27 are detected, and 9 more by the gateway detector, which is not enforced:
// 36 overflows.
func TestG01(t *testing.T) {
	s := measure(t, 9, "status status=503", "consecutive_5xx=2 max_percent=10", "", "client every=10ms count=54")
	got := []uint64{uint64(s.active()), s.counter("detected_consecutive_5xx"), s.counter("detected_consecutive_gateway_failure"), s.counter("overflow")}
	if want := []uint64{0, 27, 9, 36}; !slices.Equal(got, want) {
		t.Errorf("active, detected, gateway, overflow: got %v, want %v", got, want)
	}
}

// Ten hosts at the default 10 %: one goes, and what else is detected overflows.
func TestG02(t *testing.T) {
	s := measure(t, 10, "status status=500", "max_percent=10", "", "client every=10ms count=30")
	if s.active() != 1 || len(s.ejected()) != 1 || s.counter("overflow")+1 != s.counter("detected_consecutive_5xx") {
		t.Errorf("active %d, out %v, overflow %d, detected %d; want 1, one host, and one overflow less than detected",
			s.active(), s.ejected(), s.counter("overflow"), s.counter("detected_consecutive_5xx"))
	}
}

// Three hosts: 33 % none, 34 % and 66 % one, 67 % two.
func TestG03(t *testing.T) {
	for percent, want := range map[int]int{33: 0, 34: 1, 66: 1, 67: 2} {
		s := measure(t, 3, "status status=500", fmt.Sprintf("max_percent=%d", percent), "", "client every=10ms count=12")
		if s.active() != want {
			t.Errorf("%d %%: %d out, want %d", percent, s.active(), want)
		}
	}
}

// One host, panic off: 503 UH until the tick after base_ejection_time. Ejected
// 65 ms after a tick it is back after 2.94 s, as measured.
func TestG04(t *testing.T) {
	s := measure(t, 1, "status status=503 first=1", "interval=1s base=2s", "", "client start=65ms every=10ms count=400")
	got := s.outcomes()
	if got[0] != "503" || s.upstreams[0].faults[0].seen != 400-293 {
		t.Errorf("first %s, then %d requests reached the host", got[0], s.upstreams[0].faults[0].seen)
	}
	for i, o := range got[1:] {
		at := s.tr.Requests[i+1].At
		if want := map[bool]string{true: "503 UH", false: "200"}[at.D() < 3*time.Second]; o != want {
			t.Fatalf("at %v: %s, want %s", at.D(), o, want)
		}
	}
	if s.active() != 0 {
		t.Errorf("active %d", s.active())
	}
}

// The same with a panic threshold of 50 %: the host is out, and goes on serving.
func TestG05(t *testing.T) {
	s := measure(t, 1, "status status=503 first=1", "", "panic=50", "client every=10ms count=11")
	if got := strings.Join(s.outcomes(), ","); got != "503"+strings.Repeat(",200", 10) || s.active() != 1 || !s.c.Loads().Panic(0) {
		t.Errorf("%s, active %d, panic %v", got, s.active(), s.c.Loads().Panic(0))
	}
}

// Split: requests in turn that time out or are reset never make two in a row,
// since each connects first; those that are outstanding together do.
func TestG10(t *testing.T) {
	split := "consecutive_5xx=100 consecutive_gateway=100 split=true consecutive_local="
	route := "route on=retriable-4xx retries=0 per_try=100ms timeout=5s\nclient every=%s count=%d"
	for _, c := range []struct {
		fault, threshold, every string
		count                   int
		last                    string
		active                  int
	}{
		{"hang", "2", "200ms", 8, "504 UT", 0},
		{"hang", "1", "200ms", 1, "504 UT", 1},
		{"reset", "2", "200ms", 8, "503 UC", 0},
		{"hang", "2", "1ms", 3, "504 UT", 1}, // X57: three at once
	} {
		s := measure(t, 1, c.fault, split+c.threshold, "", fmt.Sprintf(route, c.every, c.count))
		got := s.outcomes()
		if last := got[len(got)-1]; last != c.last || s.active() != c.active {
			t.Errorf("%d x %s every %s, threshold %s: last %s, active %d; want %s, %d", c.count, c.fault, c.every, c.threshold, last, s.active(), c.last, c.active)
		}
	}
}

// Split, refused connections: out at the threshold, and the 5xx detector saw none
// of it. Answers are still charged by their codes: a 500 is no gateway error.
func TestG11(t *testing.T) {
	var active []int
	for n := range 3 {
		s := measure(t, 1, "refuse", "split=true consecutive_local=3", "", fmt.Sprintf("client every=10ms count=%d", n+1))
		active = append(active, s.active())
		if s.counter("detected_consecutive_5xx") != 0 || s.counter("enforced_consecutive_local_origin_failure") != uint64(s.active()) {
			t.Errorf("%d refused: %v", n+1, s.c.Counters())
		}
	}
	if !slices.Equal(active, []int{0, 0, 1}) {
		t.Errorf("active after each: %v, want [0 0 1]", active)
	}
	s := measure(t, 1, "status status=503", "split=true consecutive_5xx=2 consecutive_local=3", "", "client every=10ms count=2")
	if s.counter("enforced_consecutive_5xx") != 1 {
		t.Errorf("two answers 503: %v", s.c.Counters())
	}
	s = measure(t, 1, "status status=500", "split=true consecutive_5xx=100 consecutive_gateway=2 enforcing_gateway=100", "", "client every=10ms count=3")
	if s.active() != 0 || s.counter("detected_consecutive_gateway_failure") != 0 {
		t.Errorf("three answers 500: %v", s.c.Counters())
	}
}

// watched is a cluster that is driven by hand, with everything that it told.
type watched struct {
	*Cluster
	ch   Chooser
	told []Change
}

func watch(t *testing.T, seed uint64, hosts []Host, words string) *watched {
	t.Helper()
	cfg := testCluster()
	cfg.UpdateMergeWindow = 0
	setOutlier(t, &cfg, optionsOf(strings.Fields(probeOutlier+" "+words)))
	w := &watched{ch: NewChooser(seed)}
	rules := xds.Rules{DecayNeedsHealthyInterval: true, DrainingExcluded: true, DetectsDegradedHosts: true}
	w.Cluster = NewCluster(&cfg, rules, hosts, Delays{}, 0, &w.ch)
	return w
}

func (w *watched) tell(c Change) { w.told = append(w.told, c) }

// answer lets the time pass, and a host answer.
func (w *watched) answer(at time.Duration, h int32, code int) {
	w.Advance(int64(at), &w.ch, w.tell)
	r := outlier.RequestSuccess
	if code >= 500 {
		r = outlier.RequestFailed
	}
	w.Report(int64(at), h, r, code, &w.ch, w.tell)
}

// backAfter lets the time pass until the host returns.
func (w *watched) backAt(h int32) time.Duration {
	for w.Ejected(h) {
		at, _ := w.Next()
		w.Advance(at, &w.ch, w.tell)
	}
	return time.Duration(w.detector.Host(h).LastReturned)
}

// sharesOf are picks by host, of so many.
func (w *watched) sharesOf(n int) []int {
	picks := make([]int, len(w.hosts)+1)
	for range n {
		picks[1+w.Pick(nil, nil, &w.ch)]++
	}
	return picks[1:]
}

func equalHosts(n int) []Host { return slices.Repeat([]Host{{Weight: 1}}, n) }

// Ejected 0.35 s after each tick, base 2 s: out for 2.65, 4.65 and 6.65 s.
func TestG19(t *testing.T) {
	w := watch(t, 1, equalHosts(2), "interval=1s base=2s")
	at, got := 1350*time.Millisecond, ""
	for range 3 {
		w.answer(at, 0, 500)
		back := w.backAt(0)
		got += fmt.Sprint(back-at, " ")
		at = back + 350*time.Millisecond
	}
	if want := "2.65s 4.65s 6.65s "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// After the second unejection the multiplier falls by one a tick, from the first
// tick on in 80 of 216 runs and from the second in the others: multiplier 3, k
// ticks after the return, the next ejection has 4-k or 5-k.
func TestX40DecayShare(t *testing.T) {
	const runs = 4000
	for k := 1; k <= 3; k++ {
		early := 0
		for seed := range uint64(runs) {
			w := watch(t, seed*3+uint64(k), equalHosts(1), "interval=1s base=1s")
			at := 200 * time.Millisecond
			for range 3 {
				w.answer(at, 0, 500)
				at = w.backAt(0) + 200*time.Millisecond
			}
			w.answer(at+time.Duration(k)*time.Second, 0, 500)
			switch m := int(w.detector.Host(0).Multiplier); m {
			case 4 - k:
				early++
			case 5 - k:
			default:
				t.Fatalf("%d ticks after the return: multiplier %d, want %d or %d", k, m, 4-k, 5-k)
			}
		}
		if share := 100 * early / runs; share < 34 || share > 40 {
			t.Errorf("%d ticks after the return: early in %d %%, want 37 %%", k, share)
		}
	}
}

// detect_degraded_hosts: the host is marked at once and gets nothing while three
// of four are healthy; a tick takes the mark away. Without the option, and before
// Envoy 1.38, the header says nothing.
func TestX28Degraded(t *testing.T) {
	degrade := func(w *watched) {
		w.Report(int64(100*time.Millisecond), 0, outlier.RequestDegraded, 200, &w.ch, w.tell)
	}
	w := watch(t, 1, equalHosts(4), "degraded=true interval=1s base=1s")
	degrade(w)
	if got := w.sharesOf(300); !slices.Equal(got, []int{0, 100, 100, 100}) {
		t.Errorf("degraded: picks %v, want none of h0", got)
	}
	var counters []string
	for _, c := range w.Counters() {
		if c.Value > 0 {
			counters = append(counters, fmt.Sprint(c.Name, " ", c.Value))
		}
	}
	if want := []string{"ejections_detected_degradation 1"}; !slices.Equal(counters, want) {
		t.Errorf("got %v, want %v", counters, want)
	}
	w.Advance(int64(1999*time.Millisecond), &w.ch, w.tell)
	early := w.Degraded(0)
	w.Advance(int64(2*time.Second), &w.ch, w.tell)
	if !early || w.Degraded(0) || w.sharesOf(400)[0] != 100 {
		t.Errorf("degraded before the tick at 2 s: %v, after: %v", early, w.Degraded(0))
	}
	off := watch(t, 1, equalHosts(4), "")
	degrade(off)
	old := watch(t, 1, equalHosts(4), "degraded=true")
	*old.Cluster = *NewCluster(old.cfg, xds.Rules{}, old.hosts, Delays{}, 0, &old.ch)
	degrade(old)
	if len(off.told)+len(old.told) != 0 || off.sharesOf(400)[0] != 100 || old.sharesOf(400)[0] != 100 {
		t.Errorf("the option off: %v; before 1.38: %v", off.told, old.told)
	}
}

// A host that is degraded and ejected is out; one that the control plane calls
// unhealthy does not get better by being degraded (3.1).
func TestCoarseHealth(t *testing.T) {
	hosts := []Host{{Weight: 1}, {Weight: 1, Health: xds.HealthUnhealthy}, {Weight: 1, Health: xds.HealthDegraded}}
	w := watch(t, 1, hosts, "degraded=true")
	for h := range int32(3) {
		w.Report(0, h, outlier.RequestDegraded, 200, &w.ch, w.tell)
	}
	if got := w.sharesOf(100); !slices.Equal(got, []int{50, 0, 50}) {
		t.Errorf("all degraded, h1 unhealthy: picks %v, want 50 0 50", got)
	}
	w.answer(0, 0, 500)
	if got := w.sharesOf(100); !slices.Equal(got, []int{0, 0, 100}) {
		t.Errorf("h0 ejected as well: picks %v, want 0 0 100", got)
	}
	// In a locality, too.
	cfg := testCluster()
	cfg.LocalityWeighted = true
	a := xds.Locality{Region: "a"}
	cfg.Localities = []xds.LocalityEndpoints{{Locality: a, Weight: 1}}
	setOutlier(t, &cfg, options{"degraded": "true"})
	l := &watched{ch: NewChooser(1)}
	l.Cluster = NewCluster(&cfg, xds.Rules{DetectsDegradedHosts: true}, slices.Repeat([]Host{{Weight: 1, Locality: a}}, 4), Delays{}, 0, &l.ch)
	l.Report(0, 0, outlier.RequestDegraded, 200, &l.ch, l.tell)
	if got := l.sharesOf(90); !slices.Equal(got, []int{0, 30, 30, 30}) {
		t.Errorf("in a weighted locality: picks %v, want 0 30 30 30", got)
	}
}

// One ejection, one refused (no line) and one return make two lines of the event
// log; a detection that is not enforced makes one.
func TestX29EventLog(t *testing.T) {
	lines := func(text string) (out []string) {
		PlayLogged(written(t, text), time.Date(2026, 11, 22, 20, 17, 45, 0, time.UTC), func(l outlier.LogLine) { out = append(out, l.String()) })
		return out
	}
	got := lines("upstream h0 198.18.0.1\nupstream h1 198.18.0.2\nendpoints h0:80 h1:80\noutlier " + probeOutlier +
		" max_percent=50 interval=1s base=1s\nclient every=100ms start=700ms count=4\nat 0 fault a h0 status status=500 first=1\nat 0 fault b h1 status status=500 first=1")
	host := "198.18.0.1:80"
	if !strings.Contains(got[0], host) {
		host = "198.18.0.2:80" // round robin starts anywhere
	}
	want := []string{
		`{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:17:45.701Z","cluster_name":"c","upstream_url":"` + host + `","action":"EJECT","num_ejections":1,"enforced":true,"eject_consecutive_event":{}}`,
		`{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:17:47Z","secs_since_last_action":"1","cluster_name":"c","upstream_url":"` + host + `","action":"UNEJECT","num_ejections":1,"enforced":false}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	got = lines("upstream h0 198.18.0.1\nendpoints h0:80\noutlier " + probeOutlier + " enforcing_5xx=0\nclient every=100ms count=1\nat 0 fault a h0 status status=500 first=1")
	want = []string{`{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T20:17:45.001Z","cluster_name":"c","upstream_url":"198.18.0.1:80","action":"EJECT","num_ejections":0,"enforced":false,"eject_consecutive_event":{}}`}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("not enforced (-want +got)\n%s", d)
	}
}

// There is no limit per priority: both hosts of P0 go at 50 % of four, one of one
// at 50 % of two, and the next level takes over.
func TestX36NoLimitPerLevel(t *testing.T) {
	w := watch(t, 1, []Host{{Weight: 1}, {Weight: 1}, {Weight: 1, Priority: 1}, {Weight: 1, Priority: 1}}, "max_percent=50")
	w.answer(0, 0, 500)
	w.answer(0, 1, 500)
	if got := w.sharesOf(100); !slices.Equal(got, []int{0, 0, 50, 50}) {
		t.Errorf("two of P0 out: picks %v", got)
	}
	w = watch(t, 1, []Host{{Weight: 1}, {Weight: 1, Priority: 1}}, "max_percent=50")
	w.answer(0, 0, 500)
	if got := w.sharesOf(10); !w.Ejected(0) || got[1] != 10 {
		t.Errorf("one of one out: %v, picks %v", w.Ejected(0), got)
	}
}

// The percentage is of all hosts, those included that the control plane calls
// unhealthy: 1 healthy of 3 at 34 % may go. And 50 % enforcing is a draw a
// detection: 12 to 17 of 30.
func TestX46(t *testing.T) {
	w := watch(t, 1, []Host{{Weight: 1}, {Weight: 1, Health: xds.HealthUnhealthy}, {Weight: 1, Health: xds.HealthUnhealthy}}, "max_percent=34")
	w.answer(0, 0, 500)
	if !w.Ejected(0) {
		t.Error("1 healthy of 3 at 34 % did not go")
	}
	out := 0
	for seed := range uint64(3000) {
		e := watch(t, seed, equalHosts(1), "enforcing_5xx=50")
		e.answer(0, 0, 500)
		if e.Ejected(0) {
			out++
		}
	}
	if out < 1400 || out > 1600 {
		t.Errorf("enforcing 50: %d of 3000 went, want about half", out)
	}
}

// Sequential per-try timeouts on live connections never reach a local threshold of
// 2: the last is 504 UT and nobody is out (HTTP/1).
func TestX57(t *testing.T) {
	route := "route on=retriable-4xx retries=0 per_try=100ms timeout=5s\nclient every=%s count=%d"
	for _, c := range []struct {
		every  string
		count  int
		active int
	}{{"300ms", 6, 0}, {"1us", 3, 1}} {
		s := measure(t, 1, "hang", "split=true consecutive_local=2", "", fmt.Sprintf(route, c.every, c.count))
		for _, o := range s.outcomes() {
			if o != "504 UT" {
				t.Errorf("%d every %s: got %s, want 504 UT", c.count, c.every, o)
			}
		}
		if s.active() != c.active {
			t.Errorf("%d every %s: active %d, want %d", c.count, c.every, s.active(), c.active)
		}
	}
}

// Ticks count from the construction of the cluster, not from its first request:
// two clusters, first used 0.45 s apart, return at the same phase.
func TestX61TickPhase(t *testing.T) {
	for _, first := range []time.Duration{1300 * time.Millisecond, 2750 * time.Millisecond} {
		w := watch(t, 1, equalHosts(1), "interval=1s base=100ms")
		w.answer(first, 0, 500)
		if back := w.backAt(0); back%time.Second != 0 || back-first > time.Second {
			t.Errorf("first used at %v: back at %v, want the next whole second", first, back)
		}
	}
}

// The counters are the host's, whoever of the clients reports: nineteen errors of
// ten clients in turn do nothing, the twentieth ejects, and one success of any of
// them ends the run.
func TestX62SharedCounters(t *testing.T) {
	w := watch(t, 1, equalHosts(1), "consecutive_5xx=20")
	at := time.Duration(0)
	send := func(n, code int) {
		for range n {
			at += time.Millisecond
			w.Begin(0)
			w.answer(at, 0, code)
			w.End(0)
		}
	}
	send(19, 500)
	if w.Ejected(0) {
		t.Fatal("out after 19")
	}
	if send(1, 500); !w.Ejected(0) {
		t.Fatal("in after 20")
	}
	w = watch(t, 1, equalHosts(1), "consecutive_5xx=20")
	send(18, 500)
	send(1, 200)
	if send(19, 500); w.Ejected(0) {
		t.Error("18, a success, and 19: out")
	}
}

// The draws of outlier detection are questions: which of several hosts goes first
// lists them, and another seed gives another host.
func TestEqualOutliersAreADraw(t *testing.T) {
	gone := map[int32]int{}
	var q Question
	for seed := range uint64(300) {
		w := watch(t, seed, equalHosts(10), "consecutive_5xx=0 success_rate_volume=1 enforcing_success_rate=100 interval=1s max_percent=10")
		for h := range int32(10) {
			w.answer(0, h, map[bool]int{true: 500, false: 200}[h < 2])
		}
		ch := w.ch.Guided(listening(func(asked Question) {
			if asked.Draw == DrawOutlier {
				q = asked
			}
		}))
		w.Advance(int64(time.Second), &ch, w.tell)
		for h := range int32(10) {
			if w.Ejected(h) {
				gone[h]++
			}
		}
	}
	if gone[0]+gone[1] != 300 || gone[0] < 110 || gone[1] < 110 {
		t.Errorf("gone: %v, want h0 and h1 about 150 times each", gone)
	}
	if want := (Question{Draw: DrawOutlier, N: 2, Hosts: []int32{0, 1}, At: int64(time.Second), Detector: outlier.SuccessRate}); !reflect.DeepEqual(q, want) {
		t.Errorf("asked %+v, want %+v", q, want)
	}
}

// listening hears every question and answers none.
type listening func(Question)

func (l listening) Answer(q Question) (uint64, bool) { l(q); return 0, false }

// A trace has a line for each of it, with the names of Envoy's statistics.
func TestChangeEvents(t *testing.T) {
	w := watch(t, 1, equalHosts(2), "degraded=true interval=1s base=1s max_percent=50")
	w.Report(0, 0, outlier.RequestDegraded, 200, &w.ch, w.tell)
	w.answer(0, 0, 500)
	w.answer(0, 1, 500)
	w.Advance(int64(2*time.Second), &w.ch, w.tell)
	var got []string
	for _, c := range w.told {
		if c.Kind == LoadChanged {
			continue
		}
		e := w.ChangeEvent(0, c)
		got = append(got, fmt.Sprintf("%v %s %s until %v, %d", e.At.D(), e.Event, e.Cause, e.Until.D(), e.Ejections))
	}
	want := []string{
		"0s " + trace.Degraded + " degradation until 1s, 0", "0s " + trace.Ejected + " consecutive_5xx until 1s, 1",
		"0s " + trace.OverflowEvent + " consecutive_5xx until 0s, 0", "1s " + trace.Returned + "  until 0s, 1", "1s " + trace.Undegraded + "  until 0s, 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
