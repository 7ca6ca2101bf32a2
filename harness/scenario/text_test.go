package scenario

import (
	"encoding"
	"math"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/xds"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{
		"15s": "15s", "90s": "1m30s", "60s": "1m", "3600s": "1h", "1h0m5s": "1h0m5s", "1.5s": "1.5s", "0": "0s", "24h": "24h", "500ms": "500ms",
		"5":   "error: expected a time with its unit, such as 5s or 5ms, found 5",
		"":    `error: expected a time such as 500ms, 15s or 1m30s, found ""`,
		"1d":  `error: expected a time such as 500ms, 15s or 1m30s, found "1d"`,
		"-1s": "error: expected a time from 0s to 24h, found the negative -1s",
		"25h": "error: expected a time from 0s to 24h, found 25h",
	} {
		checkText(t, new(Duration), text, want)
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]string{
		"50/s": "50/s", "600/m": "600/m", "0.5/s": "0.5/s", "5/10s": "5/10s", "1 / h": "1/h",
		"50":        `error: expected a number of requests in a time, such as 50/s or 600/m, found "50"`,
		"x/s":       `error: expected a number of requests in a time, such as 50/s or 600/m, found "x/s"`,
		"5/":        `error: expected a number of requests in a time, such as 50/s or 600/m, found "5/"`,
		"5/day":     `error: expected a number of requests in a time, such as 50/s or 600/m, found "5/day"`,
		"NaN/s":     `error: expected a number of requests in a time, such as 50/s or 600/m, found "NaN/s"`,
		"-1/s":      "error: expected more than 0 requests in more than 0s, found -1/s",
		"1/0s":      "error: expected more than 0 requests in more than 0s, found 1/0s",
		"5000/1us":  "error: expected at most 1000000/s, in at most 24h, found 5000/1us",
		"1/1000h":   "error: expected at most 1000000/s, in at most 24h, found 1/1000h",
		"1e400/s":   `error: expected a number of requests in a time, such as 50/s or 600/m, found "1e400/s"`,
		"1000001/s": "error: expected at most 1000000/s, in at most 24h, found 1000001/s",
	} {
		checkText(t, new(Rate), text, want)
	}
	if got := (Rate{N: 50, Per: time.Second}).Interval(); got != 20*time.Millisecond {
		t.Errorf("50/s is one every %s", got)
	}
}

func TestBound(t *testing.T) {
	inf := math.Inf(1)
	for text, want := range map[string]Bound{
		"5":        {Min: 5, Max: 5},
		"<= 3":     {Min: 0, Max: 3},
		">=30%":    {Min: 30, Max: inf, Percent: true},
		"20%..40%": {Min: 20, Max: 40, Percent: true},
		"0.5%":     {Min: 0.5, Max: 0.5, Percent: true},
	} {
		var got Bound
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		want.Text = text
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
	for _, text := range []string{"", "<=", "x", "1..", "..1", "1.5", "-1", "101%", "1e3%", "5%..6", "6..5", "NaN", "Inf", "< 3", "5 requests", "1e309"} {
		if err := new(Bound).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	b := Bound{Min: 20, Max: 40, Percent: true}
	if b.Holds(19.9) || !b.Holds(20) || !b.Holds(40) || b.Holds(40.1) {
		t.Error("bounds are not inclusive")
	}
}

// TestTextRoundTrip writes bounds that were never text, and reads them back.
func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := float64(rapid.IntRange(0, 100).Draw(t, "low"))
		high := rapid.SampledFrom([]float64{low, low + 5, math.Inf(1)}).Draw(t, "high")
		b := Bound{Min: low, Max: high, Percent: rapid.Bool().Draw(t, "percent") && (high <= 100 || math.IsInf(high, 1))}
		text, _ := b.MarshalText()
		var got Bound
		if err := got.UnmarshalText(text); err != nil {
			t.Fatal(err)
		}
		got.Text = ""
		if got != b {
			t.Fatalf("%v is written %q and read %v", b, text, got)
		}
		d := Duration(rapid.Int64Range(0, int64(maxDuration)).Draw(t, "duration"))
		var gotD Duration
		if err := gotD.UnmarshalText([]byte(d.String())); err != nil || gotD != d {
			t.Fatalf("%d is written %s and read %d: %v", d, d, gotD, err)
		}
	})
}

func TestDurationBound(t *testing.T) {
	for text, want := range map[string]string{
		"5s": "5s", "<= 5s": "<= 5s", ">= 60s": ">= 60s", "60s..75s": "60s..75s",
		"soon":    `error: expected a time such as 500ms, 15s or 1m30s, found "soon"`,
		"<=":      `error: expected a time or its bounds, such as "<= 5s" or "60s..75s", found "<="`,
		"75s..1m": `error: expected the shorter time first, found "75s..1m"`,
		"1m..":    `error: expected a time or its bounds, such as "<= 5s" or "60s..75s", found "1m.."`,
	} {
		checkText(t, new(DurationBound), text, want)
	}
	for want, b := range map[string]DurationBound{
		"<= 5s":  {Max: 5 * time.Second},
		">= 5s":  {Min: 5 * time.Second, Max: math.MaxInt64},
		"5s..1m": {Min: 5 * time.Second, Max: time.Minute},
	} {
		if b.String() != want || !b.Holds(5*time.Second) {
			t.Errorf("got %s, want %s", b, want)
		}
	}
}

// checkText reads a text and writes it again; want may be an error.
func checkText(t *testing.T, v interface {
	encoding.TextUnmarshaler
	encoding.TextMarshaler
}, text, want string) {
	t.Helper()
	got := ""
	if err := v.UnmarshalText([]byte(text)); err != nil {
		got = "error: " + err.Error()
	} else {
		b, _ := v.MarshalText()
		got = string(b)
	}
	if got != want {
		t.Errorf("%q\n got %s\nwant %s", text, got, want)
	}
}

func TestLoc(t *testing.T) {
	for _, tt := range []struct {
		client Client
		want   xds.Locality
	}{
		{Client{}, xds.Locality{}},
		{Client{Locality: "us-east1"}, xds.Locality{Region: "us-east1"}},
		{Client{Locality: "us-east1/b/rack"}, xds.Locality{Region: "us-east1", Zone: "b", SubZone: "rack"}},
		{Client{NodeLabels: map[string]string{regionLabel: "r", oldRegionLabel: "old", oldZoneLabel: "z"}}, xds.Locality{Region: "r", Zone: "z"}},
		{Client{NodeLabels: map[string]string{oldRegionLabel: "old", zoneLabel: "z", subzoneLabel: "s"}}, xds.Locality{Region: "old", Zone: "z", SubZone: "s"}},
	} {
		if got := tt.client.Loc(); got != tt.want {
			t.Errorf("%v is at %v, want %v", tt.client, got, tt.want)
		}
	}
}

func TestUpstreamNames(t *testing.T) {
	for _, tt := range []struct{ addresses, want []string }{
		{[]string{"dynamodb.us-east-1.amazonaws.com", "dynamodb.us-west-1.amazonaws.com"}, []string{"us-east-1", "us-west-1"}},
		{[]string{"mydb.com"}, []string{"mydb"}},
		{[]string{"localhost"}, []string{"localhost"}},
		{[]string{"a.com", "b.com", "c.eu.com"}, []string{"a", "b", "c-eu"}},
		{[]string{"10.0.0.1", "2001:db8::1", "::1"}, []string{"10-0-0-1", "2001-db8--1", "1"}},
		{[]string{"10.0.0.1", "mydb.com"}, []string{"10-0-0-1", "mydb"}},
		{[]string{"a.b", "b.a"}, []string{"a-b", "b-a"}},
		{[]string{"a.com", "a.com"}, []string{"a-com", "a-com-2"}},
		{[]string{"x.a.com", "y_z.a.com"}, []string{"x", "y-z"}},
		{[]string{"x.com", "x.y.com"}, []string{"x-com", "y"}},
		{nil, []string{}},
	} {
		if diff := cmp.Diff(tt.want, upstreamNames(tt.addresses)); diff != "" {
			t.Errorf("%v:\n%s", tt.addresses, diff)
		}
	}
}

func TestNearest(t *testing.T) {
	all := []string{"blackhole", "delay", "hang", "refuse", "reset", "status"}
	for got, want := range map[string]string{
		"resett": "reset", "Status": "status", "dealy": "delay", "refused": "refuse", "explode": "", "x": "", "": "",
	} {
		if near := nearest(got, all); near != want {
			t.Errorf("%q is near %q, want %q", got, near, want)
		}
	}
}

// TestDistance compares with the definition, which is slow.
func TestDistance(t *testing.T) {
	var slow func(a, b string) int
	slow = func(a, b string) int {
		if a == "" || b == "" {
			return len(a) + len(b)
		}
		cost := 1
		if a[0] == b[0] {
			cost = 0
		}
		d := min(slow(a[1:], b)+1, slow(a, b[1:])+1, slow(a[1:], b[1:])+cost)
		if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
			d = min(d, slow(a[2:], b[2:])+1)
		}
		return d
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[ab]{0,5}`).Draw(t, "a"), rapid.StringMatching(`[abc]{0,5}`).Draw(t, "b")
		if got, want := distance(a, b), slow(a, b); got != want {
			t.Fatalf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}
