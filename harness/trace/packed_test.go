package trace

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Packing changes nothing: whatever is recorded comes out again, requests as they
// were due and attempts as they ended, also what is too long to be packed.
func TestPackedTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := &Trace{Hosts: []Host{{Upstream: 1}, {Index: 1, Upstream: -1}}}
		var requests []Request
		var attempts []Attempt
		now := Sec(0)
		for n := range rapid.SampledFrom([]int32{0, 3, 40, firstChunk, firstChunk + 1, firstChunk + 30}).Draw(t, "requests") {
			now += Sec(rapid.Int64Range(0, 3).Draw(t, "gap"))
			sent := now - Sec(rapid.Int64Range(0, 4).Draw(t, "lasts"))
			at := sent - Sec(rapid.SampledFrom([]int64{0, 1, 1 << 32}).Draw(t, "waits"))
			host := rapid.Int32Range(0, 1).Draw(t, "host")
			r := Request{At: at, Sent: sent, Done: now, Client: rapid.SampledFrom([]int32{0, 1, 1 << 16}).Draw(t, "client"), N: n, Attempts: 1, Host: host, Upstream: tr.UpstreamOf(host)}
			r.Status = rapid.SampledFrom([]int32{200, 503, 999}).Draw(t, "status")
			a := Attempt{At: sent, Done: now, Client: r.Client, Request: n, N: 1, Host: host, Status: r.Status, Charged: rapid.Bool().Draw(t, "charged")}
			if rapid.Bool().Draw(t, "plain") {
				tr.Exchange(r.At, r.Sent, r.Done, r.Client, r.N, r.Host, r.Status, a.Charged)
			} else {
				r.Flags, r.Host, r.Upstream, a.Result = FlagUF, -1, -1, Refused
				tr.Add(r)
				tr.Add(a)
			}
			requests, attempts = append(requests, r), append(attempts, a)
		}
		tr.Sort()
		slices.SortFunc(requests, func(a, b Request) int {
			return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Client, b.Client), cmp.Compare(a.N, b.N))
		})
		var gotRequests []Request
		for r := range tr.AllRequests() {
			gotRequests = append(gotRequests, *r)
		}
		var gotAttempts []Attempt
		for a := range tr.AllAttempts() {
			gotAttempts = append(gotAttempts, *a)
		}
		if d := gocmp.Diff(requests, gotRequests, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("requests (-recorded +read)\n%s", d)
		}
		if d := gocmp.Diff(attempts, gotAttempts, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("attempts (-recorded +read)\n%s", d)
		}
		tr.Unpack()
		if d := gocmp.Diff(gotRequests, tr.Requests, cmpopts.EquateEmpty()) + gocmp.Diff(gotAttempts, tr.Attempts, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("unpacked (-read +unpacked)\n%s", d)
		}
	})
}

// Reading may stop anywhere.
func TestPackedStops(t *testing.T) {
	tr := &Trace{}
	for n := range int32(3) {
		tr.Exchange(Sec(n), Sec(n), Sec(n), 0, n, 0, 200, false)
	}
	tr.Add(Request{At: 1, N: 9})
	tr.Add(Attempt{Done: 1})
	tr.Sort()
	for stop := range 4 {
		n := 0
		for range tr.AllRequests() {
			if n++; n > stop {
				break
			}
		}
		for range tr.AllAttempts() {
			if n--; n <= 0 {
				break
			}
		}
		if n > 0 {
			t.Errorf("fewer attempts than %d", stop+1)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	b.ReportAllocs()
	tr, n := &Trace{}, int32(0)
	for b.Loop() {
		if n++; n%(1<<20) == 0 {
			tr = &Trace{}
		}
		tr.Exchange(Sec(n), Sec(n), Sec(n), 0, n, 0, 200, false)
	}
}
