package trace

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// secs draws an offset that a drill can have.
func secs() *rapid.Generator[Sec] {
	return rapid.Map(rapid.Int64Range(0, int64(48*time.Hour)), func(n int64) Sec { return Sec(n) })
}

func TestSecIsWrittenInSeconds(t *testing.T) {
	for _, c := range []struct {
		s    Sec
		want string
	}{
		{0, "0"},
		{Sec(9500 * time.Millisecond), "9.5"},
		{1, "0.000000001"},
		{Sec(24 * time.Hour), "86400"},
		{Sec(100*time.Second + 100_000_001), "100.100000001"},
		{Sec(-1500 * time.Millisecond), "-1.5"},
		{4503599627370497, "4503599.627370497"},
	} {
		if b, _ := json.Marshal(c.s); string(b) != c.want {
			t.Errorf("%v: got %s, want %s", c.s.D(), b, c.want)
		}
	}
}

func TestSecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Sec(rapid.Int64Range(-longest*1e9, longest*1e9).Draw(t, "nanoseconds"))
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, decimals, _ := strings.Cut(string(b), "."); len(decimals) > 9 {
			t.Fatalf("%d ns is written as %s, with %d decimals", s, b, len(decimals))
		}
		var back Sec
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Fatalf("%d ns is written as %s and read as %d: %v", s, b, back, err)
		}
	})
}

func TestSecRefusesWhatIsNoOffset(t *testing.T) {
	for _, text := range []string{`1e30`, `-1e30`, `"5s"`, `true`, `[1]`, `1e400`} {
		var s Sec
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is read as %v; want an error", text, s.D())
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		f    Flags
		want string
	}{
		{0, "-"},
		{FlagUF, "UF"},
		{FlagUF | FlagURX, "URX,UF"}, // as Envoy prints it: envoy-semantics 10.5
		{FlagUT | FlagURX, "URX,UT"},
		{FlagUF | FlagUO, "UO,UF"},
		{FlagDC, "DC"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("%b: got %s, want %s", c.f, got, c.want)
		}
	}
	for i, l := range FlagLetters() {
		f, ok := ParseFlag(l)
		if !ok || f != 1<<i || f.String() != l {
			t.Errorf("flag %s is read as %v, %v", l, f, ok)
		}
	}
	var f Flags
	if err := f.UnmarshalText([]byte("UF,XX")); err == nil || !strings.Contains(err.Error(), `"XX"`) {
		t.Errorf("an unknown flag: got %v, want an error that names it", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := Flags(rapid.Uint16Range(0, 1<<len(flagNames)-1).Draw(t, "flags"))
		b, _ := f.MarshalText()
		var back Flags
		if err := back.UnmarshalText(b); err != nil || back != f {
			t.Fatalf("%s is read as %s: %v", f, back, err)
		}
	})
}

func TestResultText(t *testing.T) {
	for r := Answered; r <= Cancelled; r++ {
		b, _ := r.MarshalText()
		var back Result
		if err := back.UnmarshalText(b); err != nil || back != r {
			t.Errorf("%d is written as %s and read as %d: %v", r, b, back, err)
		}
	}
	var r Result
	if err := r.UnmarshalText([]byte("exploded")); err == nil {
		t.Error("an unknown result is read without an error")
	}
}

func TestFailed(t *testing.T) {
	for status, want := range map[int32]bool{0: true, 200: false, 404: false, 499: false, 500: true, 503: true} {
		if got := (&Request{Status: status}).Failed(); got != want {
			t.Errorf("status %d: got %v, want %v", status, got, want)
		}
	}
}

// traces draws a trace whose references hold.
func traces() *rapid.Generator[*Trace] {
	return rapid.Custom(func(t *rapid.T) *Trace {
		text := rapid.StringMatching(`[a-z<>&"\\ ]{0,8}`)
		names := func(what string) []string {
			return rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,6}`), 1, 3).Draw(t, what)
		}
		at := func() Sec { return secs().Draw(t, "at") }
		n := func(from, to int) int32 { return int32(rapid.IntRange(from, to).Draw(t, "n")) }
		tr := &Trace{Run: Run{
			Schema: Schema, Scenario: text.Draw(t, "scenario"), Backend: "model", Istio: "1.31", Envoy: "1.39", Seed: rapid.Uint64().Draw(t, "seed"),
			Scale: 1, Duration: at(), Clients: names("clients"), Upstreams: names("upstreams"),
		}}
		clients, upstreams := len(tr.Run.Clients), len(tr.Run.Upstreams)
		for i := range rapid.IntRange(1, 4).Draw(t, "hosts") {
			tr.Add(Host{At: at(), Index: int32(i), Client: n(0, clients-1), Upstream: n(-1, upstreams-1), Cluster: "c", Address: "198.18.0.1:80", Weight: 1})
		}
		hosts := len(tr.Hosts)
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			c := n(0, clients-1)
			tr.Add(Step{At: at(), Index: n(0, 5), Kind: "fault", Name: text.Draw(t, "name"), Upstream: n(-1, upstreams-1), Witness: "seen", Witnessed: at()})
			tr.Add(Attempt{
				At: at(), Done: at(), Client: c, Request: n(0, 9), N: 1, Host: n(-1, hosts-1), Status: 503, Result: Result(n(0, int(Cancelled))),
				Charged: rapid.Bool().Draw(t, "charged"),
			})
			tr.Add(Request{At: at(), Client: c, Host: n(-1, hosts-1), Upstream: n(-1, upstreams-1), Status: n(0, 599), Flags: FlagUF | FlagURX, Error: text.Draw(t, "error")})
			tr.Add(Change{At: at(), Client: c, Host: n(0, hosts-1), Event: Ejected, Cause: "consecutive_5xx", Until: at(), Ejections: 1})
			tr.Add(Load{At: at(), Client: c, Cluster: "c", Percent: []int32{100, 0}, Panic: []bool{false, true}})
			tr.Add(Endpoints{At: at(), Rows: []Row{{Client: c, Host: n(-1, hosts-1), Upstream: n(-1, upstreams-1), Status: "HEALTHY", OutlierCheck: "OK"}}})
			tr.Add(Note{At: at(), Text: text.Draw(t, "note")})
			tr.Add(Refusal{By: text.Draw(t, "by"), Reason: text.Draw(t, "reason")})
		}
		tr.Ended = rapid.Bool().Draw(t, "ended")
		return tr
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := traces().Draw(t, "trace")
		var b, again bytes.Buffer
		if err := Write(&b, want); err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Trace{})); d != "" {
			t.Fatalf("want - got +\n%s", d)
		}
		if err := Write(&again, got); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Fatalf("writing what was read gives other bytes: %v", err)
		}
	})
}

func TestReadSaysWhatIsWrong(t *testing.T) {
	head := `{"kind":"run","event":{"schema":"faildrill.dev/trace/v1","clients":["a"],"upstreams":["east"]}}` + "\n"
	host := `{"kind":"host","event":{"index":0,"client":0,"upstream":0}}` + "\n"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", `line 1: schema ""`},
		{"another schema", strings.Replace(head, "v1", "v9", 1), "faildrill.dev/trace/v9"},
		{"not JSON", head + "boom\n", "line 2: not a JSON event"},
		{"cut off", head + host[:30], "line 2: not a JSON event"},
		{"an unknown kind", head + `{"kind":"nap","event":{}}`, `line 2: unknown event kind "nap"`},
		{"an unknown result", head + `{"kind":"attempt","event":{"result":"boom"}}`, `unknown result "boom"`},
		{"a host out of order", head + `{"kind":"host","event":{"index":3}}`, "host 0: index 3"},
		{"a host of no client", head + `{"kind":"host","event":{"index":0,"client":1}}`, "client 1 do not fit"},
		{"an attempt on no host", head + host + `{"kind":"attempt","event":{"host":1,"result":"answered"}}`, "attempt 0: host 1"},
		{"a change of host -1", head + host + `{"kind":"change","event":{"host":-1}}`, "change 0: host -1"},
		{"a request of no upstream", head + host + `{"kind":"request","event":{"upstream":7}}`, "upstream 7"},
		{"a step of no upstream", head + `{"kind":"step","event":{"upstream":7}}`, "step 0: upstream 7"},
		{"half a load", head + `{"kind":"load","event":{"percent":[100]}}`, "load 0"},
		{"a row of no host", head + host + `{"kind":"endpoints","event":{"rows":[{"host":4}]}}`, "endpoint row 0"},
		{"times beyond reason", head + `{"kind":"note","event":{"at":1e30}}`, "1e30 seconds"},
		{"a line without end", head + strings.Repeat("x", maxLine+1), "line 2: bufio.Scanner: token too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnUnfinishedTraceIsRead(t *testing.T) {
	tr, err := Read(strings.NewReader(`{"kind":"run","event":{"schema":"faildrill.dev/trace/v1"}}` + "\n\n  \n"))
	if err != nil || tr.Ended {
		t.Errorf("got %v, ended %v; want a trace without an end", err, tr.Ended)
	}
}

// walk does with a trace what the judges do: it follows every reference.
func walk(t *Trace) int {
	n := 0
	for _, a := range t.Attempts {
		if a.Host >= 0 {
			n += len(t.Hosts[a.Host].Address)
		}
		n += len(t.Run.Clients[a.Client])
	}
	for _, r := range t.Requests {
		n += len(t.UpstreamName(r.Upstream)) + len(t.UpstreamName(t.UpstreamOf(r.Host))) + len(t.Run.Clients[r.Client])
	}
	for _, c := range t.Changes {
		n += len(t.Hosts[c.Host].Cluster) + len(t.Run.Clients[c.Client])
	}
	for _, h := range t.Hosts {
		n += len(t.UpstreamName(h.Upstream)) + len(t.Run.Clients[h.Client])
	}
	for _, e := range t.Endpoints {
		for _, r := range e.Rows {
			n += len(t.Run.Clients[r.Client])
		}
	}
	for _, l := range t.Loads {
		for p := range l.Percent {
			if l.Panic[p] {
				n += len(t.Run.Clients[l.Client])
			}
		}
	}
	return n
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"kind":"run","event":{"schema":"faildrill.dev/trace/v1","clients":["a"],"upstreams":["east"]}}
{"kind":"host","event":{"index":0,"client":0,"upstream":0,"cluster":"c"}}
{"kind":"attempt","event":{"at":1,"host":0,"result":"refused"}}
{"kind":"request","event":{"at":1,"host":-1,"upstream":-1,"flags":"URX,UF"}}
{"kind":"change","event":{"host":0,"event":"ejected"}}
{"kind":"load","event":{"percent":[100],"panic":[false]}}
{"kind":"endpoints","event":{"rows":[{"host":0}]}}
{"kind":"end","event":{"at":2}}
`))
	f.Add([]byte("{}"))
	f.Add([]byte("\x00\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		walk(tr)
		var w bytes.Buffer
		if err := Write(&w, tr); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&w); err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
	})
}

// A line is read however it is spelled, and what is wrong with it is said.
func TestParseLine(t *testing.T) {
	want := Note{At: Sec(time.Second), Text: `a "}" b`}
	written, err := AppendLine(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		string(written),
		`{"event": {"text": "a \"}\" b", "at": 1}, "kind": "note"}`,
		` {"kind" : "note", "event":{"at":1,"text":"a \"}\" b"} } `,
		`{"kind":"note","event":{"at":1,"text":"a \"}\" b"},"more":{"a":1}}`,
	} {
		if got, err := ParseLine([]byte(line)); err != nil || got != want {
			t.Errorf("%s: got %v, %v", line, got, err)
		}
	}
	for _, line := range []string{
		`{"kind":"note","event":{"at":1}`, `{"kind":"note","event":{"at":1}}}`, `{"kind":"note","event":}`, `{"kind":"nothing","event":{}}`, `{"kind":"note","event":{"at":"x"}}`,
	} {
		if got, err := ParseLine([]byte(line)); err == nil {
			t.Errorf("%s: got %v", line, got)
		}
	}
}
