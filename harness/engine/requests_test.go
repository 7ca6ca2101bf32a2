package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/trace"
)

// What real Envoys were measured to do with requests, one test a row; the names of
// the rows are in testdata/measured.txt. Where no release is named, 1.36.2 and
// 1.40.0 do the same.

// shows plays a drill in the words of the transcripts, the last one being play, and
// compares what comes of it.
func shows(t *testing.T, text, want string) {
	t.Helper()
	d, got := newDrill(t), ""
	for l := range strings.Lines(text) {
		got += d.do(strings.Fields(l))
	}
	if diff := cmp.Diff(strings.TrimSpace(want)+"\n", got); diff != "" {
		t.Errorf("%s\n(-want +got)\n%s", text, diff)
	}
}

// Five requests, 100 ms apart, wait for one host. Refused: five connections, ejected
// by the first failure. Black hole: all five end with the first connection's timer,
// HTTP/1 with five connections, HTTP/2 with one; five charges each.
func TestG12FiveWaiting(t *testing.T) {
	const rest = `
outlier consecutive_5xx=5 consecutive_gateway=0 max_percent=100
endpoints a:80
client every=100ms count=5
at 0 fault hole a blackhole
play 2s`
	const ends = `
0 load 100
0.8001 a ejected by consecutive_5xx until 40
5 requests 0..0.4: 503 UF: a connect-timeout
5 attempts, 5 charged, overflow 0, %d connections`
	shows(t, "upstream a 198.18.0.1\ncluster connect=800ms"+rest, fmt.Sprintf(ends, 5))
	shows(t, "upstream a 198.18.0.1\ncluster connect=800ms http2=1024"+rest, fmt.Sprintf(ends, 1))
	shows(t, `upstream a 198.18.0.1
outlier consecutive_5xx=5 consecutive_gateway=0 max_percent=100
endpoints a:80
client every=10us count=5
at 0 fault dead a refuse
play 1s`, `
0 load 100
0.0003 a ejected by consecutive_5xx until 40
5 requests 0..0.00004: 503 UF: a refused
5 attempts, 5 charged, overflow 0, 5 connections`)
}

// Connections beside a failed one go on: five requests fail together with the first,
// after a second, and one that comes 20 ms later fails with the second connection's
// timer, young as it is (measured: 100 ms between them, the late one 82 ms old). An
// ejection closes them, so that the late one, which panic sends there all the same,
// waits for a connection of its own (measured: 999 and 1004 ms).
func TestG12OthersGoOn(t *testing.T) {
	for threshold, want := range map[int]time.Duration{100: 184 * time.Millisecond, 5: time.Second} {
		tr := Play(written(t, fmt.Sprintf(`upstream a 198.18.0.1
cluster connect=1s panic=50
outlier consecutive_5xx=%d consecutive_gateway=0 max_percent=100
endpoints a:80
client every=204ms count=6
at 0 fault hole a blackhole`, threshold)))
		for i, r := range tr.Requests {
			took, ends := (r.Done - r.At).D(), r.Done.D()
			if r.Flags != trace.FlagUF || i < 5 && ends != time.Second || i == 5 && took != want {
				t.Errorf("threshold %d: request %d took %v and ended at %v, %v; want the first five to end at 1s, the last after %v", threshold, i, took, ends, r.Flags, want)
			}
		}
	}
}

// A black hole, the route timeout below the connect timeout. Sparse requests: 504, no
// charge. Above: 503 at the connect timeout, ejected.
func TestG13G14BlackHole(t *testing.T) {
	shows(t, `upstream a 198.18.0.1
cluster connect=1s
outlier consecutive_5xx=1 max_percent=100
endpoints a:80
route timeout=400ms
client every=1500ms count=3
at 0 fault hole a blackhole
play 6s`, `
0 load 100
3 requests 0..3: 504 UT: a cancelled
3 attempts, 0 charged, overflow 0, 3 connections`)
	shows(t, `upstream a 198.18.0.1
cluster connect=400ms
outlier consecutive_5xx=1 consecutive_gateway=0 max_percent=100
endpoints a:80
route timeout=2s
client every=1s count=2
at 0 fault hole a blackhole
play 3s`, `
0 load 100
0.4001 a ejected by consecutive_5xx until 40
at 0: 503 UF: a connect-timeout
at 1: 503 UH
1 attempts, 1 charged, overflow 0, 1 connections`)
}

// max_requests 1: the second of two at once is refused, 503 UO, and nobody is charged.
func TestG18MaxRequests(t *testing.T) {
	for kind, connections := range map[string]int{"": 2, " http2=1024": 1} {
		shows(t, `upstream a 198.18.0.1 latency=400ms
cluster max_requests=1`+kind+`
outlier consecutive_5xx=1 max_percent=100
endpoints a:80
client every=100ms count=5
play 2s`, fmt.Sprintf(`
0 load 100
at 0: 200 from a
4 requests 0.1..0.4: 503 UO: a overflow
5 attempts, 0 charged, overflow 0, %d connections`, connections))
	}
}

// Retries and charges. The flags of what is used up or refused; each attempt is a
// charge; a per-try timeout is retried under 5xx and not under connect-failure; no
// host while retrying ends the request.
func TestX06RetriesAndCharges(t *testing.T) {
	const one = "upstream a 198.18.0.1\nendpoints a:80\nclient every=2s count=%d\n"
	for _, c := range []struct{ name, drill, want string }{
		{"refused, two retries: ejected at a threshold of 3 by one request", fmt.Sprintf(one, 1) + `outlier consecutive_5xx=3 consecutive_gateway=0 max_percent=100
route timeout=5s retries=2 on=connect-failure,5xx
at 0 fault dead a refuse`, "503 URX,UF, 3 attempts, 3 charged, 1 ejected"},
		{"503, two retries: no ejection at 4, URX; the fourth charge ejects, and its retry finds nobody", fmt.Sprintf(one, 2) + `outlier consecutive_5xx=4 consecutive_gateway=0 max_percent=100
route timeout=5s retries=2 on=5xx backoff=100ms
at 0 fault bad a status status=503`, "503 UH, 1 attempts; 503 URX, 3 attempts, 4 charged, 1 ejected"},
		{"two hosts, one refuses: 200 after a retry, then ejected", `upstream a 198.18.0.1
upstream b 198.18.0.2
endpoints a:80 b:80
outlier consecutive_5xx=1 consecutive_gateway=0 max_percent=100
route timeout=5s retries=2 on=connect-failure picks=5
client every=1s count=4
at 0 fault dead a refuse`, "200 -, 1 attempts; 200 -, 1 attempts; 200 -, 1 attempts; 200 -, 2 attempts, 1 charged, 1 ejected"},
		{"max_retries 0: UO", fmt.Sprintf(one, 1) + `cluster max_retries=0
route timeout=5s retries=2 on=5xx
at 0 fault bad a status status=503`, "503 UO, 1 attempts, 0 charged, 0 ejected"},
		{"max_retries 0, refused: UO,UF", fmt.Sprintf(one, 1) + `cluster max_retries=0
route timeout=5s retries=1 on=5xx
at 0 fault dead a refuse`, "503 UO,UF, 1 attempts, 0 charged, 0 ejected"},
		{"per-try timeout under connect-failure", fmt.Sprintf(one, 1) + `outlier consecutive_5xx=100 max_percent=100
route timeout=5s retries=2 on=connect-failure per_try=100ms
at 0 fault hangs a hang`, "504 UT, 1 attempts, 1 charged, 0 ejected"},
		{"per-try timeout under 5xx", fmt.Sprintf(one, 1) + `outlier consecutive_5xx=3 consecutive_gateway=0 max_percent=100
route timeout=5s retries=2 on=5xx per_try=100ms
at 0 fault hangs a hang`, "504 URX,UT, 3 attempts, 3 charged, 1 ejected"},
	} {
		s := written(t, c.drill)
		tr := Play(s)
		var told []string
		for i := range tr.Requests {
			r := &tr.Requests[i]
			told = append(told, fmt.Sprintf("%d %v, %d attempts", r.Status, r.Flags, r.Attempts))
		}
		charged, ejected := 0, 0
		for _, a := range tr.Attempts {
			if a.Charged {
				charged++
			}
		}
		for _, h := range tr.Changes {
			if h.Event == trace.Ejected {
				ejected++
			}
		}
		slices.Sort(told) // which host comes first is a draw
		if got := fmt.Sprintf("%s, %d charged, %d ejected", strings.Join(told, "; "), charged, ejected); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Circuit breakers. No pending requests: a cold one is refused. One connection and one
// that waits: of three at once the third is refused. One connection, three hosts: each
// has one. Nobody is charged.
func TestX07Breakers(t *testing.T) {
	shows(t, `upstream a 198.18.0.1
cluster max_pending=0
outlier consecutive_5xx=1 max_percent=100
endpoints a:80
client every=1s count=1
play 2s`, `
0 load 100
at 0: 503 UO: a overflow
1 attempts, 0 charged, overflow 0, 0 connections`)
	shows(t, `upstream a 198.18.0.1 latency=500ms
cluster max_connections=1 max_pending=1
outlier consecutive_5xx=1 max_percent=100
endpoints a:80
client every=60ms count=3
play 2s`, `
0 load 100
2 requests 0..0.06: 200 from a
at 0.12: 503 UO: a overflow
3 attempts, 0 charged, overflow 0, 1 connections`)
	shows(t, `upstream a 198.18.0.1 latency=300ms
upstream b 198.18.0.2 latency=300ms
upstream c 198.18.0.3 latency=300ms
cluster max_connections=1
outlier consecutive_5xx=1 max_percent=100
endpoints a:80 b:80 c:80
client every=20ms count=3
play 2s summed`, `
0 load 100
1 requests: 200 from b
1 requests: 200 from c
1 requests: 200 from a
3 attempts, 0 charged, overflow 0, 3 connections`)
}

// A black hole, connect 1 s, route timeout 0.3 s, threshold 1 without ejections. What
// waits when a connect timer fires is charged: nothing when requests are 1.4 s apart;
// back to back for 6 s, one a second (measured: 504 504 504 503, six detected, six
// connections); one each 100 ms for 4 s, 15 of 40 in nine batches (measured: 25 and
// 15, nine detected, twelve connections).
func TestX08BlackHole(t *testing.T) {
	const host = `upstream a 198.18.0.1
cluster connect=1s
outlier consecutive_5xx=1 consecutive_gateway=0 max_percent=0
endpoints a:80
route timeout=300ms
at 0 fault hole a blackhole
`
	for _, c := range []struct {
		client                     string
		timeouts, failed, detected int
		connections                int
	}{
		{"client every=1400ms count=3", 3, 0, 0, 3},
		{"client every=10ms count=24 concurrency=1", 18, 6, 6, 6},
		{"client every=100100us count=40", 25, 15, 9, 12}, // a little more, so that no two timers meet
	} {
		d := newDrill(t)
		for l := range strings.Lines(host + c.client) {
			d.do(strings.Fields(l))
		}
		w, _, _ := d.play("8s")
		tr := w.tr.Unpack()
		timeouts, failed := 0, 0
		for _, r := range tr.Requests {
			switch {
			case r.Status == 504 && r.Flags == trace.FlagUT:
				timeouts++
			case r.Status == 503 && r.Flags == trace.FlagUF:
				failed++
			}
		}
		if timeouts != c.timeouts || failed != c.failed || len(tr.Changes) != c.detected || w.opened != c.connections {
			t.Errorf("%s: got %d x 504, %d x 503, %d detected, %d connections; want %+v", c.client, timeouts, failed, len(tr.Changes), w.opened, c)
		}
	}
}

// What charges a host: the route timeout while headers are waited for, two of two; a
// client that goes away does not; a connection that is lost after the headers does, in
// addition. The last needs two streams on one connection here: one has its headers and
// waits for its body when the other one's connection breaks. The trace counts one
// charge, as the attempt with headers was recorded when they came; the host is ejected
// by the second.
func TestX09Timeouts(t *testing.T) {
	shows(t, `upstream a 198.18.0.1
outlier consecutive_5xx=2 consecutive_gateway=0 max_percent=100
endpoints a:80
route timeout=200ms
client every=1s count=3
at 0 fault hangs a hang
play 4s`, `
0 load 100
1.2001 a ejected by consecutive_5xx until 40
2 requests 0..1: 504 UT: a timeout
at 2: 503 UH
2 attempts, 2 charged, overflow 0, 2 connections`)
	shows(t, `upstream a 198.18.0.1
outlier consecutive_5xx=1 max_percent=100
endpoints a:80
client every=1s count=3 timeout=200ms
at 0 fault hangs a hang
play 4s`, `
0 load 100
3 requests 0..2: 0 DC (timeout): a cancelled
3 attempts, 0 charged, overflow 0, 3 connections`)
	shows(t, `upstream a 198.18.0.1
cluster http2=1024
outlier consecutive_5xx=2 consecutive_gateway=0 max_percent=100
endpoints a:80
client every=10ms count=3
at 0 fault stalls a hang hang=body first=1
at 0 fault broken a reset everyNth=2
play 1s`, `
0 load 100
0.0111 a ejected by consecutive_5xx until 40
at 0: 0 UC (the answer broke off): a 200
at 0.01: 503 UC: a reset
at 0.02: 503 UH
2 attempts, 1 charged, overflow 0, 1 connections`)
}

// A connection that is lost takes all its streams with it, the newest first (measured
// order of five: 3 2 9 1 0, all charged).
func TestX09ConnectionLostNewestFirst(t *testing.T) {
	tr := Play(written(t, `upstream a 198.18.0.1
cluster http2=1024
outlier consecutive_5xx=5 consecutive_gateway=0 max_percent=100
endpoints a:80
client every=10ms count=5
at 0 fault hangs a hang first=4
at 0 fault broken a reset everyNth=5`))
	var order []int32
	charged := 0
	for _, a := range tr.Attempts {
		order = append(order, a.Request)
		if a.Charged && a.Result == trace.Reset {
			charged++
		}
	}
	if d := cmp.Diff([]int32{4, 3, 2, 1, 0}, order); d != "" || charged != 5 || len(tr.Changes) == 0 {
		t.Errorf("%d charged, %d changes; order (-want +got)\n%s", charged, len(tr.Changes), d)
	}
}

// An ejection with four requests in flight: all four end 200, their connections close
// after them, the idle one at once.
func TestX32DrainInFlight(t *testing.T) {
	for kind, want := range map[string]uint32{"": 1, " http2=1024": 1} {
		d := newDrill(t)
		for l := range strings.Lines(`upstream a 198.18.0.1
cluster panic=50` + kind + `
outlier consecutive_5xx=2 consecutive_gateway=0 interval=60s max_percent=100
endpoints a:80
client every=20ms count=7
at 0 fault slow a delay delay=600ms first=4
at 0.07 fault bad a status status=500 first=2`) {
			d.do(strings.Fields(l))
		}
		w, _, _ := d.play("2s")
		c := w.proxies[0].clusters["c"]
		tr, ok := w.tr.Unpack(), 0
		for _, r := range tr.Requests {
			if r.Status == 200 {
				ok++
			}
		}
		// The seventh request comes after the ejection; its connection is the one that stays.
		if ok != 5 || len(tr.Changes) != 1 || c.use.Connections != want || c.use.Requests != 0 {
			t.Errorf("%q: %d x 200, %d ejections, in use %+v; want 5, 1 and %d connection", kind, ok, len(tr.Changes), c.use, want)
		}
	}
}

// A connection that breaks before the headers: 503 UC, charged.
func TestX45ConnectionClosed(t *testing.T) {
	for _, kind := range []string{"", "cluster http2=1024\n"} {
		shows(t, kind+`upstream a 198.18.0.1
outlier consecutive_5xx=1 consecutive_gateway=0 max_percent=100
endpoints a:80
client every=100ms count=2
at 0 fault broken a reset
play 1s`, `
0 load 100
0.0013 a ejected by consecutive_5xx until 40
at 0: 503 UC: a reset
at 0.1: 503 UH
1 attempts, 1 charged, overflow 0, 1 connections`)
	}
}

// A black hole under steady traffic on two hosts, connect 2 s, route timeout 1 s,
// threshold 5. 20 requests a second: ten 504, ten 503, ejected at 2.0 s (measured 2.01
// to 2.07). 2.5 a second: one charge each 2 s, at 8.4 s (measured 8.4 to 8.8). One per
// 2.6 s and host: never. A per-try timeout of 0.2 s does not run before there is a
// connection: 503 at 0.8 s.
func TestX50BlackHoleSteady(t *testing.T) {
	for _, c := range []struct {
		client           string
		timeouts, failed int
		from, to         float64
	}{
		{"client every=50050us count=99", 10, 10, 2.0, 2.07},
		{"client every=400400us count=49", 6, 5, 8.4, 8.8},
		{"client every=1300ms count=15", 8, 0, 0, 0},
	} {
		tr := Play(written(t, `upstream a 198.18.0.1
upstream b 198.18.0.2
cluster connect=2s
outlier consecutive_5xx=5 consecutive_gateway=0 max_percent=50 base=300s
endpoints a:80 b:80
route timeout=1s
`+c.client+"\nat 0 fault hole a blackhole"))
		timeouts, failed, at := 0, 0, 0.0
		for _, r := range tr.Requests {
			switch r.Status {
			case 504:
				timeouts++
			case 503:
				failed++
			}
		}
		for _, h := range tr.Changes {
			at = h.At.Seconds()
		}
		if timeouts != c.timeouts || failed != c.failed || at < c.from || at > c.to {
			t.Errorf("%s: %d x 504, %d x 503, ejected at %.3f s; want %+v", c.client, timeouts, failed, at, c)
		}
	}
	shows(t, `upstream a 198.18.0.1
cluster connect=800ms
endpoints a:80
route timeout=5s retries=1 on=retriable-4xx per_try=200ms
client every=2s count=1
at 0 fault hole a blackhole
play 3s`, `
0 load 100
at 0: 503 UF: a connect-timeout
1 attempts, 0 charged, overflow 0, 1 connections`)
}

// Split mode, local threshold 2, one live HTTP/2 connection: six per-try timeouts one
// after another eject nobody and leave the connection alone; three that end together
// eject.
func TestX57HTTP2SplitLiveConnection(t *testing.T) {
	const host = `upstream a 198.18.0.1
cluster http2=1024
outlier consecutive_5xx=1 split consecutive_local=2 max_percent=100
endpoints a:80
route timeout=5s retries=0 on=retriable-4xx per_try=100ms
`
	shows(t, host+`client every=300ms count=7
at 0.1 fault hangs a hang
play 3s`, `
0 load 100
at 0: 200 from a
6 requests 0.3..1.8: 504 UT: a per-try-timeout
7 attempts, 6 charged, overflow 0, 1 connections`)
	shows(t, host+`client every=10ms count=4
at 0.005 fault hangs a hang
play 3s`, `
0 load 100
0.1201 a ejected by consecutive_local_origin_failure until 40
at 0: 200 from a
3 requests 0.01..0.03: 504 UT: a per-try-timeout
4 attempts, 3 charged, overflow 0, 1 connections`)
}

// HTTP/2: an ejection, or a server that goes away, lets the streams on its connection
// finish; what comes meanwhile connects anew, and goes on there: two connections.
func TestX32HTTP2Drain(t *testing.T) {
	shows(t, `upstream a 198.18.0.1 latency=30ms
cluster panic=50 http2=1024
outlier consecutive_5xx=1 consecutive_gateway=0 interval=60s max_percent=100
endpoints a:80
client every=20ms count=5
at 0 fault bad a status status=503 first=1
play 1s`, `
0 load 100
0.0303 a ejected by consecutive_5xx until 60
0.0304 load 100 in panic
at 0: 503 from a
4 requests 0.02..0.08: 200 from a
5 attempts, 1 charged, overflow 0, 2 connections`)
	shows(t, `upstream a 198.18.0.1 latency=30ms
cluster http2=1024
endpoints a:80
client every=20ms count=5
at 0.025 fault dead a refuse for=1ms
play 1s`, `
0 load 100
5 requests 0..0.08: 200 from a
5 attempts, 0 charged, overflow 0, 2 connections`)
}

// Istio's default retries, one of two hosts a black hole, connect 0.4 s, threshold 5,
// requests one after another: only 200s, five slow ones, then the host is ejected. A
// plain 503 is not retried.
func TestX60IstioRetries(t *testing.T) {
	const on = "retries=2 on=connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes picks=5"
	tr := Play(written(t, `upstream a 198.18.0.1
upstream b 198.18.0.2
cluster connect=400ms
outlier consecutive_5xx=5 consecutive_gateway=0 max_percent=50 base=300s
endpoints a:80 b:80
route timeout=5s `+on+`
client every=1ms count=14 concurrency=1
at 0 fault hole a blackhole`))
	ok, slow := 0, 0
	for _, r := range tr.Requests {
		if r.Status == 200 {
			ok++
		}
		if r.Done-r.Sent > trace.Sec(300*time.Millisecond) {
			slow++
		}
	}
	if ok != 14 || slow != 5 || len(tr.Changes) != 1 || tr.Changes[0].Event != trace.Ejected {
		t.Errorf("%d x 200, %d slow, changes %+v; want 14, 5 and one ejection", ok, slow, tr.Changes)
	}
	shows(t, "upstream a 198.18.0.1\nendpoints a:80\nroute "+on+"\nclient every=1s count=1\nat 0 fault bad a status status=503\nplay 1s",
		"0 load 100\nat 0: 503 from a\n1 attempts, 0 charged, overflow 0, 1 connections")
}

// The first back-off is evenly drawn from whole milliseconds below the base: 0 to 24
// ms, 0 to 199 ms with a base of 200 ms. Envoy's mean times of a request with one retry
// were 14.7 and 14.3 ms of 200 requests, 106 and 94 ms of 60: the mean wait and about 2
// ms for two round trips, within four standard errors.
func TestX63BackOff(t *testing.T) {
	for _, c := range []struct {
		base     int64
		measured [2]float64
		of       float64
	}{{25, [2]float64{14.7, 14.3}, 200}, {200, [2]float64{106, 94}, 60}} {
		const n = 20_000
		s := written(t, fmt.Sprintf(`upstream a 198.18.0.1
endpoints a:80
route timeout=5s retries=1 on=5xx backoff=%dms
client every=1s count=%d
at 0 fault bad a status status=503 everyNth=2`, c.base, n))
		s.Duration = trace.Sec((n + 1) * time.Second)
		count := make([]float64, c.base) // by milliseconds waited
		sum := 0.0
		for _, r := range Play(s).Requests[1:] { // the first one is not retried
			wait := (r.Done - r.Sent).D() - 2*time.Millisecond // the answers take 1 ms each
			if r.Attempts != 2 || wait < 0 || wait%time.Millisecond != 0 || wait.Milliseconds() >= c.base {
				t.Fatalf("base %d ms: request %d waited %v before attempt %d", c.base, r.N, wait, r.Attempts)
			}
			count[wait.Milliseconds()]++
			sum += float64(wait.Milliseconds())
		}
		each := float64(n-1) / float64(c.base)
		for ms, got := range count {
			if math.Abs(got-each) > 5*math.Sqrt(each) {
				t.Errorf("base %d ms: %v waits of %d ms; want about %.0f", c.base, got, ms, each)
			}
		}
		err := float64(c.base) / math.Sqrt(12*c.of)
		for _, m := range c.measured {
			if got := sum/(n-1) + 2; math.Abs(got-m) > 4*err {
				t.Errorf("base %d ms: a mean of %.1f ms; measured %.1f ± %.1f", c.base, got, m, err)
			}
		}
	}
}

// Of five that fail together one may be retried: the oldest on 1.40, the newest before,
// HTTP/1 and HTTP/2 alike.
func TestX64PurgeOrder(t *testing.T) {
	for release, want := range map[string]int{"1.36.2": 4, "1.39": 4, "1.40": 0} {
		for _, kind := range []string{"", " http2=1024"} {
			tr := Play(written(t, "profile envoy="+release+`
upstream a 198.18.0.1
cluster connect=800ms max_retries=1`+kind+`
endpoints a:80
route timeout=5s retries=1 on=connect-failure backoff=1ms
client every=100ms count=5
at 0 fault hole a blackhole`))
			for i, r := range tr.Requests {
				attempts, flags := int32(1), trace.FlagUO|trace.FlagUF
				if i == want {
					attempts, flags = 2, trace.FlagURX|trace.FlagUF
				}
				if r.Attempts != attempts || r.Flags != flags || r.Status != 503 {
					t.Errorf("%s%s: request %d: %d %v after %d attempts, want 503 %v after %d", release, kind, i, r.Status, r.Flags, r.Attempts, flags, attempts)
				}
			}
		}
	}
}

// A route timeout after the headers breaks the answer off and charges nobody.
func TestX66TimeoutAfterHeaders(t *testing.T) {
	shows(t, `upstream a 198.18.0.1
outlier consecutive_5xx=1 consecutive_gateway=1 max_percent=100
endpoints a:80
route timeout=200ms
client every=1s count=2
at 0 fault stalls a hang hang=body
play 3s`, `
0 load 100
2 requests 0..1: 0 UT (the answer broke off): a 200
2 attempts, 0 charged, overflow 0, 2 connections`)
}

// A retry budget instead of max_retries: a share of the requests under way, the one
// that asks included, and at least so many. Nine requests fail and wait 0.3 s or less
// for their retry; how many of them are retried was measured for each budget, the same
// when they are answered one after another and when they fail together.
func TestRetryBudget(t *testing.T) {
	const answered = ` latency=400ms
endpoints a:80
route timeout=8s retries=1 on=5xx backoff=300ms
client every=1us count=9
at 0 fault bad a status status=503
cluster budget=`
	const together = `
endpoints a:80
route timeout=8s retries=1 on=connect-failure backoff=300ms
client every=1ms count=9
at 0 fault hole a blackhole
cluster connect=1s budget=`
	for _, c := range []struct {
		fail, budget string
		retried      int
	}{
		{answered, "100 budget_min=0", 5}, {answered, "50 budget_min=2", 3}, {answered, "50 budget_min=6", 6},
		{answered, "20 budget_min=3", 3}, {together, "100 budget_min=0", 5}, {together, "50 budget_min=0", 3},
	} {
		lines := strings.Split("upstream a 198.18.0.1"+c.fail+c.budget, "\n")
		// The cluster before the first step, which takes the configuration as it is.
		last := len(lines) - 1
		tr := Play(written(t, lines[last]+"\n"+strings.Join(lines[:last], "\n")))
		retried := 0
		for _, r := range tr.Requests {
			switch {
			case r.Attempts == 2 && r.Flags&trace.FlagURX != 0:
				retried++
			case r.Attempts != 1 || r.Flags&trace.FlagUO == 0:
				t.Errorf("budget=%s: request %d: %v after %d attempts", c.budget, r.N, r.Flags, r.Attempts)
			}
		}
		if retried != c.retried {
			t.Errorf("budget=%s: %d of nine retried, want %d", c.budget, retried, c.retried)
		}
	}
}
