package dns

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

func ips(words ...string) []netip.Addr {
	out := []netip.Addr{}
	for _, w := range words {
		out = append(out, netip.MustParseAddr("10.0.0."+w))
	}
	return out
}

// lookUps counts how often a name is asked for within a time, when every answer is
// the same.
func lookUps(cfg xds.DNS, res Result, within time.Duration, seed uint64) int {
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // chance that repeats is meant
	r := New(cfg, Strict, xds.Rules{}, 1, 0)
	n := 0
	for name, at := r.Next(); at <= int64(within); name, at = r.Next() {
		n++
		r.Answered(at, name, res, rng.Uint64()%max(1, r.Window(res)))
	}
	return n
}

// Look-ups in 9 s, as Envoy 1.36.2 and 1.40.0 made them (X52).
func TestX52LookUps(t *testing.T) {
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	answer := func(ttl float64) Result { return Result{Addresses: ips("1"), TTL: second(ttl)} }
	for _, c := range []struct {
		what string
		cfg  xds.DNS
		res  Result
		want int
	}{
		{"dns_refresh_rate 1 s, TTL 4 s ignored", xds.DNS{RefreshRate: second(1)}, answer(4), 10},
		{"respect_dns_ttl, TTL 4 s", xds.DNS{RefreshRate: second(1), RespectTTL: true}, answer(4), 3},
		{"respect_dns_ttl, TTL 0", xds.DNS{RefreshRate: second(2), RespectTTL: true}, answer(0), 5},
		{"failing, no failure rate", xds.DNS{RefreshRate: second(2)}, Result{Failed: true}, 5},
		{"failing, respect_dns_ttl and jitter", xds.DNS{RefreshRate: second(2), RespectTTL: true, Jitter: second(1)}, Result{Failed: true}, 5},
		{"empty", xds.DNS{RefreshRate: second(2), RespectTTL: true}, Result{TTL: second(1)}, 5},
	} {
		if got := lookUps(c.cfg, c.res, second(9), 1); got != c.want {
			t.Errorf("%s: %d look-ups in 9 s, want %d", c.what, got, c.want)
		}
	}
	// 0.5 s jittered: 32 and 33 measured; the mean is 9 s / 0.25 s.
	cfg := xds.DNS{RefreshRate: second(10), FailureBase: second(0.5), FailureMax: second(0.5)}
	sum := 0
	for seed := range uint64(100) {
		n := lookUps(cfg, Result{Failed: true}, second(9), seed)
		if n < 20 || n > 60 {
			t.Errorf("dns_failure_refresh_rate 0.5 s: %d look-ups in 9 s", n)
		}
		sum += n
	}
	if sum < 3400 || sum > 3900 {
		t.Errorf("dns_failure_refresh_rate 0.5 s: %d look-ups in 100 times 9 s, want about 3650", sum)
	}
}

// The window of a failing cluster doubles up to its limit, whichever of its names
// fails, and any answer resets it; the jitter is added after answers.
func TestBackOff(t *testing.T) {
	r := New(xds.DNS{RefreshRate: time.Minute, Jitter: 100 * time.Millisecond, FailureBase: time.Second, FailureMax: 5 * time.Second}, Strict, xds.Rules{}, 2, 0)
	failed, good := Result{Failed: true}, Result{Addresses: ips("1")}
	var got []uint64
	for i := range 4 {
		got = append(got, r.Window(failed))
		r.Answered(0, i%2, failed, 7)
	}
	got = append(got, r.Window(failed), r.Window(good))
	r.Answered(0, 0, good, 50)
	got = append(got, r.Window(failed))
	if want := []uint64{1000, 2000, 4000, 5000, 5000, 100, 1000}; !slices.Equal(got, want) {
		t.Errorf("windows: got %v ms, want %v", got, want)
	}
	if name, at := r.Next(); name != 1 || at != int64(7*time.Millisecond) {
		t.Errorf("next: name %d at %v, want name 1 at 7ms", name, time.Duration(at))
	}
	r.Answered(0, 1, good, 99)
	if name, at := r.Next(); name != 0 || at != int64(time.Minute+50*time.Millisecond) {
		t.Errorf("next: name %d at %v, want name 0 at 1m0.05s", name, time.Duration(at))
	}
}

// NXDOMAIN and NODATA empty a strict DNS cluster; SERVFAIL, REFUSED and silence
// keep what is there (G17). A logical DNS cluster keeps its host in any case (X24).
func TestG17Answers(t *testing.T) {
	two := Answer{Addresses: ips("1", "2"), TTL: time.Second}
	for _, c := range []struct {
		what   string
		answer Answer
		strict int // addresses afterwards
	}{
		{"SERVFAIL", Answer{Code: ServFail}, 2},
		{"REFUSED", Answer{Code: Refused}, 2},
		{"no answer", Answer{Code: Timeout}, 2},
		{"NXDOMAIN", Answer{Code: NXDomain}, 0},
		{"NODATA", Answer{}, 0},
	} {
		for kind, want := range map[Kind]int{Strict: c.strict, Logical: 2} {
			r := New(xds.DNS{RefreshRate: time.Second}, kind, xds.Rules{LogicalDNSReplacesHost: true}, 1, 0)
			r.Answered(0, 0, Outcome("", xds.Rules{}, two, Answer{}), 0)
			changed := r.Answered(1e9, 0, Outcome("", xds.Rules{}, c.answer, Answer{}), 0)
			if got := len(r.Addresses(0)); got != want || changed != (want == 0) {
				t.Errorf("%s, kind %d: %d addresses, changed %v; want %d", c.what, kind, got, changed, want)
			}
			if !r.Answered(9e9, 0, Outcome("", xds.Rules{}, Answer{Addresses: ips("3")}, Answer{}), 0) || len(r.Addresses(0)) != 1 {
				t.Errorf("%s, kind %d: the answer after it is not taken", c.what, kind)
			}
		}
	}
}

// A fails with SERVFAIL, AAAA is clean and empty: no host left up to Envoy 1.39 when
// both are asked for, the hosts kept from 1.40 on; V4_ONLY keeps them always (X69).
func TestX69DualFamily(t *testing.T) {
	old, from140 := xds.Rules{}, xds.Rules{DualDNSFailureKeepsHosts: true}
	fails, empty, nothing := Answer{Code: ServFail}, Answer{}, Answer{Code: NXDomain}
	four, six := Answer{Addresses: ips("4"), TTL: 9 * time.Second}, Answer{Addresses: []netip.Addr{netip.MustParseAddr("::6")}, TTL: 5 * time.Second}
	say := func(r Result) string { return fmt.Sprint(r.Failed, r.Addresses, r.TTL) }
	for _, c := range []struct {
		family  xds.LookupFamily
		a, aaaa Answer
		old     string
		from140 string
	}{
		{xds.Auto, fails, empty, "false [] 0s", "true [] 0s"},
		{xds.V4Preferred, fails, empty, "false [] 0s", "true [] 0s"},
		{xds.AllFamilies, nothing, fails, "false [] 0s", "true [] 0s"},
		{xds.V4Only, fails, empty, "true [] 0s", "true [] 0s"},
		{"", fails, empty, "true [] 0s", "true [] 0s"},
		{xds.V6Only, fails, empty, "false [] 0s", "false [] 0s"},
		{xds.Auto, empty, nothing, "false [] 0s", "false [] 0s"},
		{xds.Auto, fails, fails, "true [] 0s", "true [] 0s"},
		{xds.Auto, four, six, "false [::6] 5s", "false [::6] 5s"},
		{xds.Auto, four, fails, "false [10.0.0.4] 9s", "false [10.0.0.4] 9s"},
		{xds.V4Preferred, four, six, "false [10.0.0.4] 9s", "false [10.0.0.4] 9s"},
		{xds.V4Preferred, fails, six, "false [::6] 5s", "false [::6] 5s"},
		{xds.AllFamilies, four, six, "false [10.0.0.4 ::6] 5s", "false [10.0.0.4 ::6] 5s"},
		{xds.V4Only, four, six, "false [10.0.0.4] 9s", "false [10.0.0.4] 9s"},
	} {
		if got := say(Outcome(c.family, old, c.a, c.aaaa)); got != c.old {
			t.Errorf("%q up to 1.39: got %s, want %s", c.family, got, c.old)
		}
		if got := say(Outcome(c.family, from140, c.a, c.aaaa)); got != c.from140 {
			t.Errorf("%q from 1.40: got %s, want %s", c.family, got, c.from140)
		}
	}
	if r := Outcome(xds.Auto, from140, Answer{Code: Timeout}, Answer{Code: Timeout}); !r.Failed || !r.TimedOut {
		t.Errorf("nobody answers: got %+v", r)
	}
}

// The answer of a logical DNS cluster: since Envoy 1.39 any other list makes another
// host, a rotated one too; before, the first address alone counted (X24).
func TestX24LogicalList(t *testing.T) {
	for _, c := range []struct {
		replaces bool
		want     []bool
	}{{true, []bool{true, false, true, true, true}}, {false, []bool{true, false, true, false, true}}} {
		r := New(xds.DNS{RefreshRate: time.Second}, Logical, xds.Rules{LogicalDNSReplacesHost: c.replaces}, 1, 0)
		var got []bool
		for i, a := range [][]netip.Addr{ips("1", "2"), ips("1", "2"), ips("2", "1"), ips("2", "3"), ips("4")} {
			got = append(got, r.Answered(int64(i), 0, Result{Addresses: a}, 0))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("replaces %v: changed %v, want %v", c.replaces, got, c.want)
		}
	}
}

// An address that an answer has twice is there once; the order is that of the
// last answer (X24). A copy goes its own way.
func TestX24StrictList(t *testing.T) {
	r := New(xds.DNS{RefreshRate: time.Second}, Strict, xds.Rules{}, 1, 0)
	r.Answered(0, 0, Result{Addresses: ips("2", "3", "3")}, 0)
	c := r.Clone()
	if !c.Answered(1, 0, Result{Addresses: ips("3", "2")}, 0) || !slices.Equal(c.Addresses(0), ips("3", "2")) {
		t.Errorf("rotated: got %v", c.Addresses(0))
	}
	if _, at := r.Next(); !slices.Equal(r.Addresses(0), ips("2", "3")) || at != 1e9 {
		t.Errorf("got %v, next at %d; want 2 and 3, at 1e9", r.Addresses(0), at)
	}
}

// However short the times, a name is not asked for twice at one instant.
func TestSoonest(t *testing.T) {
	for _, res := range []Result{{Failed: true}, {Addresses: ips("1")}, {}} {
		if n := lookUps(xds.DNS{RespectTTL: true}, res, 10*time.Millisecond, 1); n != 11 {
			t.Errorf("%+v: %d look-ups in 10 ms, want 11", res, n)
		}
	}
}

// A server that does not answer is asked four times, and the look-up fails after 62
// s; the next one begins a refresh rate later. An answer to any try is an answer.
// Measured: asked after 5.1, 12.5 and 26.2 s and failed after 61.9 s with 1.36.2;
// 5.0, 13.8, 30.2 and 62.6 s with 1.40.0.
func TestTries(t *testing.T) {
	r := New(xds.DNS{RefreshRate: time.Second}, Strict, xds.Rules{}, 1, 0)
	var got []time.Duration
	for range 6 {
		name, at := r.Next()
		got = append(got, time.Duration(at))
		r.Answered(at, name, Result{Failed: true, TimedOut: true}, 0)
	}
	s := time.Second
	if want := []time.Duration{0, 5 * s, 13 * s, 28 * s, 63 * s, 68 * s}; !slices.Equal(got, want) {
		t.Errorf("asked at %v, want %v", got, want)
	}
	name, at := r.Next()
	if !r.Answered(at, name, Result{Addresses: ips("1")}, 0) || time.Duration(at) != 76*s {
		t.Errorf("the third try was at %v and not taken", time.Duration(at))
	}
	if _, at := r.Next(); time.Duration(at) != 77*s {
		t.Errorf("asked again at %v, want 77s", time.Duration(at))
	}
	// A failure after silence is a failure.
	r.Answered(77e9, 0, Result{Failed: true, TimedOut: true}, 0)
	r.Answered(82e9, 0, Result{Failed: true}, 0)
	if _, at := r.Next(); time.Duration(at) != 83*s || len(r.Addresses(0)) != 1 {
		t.Errorf("asked again at %v, want 83s", time.Duration(at))
	}
}
