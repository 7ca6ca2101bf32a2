package outlier

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/faildrill/faildrill/harness/xds"
)

// dice is Chance with the answers of a test.
type dice struct {
	sample uint32                // a detection is enforced at more than so many percent
	early  bool                  // whether the first interval after a return is whole
	jitter func(n uint64) uint64 // nil: 0
	first  []int32               // hosts in the order in which they go first; others in theirs
	asked  [][]int32             // which outliers there was a choice of
}

func (d *dice) Enforce(percent uint32) bool { return d.sample < percent }

func (d *dice) Early() bool { return d.early }

func (d *dice) Jitter(n uint64) uint64 {
	if d.jitter == nil {
		return 0
	}
	return d.jitter(n)
}

func (d *dice) FirstReturn(hosts []int32) int { return d.of(hosts) }

func (d *dice) FirstOutlier(_ Type, hosts []int32) int {
	d.asked = append(d.asked, slices.Clone(hosts))
	return d.of(hosts)
}

func (d *dice) of(hosts []int32) int {
	for _, h := range d.first {
		if i := slices.Index(hosts, h); i >= 0 {
			return i
		}
	}
	return 0
}

func quiet(Event) {}

// most ejects the hosts one after another and returns how many could go.
func most(n int, percent uint32, alwaysOne bool, rules xds.Rules) int {
	cfg := xds.DefaultOutlierDetection()
	cfg.Consecutive5xx, cfg.MaxEjectionPercent, cfg.AlwaysEjectOneHost = 1, percent, alwaysOne
	d := New(cfg, rules, n, 0)
	for h := range n {
		ds := d.Report(int32(h), RequestFailed, 500)
		for _, t := range ds.List() {
			d.Detected(0, int32(h), t, &dice{})
		}
	}
	return d.Active()
}

// The largest k with 100 k / N <= P, as Envoy 1.36.2 and 1.40.0 gave it: 56 of
// 56 cells (X01).
func TestX01Boundaries(t *testing.T) {
	percents := []uint32{0, 10, 33, 34, 50, 66, 67, 100}
	for _, row := range []struct {
		hosts int
		most  [8]int
	}{
		{1, [8]int{0, 0, 0, 0, 0, 0, 0, 1}},
		{2, [8]int{0, 0, 0, 0, 1, 1, 1, 2}},
		{3, [8]int{0, 0, 0, 1, 1, 1, 2, 3}}, // 33.33 > 33, 66.67 > 66
		{5, [8]int{0, 0, 1, 1, 2, 3, 3, 5}},
		{7, [8]int{0, 0, 2, 2, 3, 4, 4, 7}},
		{9, [8]int{0, 0, 2, 3, 4, 5, 6, 9}},
		{10, [8]int{0, 1, 3, 3, 5, 6, 6, 10}},
	} {
		for i, p := range percents {
			if got := most(row.hosts, p, false, xds.Rules{}); got != row.most[i] {
				t.Errorf("%d hosts at %d %%: got %d ejected, want %d", row.hosts, p, got, row.most[i])
			}
		}
	}
}

// always_eject_one_host: exactly one where the percentage allows none (X01, 14 of 14).
func TestX01AlwaysEjectOne(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 7, 9, 10} {
		for _, p := range []uint32{0, 10} {
			if got := most(n, p, true, xds.Rules{}); got != 1 {
				t.Errorf("%d hosts at %d %%: got %d ejected, want 1", n, p, got)
			}
		}
	}
	if got := most(10, 50, true, xds.Rules{}); got != 5 {
		t.Errorf("10 hosts at 50 %%: got %d ejected, want 5", got)
	}
}

// Before Envoy 1.28 the hosts that were out already had to be below the
// percentage, so that one more went than fits.
func TestFirstEjectionFree(t *testing.T) {
	old := xds.Rules{FirstEjectionAlwaysAllowed: true}
	for _, c := range []struct {
		hosts   int
		percent uint32
		want    int
	}{{1, 10, 1}, {2, 10, 1}, {10, 10, 1}, {11, 10, 2}, {3, 50, 2}, {2, 50, 1}, {4, 100, 4}, {5, 0, 0}} {
		if got := most(c.hosts, c.percent, false, old); got != c.want {
			t.Errorf("%d hosts at %d %%: got %d ejected, want %d", c.hosts, c.percent, got, c.want)
		}
	}
	if Allowed(0, 0, 100, true, false) {
		t.Error("a cluster without hosts let one go")
	}
}

// The enforcing percentage: 0 never, 100 always, between them the sample decides.
func TestEnforcing(t *testing.T) {
	for _, c := range []struct {
		enforcing, sample uint32
		want              Verdict
	}{{0, 0, Unenforced}, {100, 99, Ejected}, {50, 49, Ejected}, {50, 50, Unenforced}, {1, 0, Ejected}, {1, 1, Unenforced}} {
		cfg := xds.DefaultOutlierDetection()
		cfg.MaxEjectionPercent, cfg.EnforcingConsecutive5xx = 100, c.enforcing
		d := New(cfg, xds.Rules{}, 1, 0)
		if got := d.Detected(0, 0, Consecutive5xx, &dice{sample: c.sample}).Verdict; got != c.want {
			t.Errorf("enforcing %d, sample %d: got %d, want %d", c.enforcing, c.sample, got, c.want)
		}
	}
}

// A base of 30 s and a maximum of 300 s let the multiplier reach 11 (4.6).
func TestMultiplierOfTheDefaults(t *testing.T) {
	cfg := xds.DefaultOutlierDetection()
	cfg.MaxEjectionPercent = 100
	d := New(cfg, xds.Rules{}, 1, 0)
	now := int64(0)
	for range 15 {
		d.Detected(now, 0, Consecutive5xx, &dice{})
		now = d.ReturnTick(0)
		for d.NextTick() <= now {
			d.OnInterval(&dice{}, quiet)
		}
	}
	if got := d.Host(0).Multiplier; got != 11 {
		t.Errorf("got multiplier %d, want 11", got)
	}
}

// Unejection is at ticks only: base 1.3 s, interval 1 s gives every duration from
// 1.3 up to 2.3 s, and one phase (X04).
func TestX04ReturnTick(t *testing.T) {
	cfg := xds.DefaultOutlierDetection()
	cfg.MaxEjectionPercent, cfg.Interval, cfg.BaseEjectionTime = 100, time.Second, 1300*time.Millisecond
	for off := time.Duration(0); off < time.Second; off += 50 * time.Millisecond {
		start := int64(7 * time.Second)
		d := New(cfg, xds.Rules{}, 1, start)
		at := start + int64(off)
		d.Detected(at, 0, Consecutive5xx, &dice{})
		want := d.ReturnTick(0)
		for d.Host(0).Ejected {
			now := d.NextTick()
			d.OnInterval(&dice{}, func(Event) {
				if now != want {
					t.Errorf("ejected %v after construction: returned at %d, announced %d", off, now, want)
				}
				if lasted := time.Duration(now - at); lasted < 1300*time.Millisecond || lasted >= 2300*time.Millisecond || (now-start)%int64(time.Second) != 0 {
					t.Errorf("ejected %v after construction: lasted %v", off, lasted)
				}
			})
		}
	}
}

// The multiplier k ticks after the unejecting tick is m-k or m-k+1 (X40).
func TestX40Decay(t *testing.T) {
	for _, early := range []bool{false, true} {
		for k := uint32(1); k <= 5; k++ {
			cfg := xds.DefaultOutlierDetection()
			cfg.MaxEjectionPercent, cfg.Interval, cfg.BaseEjectionTime = 100, time.Second, time.Second
			d := New(cfg, xds.Rules{DecayNeedsHealthyInterval: true}, 1, 0)
			tick := func() { d.OnInterval(&dice{early: early}, quiet) }
			for i := range 3 {
				d.Detected(d.NextTick()-int64(time.Second), 0, Consecutive5xx, &dice{})
				for range i + 1 {
					tick()
				}
			}
			for range k {
				tick()
			}
			want := 3 - min(3, k)
			if !early {
				want = 3 - min(3, k-1)
			}
			if got := d.Host(0).Multiplier; got != want {
				t.Errorf("early %v, %d ticks after the return: got multiplier %d, want %d", early, k, got, want)
			}
		}
	}
}

// Two copies go their own ways, and Equal sees it.
func TestClone(t *testing.T) {
	cfg := xds.DefaultOutlierDetection()
	d := New(cfg, xds.Rules{}, 2, 0)
	c := d.Clone()
	c.Report(1, ConnectFailed, 0)
	if d.Host(1).Consecutive[Consecutive5xx] != 0 || d.Equal(&c) {
		t.Error("a clone shares its hosts with the original")
	}
	d.Report(1, ConnectFailed, 0)
	if !d.Equal(&c) {
		t.Error("the same report made two different states")
	}
}

// naive is the detector once more, slow and obvious: runs are counted by reading
// the history backwards, ticks compare times instead of numbering themselves.
type naive struct {
	cfg   xds.OutlierDetection
	rules xds.Rules
	hosts []naiveHost
	over  uint64
}

type naiveHost struct {
	history    []string
	out        bool
	since      time.Duration
	multiplier int
	returned   time.Duration
	ever       bool
}

// run counts the entries that belong to a kind since the last that ends it.
func (h *naiveHost) run(kind string) uint32 {
	belongs := map[string]string{"503": "5xx gateway", "500": "5xx", "lost": "local"}
	ends := map[string]string{
		"200": "5xx gateway", "500": "gateway", "connected": "local", "reset 5xx": "5xx", "reset gateway": "gateway",
		"reset local": "local", "returned": "5xx gateway local",
	}
	n := uint32(0)
	for i := len(h.history) - 1; i >= 0; i-- {
		switch e := h.history[i]; {
		case contains(ends[e], kind):
			return n
		case contains(belongs[e], kind):
			n++
		}
	}
	return n
}

func contains(list, kind string) bool {
	for _, k := range []string{"5xx", "gateway", "local"} {
		if k == kind {
			for i := 0; i+len(k) <= len(list); i++ {
				if list[i:i+len(k)] == k {
					return true
				}
			}
		}
	}
	return false
}

// report returns the detections and their verdicts as text.
func (n *naive) report(now time.Duration, h int, what string) string {
	host := &n.hosts[h]
	entry := map[string]string{"refused": "503", "timeout": "503", "503": "503", "500": "500", "200": "200", "connected": "nothing"}[what]
	if n.cfg.SplitExternalLocalOriginErrors {
		entry = map[string]string{"refused": "lost", "timeout": "lost", "503": "503", "500": "500", "200": "200", "connected": "connected"}[what]
	}
	host.history = append(host.history, entry)
	said := ""
	var hit []string
	for _, k := range []struct {
		kind      string
		threshold uint32
		counts    bool
	}{
		{"gateway", n.cfg.ConsecutiveGatewayFailure, entry == "503"},
		{"5xx", n.cfg.Consecutive5xx, entry == "503" || entry == "500"},
		{"local", n.cfg.ConsecutiveLocalOriginFailure, entry == "lost"},
	} {
		if k.counts && host.run(k.kind) == k.threshold {
			hit = append(hit, k.kind)
		}
	}
	for _, kind := range hit {
		said += kind + " " + n.detected(now, host, kind) + ";"
	}
	return said
}

func (n *naive) detected(now time.Duration, host *naiveHost, kind string) string {
	if host.out {
		return "dropped"
	}
	host.history = append(host.history, "reset "+kind)
	out := 0
	for i := range n.hosts {
		if n.hosts[i].out {
			out++
		}
	}
	fits := (out+1)*100 <= int(n.cfg.MaxEjectionPercent)*len(n.hosts)
	if n.rules.FirstEjectionAlwaysAllowed {
		fits = out*100 < int(n.cfg.MaxEjectionPercent)*len(n.hosts)
	} else if n.cfg.AlwaysEjectOneHost && out == 0 {
		fits = true
	}
	if !fits {
		n.over++
		return "overflow"
	}
	if kind == "gateway" && n.cfg.EnforcingConsecutiveGatewayFailure == 0 {
		return "not enforced"
	}
	host.out, host.since = true, now
	if time.Duration(host.multiplier)*n.cfg.BaseEjectionTime < n.cfg.MaxEjectionTime+n.cfg.BaseEjectionTime {
		host.multiplier++
	}
	return "ejected"
}

func (n *naive) tick(now time.Duration, early bool) string {
	said := ""
	for i := range n.hosts {
		h := &n.hosts[i]
		lasts := min(time.Duration(h.multiplier)*n.cfg.BaseEjectionTime, n.cfg.MaxEjectionTime)
		back := h.out && now-h.since >= lasts
		if back {
			h.out, h.returned, h.ever = false, now, true
			h.history = append(h.history, "returned")
			said += fmt.Sprintf("h%d returns;", i)
		}
		whole := now-h.returned > n.cfg.Interval || early && now-h.returned == n.cfg.Interval
		if !n.rules.DecayNeedsHealthyInterval {
			whole = !back
		}
		if !h.out && h.ever && whole && h.multiplier > 0 {
			h.multiplier--
		}
	}
	return said
}

func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := xds.DefaultOutlierDetection()
		cfg.Consecutive5xx = rapid.Uint32Range(0, 4).Draw(t, "consecutive_5xx")
		cfg.ConsecutiveGatewayFailure = rapid.Uint32Range(0, 4).Draw(t, "gateway")
		cfg.EnforcingConsecutiveGatewayFailure = rapid.SampledFrom([]uint32{0, 100}).Draw(t, "enforcing gateway")
		cfg.ConsecutiveLocalOriginFailure = rapid.Uint32Range(0, 3).Draw(t, "local")
		cfg.SplitExternalLocalOriginErrors = rapid.Bool().Draw(t, "split")
		cfg.MaxEjectionPercent = rapid.SampledFrom([]uint32{0, 10, 33, 50, 67, 100}).Draw(t, "percent")
		cfg.AlwaysEjectOneHost = rapid.Bool().Draw(t, "always one")
		cfg.EnforcingSuccessRate, cfg.EnforcingLocalOriginSuccessRate = 0, 0 // the rates have a twin of their own
		cfg.Interval = time.Second
		cfg.BaseEjectionTime = time.Duration(rapid.IntRange(300, 4000).Draw(t, "base")) * time.Millisecond
		cfg.MaxEjectionTime = cfg.BaseEjectionTime + time.Duration(rapid.IntRange(0, 8000).Draw(t, "max"))*time.Millisecond
		rules := xds.Rules{DecayNeedsHealthyInterval: true}
		if rapid.Bool().Draw(t, "before 1.28") {
			rules = xds.Rules{FirstEjectionAlwaysAllowed: true}
		}
		hosts := rapid.IntRange(1, 5).Draw(t, "hosts")
		d := New(cfg, rules, hosts, 0)
		n := naive{cfg: cfg, rules: rules, hosts: make([]naiveHost, hosts)}
		now := time.Duration(0)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 900).Draw(t, "wait")) * time.Millisecond
			early := rapid.Bool().Draw(t, "early")
			compareTicks(t, &d, &n, now, early)
			h := rapid.IntRange(0, hosts-1).Draw(t, "host")
			what := rapid.SampledFrom([]string{"503", "503", "503", "500", "200", "refused", "refused", "timeout", "connected"}).Draw(t, "result")
			got, want := tell(&d, now, h, what), n.report(now, h, what)
			if got != want {
				t.Fatalf("at %v, %s of h%d: got %q, want %q", now, what, h, got, want)
			}
			if d.Stats().Overflow != n.over {
				t.Fatalf("at %v: overflow %d, want %d", now, d.Stats().Overflow, n.over)
			}
		}
	})
}

func compareTicks(t *rapid.T, d *Detector, n *naive, now time.Duration, early bool) {
	for d.NextTick() <= int64(now) {
		at, got := time.Duration(d.NextTick()), ""
		d.OnInterval(&dice{early: early}, func(e Event) { got += fmt.Sprintf("h%d returns;", e.Host) })
		if want := n.tick(at, early); got != want {
			t.Fatalf("tick at %v: got %q, want %q", at, got, want)
		}
		for h := range n.hosts {
			if got, want := int(d.Host(int32(h)).Multiplier), n.hosts[h].multiplier; got != want {
				t.Fatalf("tick at %v: h%d has multiplier %d, want %d", at, h, got, want)
			}
		}
	}
}

func tell(d *Detector, now time.Duration, h int, what string) string {
	r, code := RequestFailed, 503
	switch what {
	case "500":
		code = 500
	case "200":
		r, code = RequestSuccess, 200
	case "refused":
		r = ConnectFailed
	case "timeout":
		r = Timeout
	case "connected":
		r = ConnectSuccess
	}
	said := ""
	ds := d.Report(int32(h), r, code)
	for _, t := range ds.List() {
		kind := [...]string{"gateway", "5xx", "local"}[t]
		said += kind + " " + [...]string{"dropped", "overflow", "not enforced", "ejected"}[d.Detected(int64(now), int32(h), t, &dice{}).Verdict] + ";"
	}
	return said
}
