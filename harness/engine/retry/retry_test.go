package retry

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

var conditions = []string{
	"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "refused-stream",
	"retriable-4xx", "retriable-status-codes", "unavailable", "cancelled",
}

// The table of conditions (11.2): which retry on what. 418 is in the list of
// retriable status codes.
func TestConditions(t *testing.T) {
	resets := []string{"5xx", "gateway-error", "reset"}
	for _, c := range []struct {
		name   string
		f      Failure
		status int
		want   []string
	}{
		{"200", Response, 200, nil},
		{"404", Response, 404, nil},
		{"409", Response, 409, []string{"retriable-4xx"}},
		{"418", Response, 418, []string{"retriable-status-codes"}},
		{"499", Response, 499, nil},
		{"500", Response, 500, []string{"5xx"}},
		{"501", Response, 501, []string{"5xx"}},
		{"502", Response, 502, []string{"5xx", "gateway-error"}},
		{"503", Response, 503, []string{"5xx", "gateway-error"}},
		{"504", Response, 504, []string{"5xx", "gateway-error"}},
		{"505", Response, 505, []string{"5xx"}},
		{"599", Response, 599, []string{"5xx"}},
		{"600", Response, 600, nil},
		{"no connection", ConnectFailure, 0, append([]string{"reset-before-request", "connect-failure"}, resets...)},
		{"reset after it was sent", ResetFailure, 0, resets},
		{"per-try timeout", PerTryTimeout, 0, resets}, // not under connect-failure (X06)
		{"overflow", OverflowFailure, 0, nil},
	} {
		var got []string
		for _, on := range conditions {
			if Retriable(&xds.RetryPolicy{RetryOn: []string{on}, RetriableStatusCodes: []uint32{418}}, c.f, c.status) {
				got = append(got, on)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s is retried under (-want +got)\n%s", c.name, d)
		}
	}
}

// Any condition of the list is enough; Istio's default retries a failed connect
// and no plain 503 (X60).
func TestIstioDefault(t *testing.T) {
	p := &xds.RetryPolicy{RetryOn: []string{"connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"}}
	if !Retriable(p, ConnectFailure, 0) || Retriable(p, Response, 503) || Retriable(p, ResetFailure, 0) {
		t.Error("want retries of failed connects and nothing else")
	}
}

// Decisions: as many retries as the policy has, then URX; what is not retriable
// takes none away; without a policy nothing is retried.
func TestDecide(t *testing.T) {
	p := &xds.RetryPolicy{RetryOn: []string{"connect-failure"}, NumRetries: 2}
	s := Start(p)
	var got []Decision
	for _, f := range []Failure{ResetFailure, ConnectFailure, PerTryTimeout, ConnectFailure, ConnectFailure, ConnectFailure} {
		got = append(got, s.Decide(f, 0))
	}
	if d := cmp.Diff([]Decision{No, Again, No, Again, Exhausted, Exhausted}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if s.Retries() != 2 || s.Policy() != p {
		t.Errorf("got %d retries of %v, want 2", s.Retries(), s.Policy())
	}
	none := Start(nil)
	if none.Decide(ConnectFailure, 0) != No || none.Policy() != nil {
		t.Error("a request without a policy is retried")
	}
	zero := Start(&xds.RetryPolicy{RetryOn: []string{"5xx"}})
	if zero.Decide(Response, 503) != Exhausted || zero.Decide(Response, 200) != No {
		t.Error("no retries are allowed: want URX for a 503, nothing for a 200")
	}
}

// Back-off windows: 25, 50, 100, 200, 250 ms and no more; 0 to window-1 whole
// milliseconds (11.3, X63).
func TestBackOff(t *testing.T) {
	p := &xds.RetryPolicy{BackOffBase: 25 * time.Millisecond, BackOffMax: 250 * time.Millisecond}
	for i, want := range []int64{25, 50, 100, 200, 250, 250, 250} {
		n := uint32(i + 1)
		if got := Window(p, n); got != want {
			t.Errorf("retry %d: got a window of %d ms, want %d", n, got, want)
		}
		lo, hi := BackOff(p, n, 0), BackOff(p, n, uint64(want-1))
		if lo != 0 || hi != time.Duration(want-1)*time.Millisecond || BackOff(p, n, uint64(want)) != 0 {
			t.Errorf("retry %d: got waits from %v to %v, want 0 to %d ms", n, lo, hi, want-1)
		}
	}
	same := &xds.RetryPolicy{BackOffBase: 200 * time.Millisecond, BackOffMax: 200 * time.Millisecond}
	if Window(same, 1) != 200 || Window(same, 9) != 200 {
		t.Error("a base that is the maximum does not grow")
	}
	if BackOff(&xds.RetryPolicy{}, 1, 7) != 0 {
		t.Error("no base, no wait")
	}
}
