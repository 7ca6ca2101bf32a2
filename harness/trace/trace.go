// Package trace is the record of a run: what was sent, tried, answered,
// ejected and returned, by whom and when.
//
// Every backend writes the same events, so that a prediction and a rehearsal
// can be judged, compared and reported by the same code:
//
//	tr := trace.Trace{Run: trace.Run{Scenario: "external-failover", Backend: "model"}}
//	tr.Add(trace.Attempt{At: 2.0e9, Host: 0, Result: trace.Refused})
//	err := trace.Write(w, &tr)       // JSON lines, one event a line
//	tr2, err := trace.Read(r)
//
// Times are offsets from the start of the drill; in JSON they are seconds.
// Hosts, clients and upstreams are named once and then referred to by index.
// It leaves out everything that can be computed from the events: shares,
// phases and verdicts are in package check.
package trace

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Schema is the version of the event lines.
const Schema = "faildrill.dev/trace/v1"

// Sec is an offset from the start of the drill. In JSON it is a number of seconds.
type Sec time.Duration

// D returns the offset as a duration.
func (s Sec) D() time.Duration { return time.Duration(s) }

// Seconds returns the offset in seconds.
func (s Sec) Seconds() float64 { return time.Duration(s).Seconds() }

// longest is the longest offset in seconds, either way: a hundred days.
const longest = 100 * 24 * 3600

// MarshalJSON writes seconds with at most nine decimals.
func (s Sec) MarshalJSON() ([]byte, error) {
	var b []byte
	ns := uint64(s)
	if s < 0 {
		b, ns = append(b, '-'), -ns
	}
	b = strconv.AppendUint(b, ns/1e9, 10)
	if ns %= 1e9; ns > 0 {
		b = append(b, '.')
		for unit := uint64(1e8); ns > 0; unit /= 10 {
			b = append(b, byte('0'+ns/unit))
			ns %= unit
		}
	}
	return b, nil
}

// UnmarshalJSON reads seconds.
func (s *Sec) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return err
	}
	if math.Abs(f) > longest {
		return fmt.Errorf("%s seconds; expected at most %d", b, int64(longest))
	}
	if exact, ok := decimal(string(b)); ok {
		*s = exact
		return nil
	}
	*s = Sec(math.Round(f * 1e9))
	return nil
}

// decimal reads what MarshalJSON writes. A floating-point number does not tell
// nanoseconds apart after a few weeks.
func decimal(text string) (Sec, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if len(frac) > 9 {
		return 0, false
	}
	ns, err := strconv.ParseUint(whole+frac+"000000000"[len(frac):], 10, 63)
	if err != nil {
		return 0, false
	}
	if negative {
		return -Sec(ns), true
	}
	return Sec(ns), true
}

// Event is one of Run, Host, Step, Attempt, Request, Change, Load, Endpoints, Note, Refusal and End.
type Event interface{ kind() string }

// Run says what was played. It comes first.
type Run struct {
	Schema    string   `json:"schema"`
	Scenario  string   `json:"scenario"`
	Backend   string   `json:"backend"`
	Istio     string   `json:"istio"` // release whose rules the configuration follows
	Envoy     string   `json:"envoy"`
	Seed      uint64   `json:"seed"`
	Scale     float64  `json:"scale"` // durations were divided by this
	Duration  Sec      `json:"duration"`
	Clients   []string `json:"clients"`
	Upstreams []string `json:"upstreams"`
}

// Host is an endpoint of one client's proxy, as the load balancer sees it: one
// per address. It is recorded when it appears; later events refer to its Index.
type Host struct {
	At       Sec    `json:"at"`
	Index    int32  `json:"index"`
	Client   int32  `json:"client"`
	Upstream int32  `json:"upstream"` // -1: no upstream serves this address
	Cluster  string `json:"cluster"`
	Name     string `json:"name,omitempty"` // DNS name the address came from
	Address  string `json:"address"`        // ip:port
	Locality string `json:"locality"`
	Priority uint32 `json:"priority"`
	Weight   uint32 `json:"weight"`
}

// Step is one entry of the timeline when it took effect.
type Step struct {
	At       Sec    `json:"at"` // when it was due
	Index    int32  `json:"index"`
	Kind     string `json:"kind"` // config, fault, heal
	Name     string `json:"name"`
	Upstream int32  `json:"upstream"` // -1: none
	Done     Sec    `json:"done"`     // when it had been carried out
	// Witness is the observation that it really happened; "" means that nothing was observed.
	Witness   string `json:"witness"`
	Witnessed Sec    `json:"witnessed"`
	Error     string `json:"error,omitempty"`
}

// Result is how an upstream attempt ended.
type Result uint8

// The ways an attempt can end.
const (
	Answered       Result = iota // response headers came; Status holds the code
	Refused                      // the connection was refused, or failed at once
	ConnectTimeout               // no connection within the connect timeout
	Reset                        // the connection broke before the response
	Timeout                      // the route timeout fired while waiting for the response
	PerTryTimeout                // the per-try timeout fired
	Overflow                     // a circuit breaker refused it
	NoHost                       // no host to send it to
	Cancelled                    // the client went away, or the route timeout fired while waiting for a connection
)

var resultNames = [...]string{"answered", "refused", "connect-timeout", "reset", "timeout", "per-try-timeout", "overflow", "no-host", "cancelled"}

func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return "unknown"
}

// MarshalText writes the name.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a name; an unknown one is an error.
func (r *Result) UnmarshalText(b []byte) error {
	for i, n := range resultNames {
		if n == string(b) {
			*r = Result(i)
			return nil
		}
	}
	return &unknownError{"result", string(b)}
}

type unknownError struct{ what, got string }

func (e *unknownError) Error() string { return "unknown " + e.what + " " + strconv.Quote(e.got) }

// Attempt is one try of a request on one host.
type Attempt struct {
	At      Sec    `json:"at"`   // when the host was picked
	Done    Sec    `json:"done"` // when its result was known
	Client  int32  `json:"client"`
	Request int32  `json:"request"` // number of the request within the client
	N       int32  `json:"n"`       // 1 is the first attempt
	Host    int32  `json:"host"`    // -1: none
	Status  int32  `json:"status,omitempty"`
	Result  Result `json:"result"`
	Charged bool   `json:"charged"` // counted against the host by outlier detection
	// Connected is when it had a connection, where that was observed.
	Connected Sec `json:"connected,omitempty"`
	// Inferred: no log has the attempt. That it was made is certain; when, on
	// which host and how it ended is what fits the counters.
	Inferred bool `json:"inferred,omitempty"`
	// Reason is why the transport failed, in words; "" when that is all that is known, or when it did not.
	Reason string `json:"reason,omitempty"`
}

// Request is one request of a client with its final answer.
type Request struct {
	At       Sec    `json:"at"` // when it was due
	Sent     Sec    `json:"sent"`
	Done     Sec    `json:"done"`
	Client   int32  `json:"client"`
	N        int32  `json:"n"`
	Status   int32  `json:"status"` // 0: no answer
	Host     int32  `json:"host"`   // host of the final answer; -1: answered by the proxy, or not at all
	Upstream int32  `json:"upstream"`
	Attempts int32  `json:"attempts"` // on a host; Envoy counts one more if the last pick found none
	Flags    Flags  `json:"flags"`
	Error    string `json:"error,omitempty"` // what the client saw when there was no answer
}

// Failed reports whether the client would call it an error: no answer, or a status of 500 and more.
func (r *Request) Failed() bool { return r.Status == 0 || r.Status >= 500 }

// Kinds of Change.
const (
	Ejected  = "ejected"
	Returned = "returned"
	// OverflowEvent is an ejection that maxEjectionPercent refused.
	OverflowEvent = "overflow"
	// Detected is an ejection that the enforcing percentage let go.
	Detected = "detected"
	// Degraded is a host that said so itself, in a header; it serves only where
	// the healthy hosts are too few.
	Degraded = "degraded"
	// Undegraded is the end of that.
	Undegraded = "undegraded"
	// Added is a host that discovery brought to a cluster that goes on.
	Added = "added"
	// Removed is a host that discovery does not name any more, ejected or not.
	Removed = "removed"
)

// Change is a change of one host's outlier state, or that it came or left.
type Change struct {
	At        Sec    `json:"at"`
	Client    int32  `json:"client"`
	Host      int32  `json:"host"`
	Event     string `json:"event"`
	Cause     string `json:"cause,omitempty"`     // the detector: consecutive_5xx, ...
	Until     Sec    `json:"until,omitempty"`     // ejected, degraded: the first tick at which it can be over
	Ejections int32  `json:"ejections,omitempty"` // so far, this one included
}

// Load is the priority load that the workers use from now on.
type Load struct {
	At      Sec     `json:"at"`
	Client  int32   `json:"client"`
	Cluster string  `json:"cluster"`
	Percent []int32 `json:"percent"` // by priority
	Panic   []bool  `json:"panic"`
	// Read is when a live proxy read a cluster that is new at At, where the two differ:
	// of many that come at once it reads one after another, and the interval ticks of
	// all count from when it began.
	Read Sec `json:"read,omitempty"`
}

// Row is one line of the endpoint table, with the columns of `istioctl proxy-config endpoints`.
type Row struct {
	Client       int32  `json:"client"`
	Host         int32  `json:"host"`
	Upstream     int32  `json:"upstream"`
	Address      string `json:"address"`
	Name         string `json:"name,omitempty"`
	Locality     string `json:"locality"`
	Priority     uint32 `json:"priority"`
	Weight       uint32 `json:"weight"`
	Status       string `json:"status"`
	OutlierCheck string `json:"outlierCheck"`
	Ejections    int32  `json:"ejections"`
	Cluster      string `json:"cluster"`
}

// Endpoints is the endpoint table at an instant.
type Endpoints struct {
	At   Sec   `json:"at"`
	Rows []Row `json:"rows"`
}

// Note is something worth knowing about the run that no other event says:
// a stall, a limit of the backend, an interruption.
type Note struct {
	At   Sec    `json:"at"`
	Text string `json:"text"`
}

// Refusal is a configuration that a control plane or a proxy refused: it ends the run.
type Refusal struct {
	By     string `json:"by"`     // istiod, Envoy
	Reason string `json:"reason"` // in its own words
}

// TwoViews begins the text of a note that two ways of looking at the same endpoints
// differ: then neither can be believed.
const TwoViews = "the endpoint table is in doubt: "

// Trace is a run in memory: its events by kind, each in order of time. A trace
// that the engine has made keeps most requests packed: AllRequests and
// AllAttempts read all of them, Unpack moves them to Requests and Attempts.
type Trace struct {
	Run       Run
	Hosts     []Host
	Steps     []Step
	Attempts  []Attempt
	Requests  []Request
	Changes   []Change
	Loads     []Load
	Endpoints []Endpoints
	Notes     []Note
	Refusal   *Refusal // nil: nobody refused anything
	Ended     bool     // the run was played to its end

	packed  packed
	drained drained
}

// Add appends an event.
func (t *Trace) Add(e Event) {
	switch e := e.(type) {
	case Run:
		t.Run = e
	case Host:
		t.Hosts = append(t.Hosts, e)
	case Step:
		t.Steps = append(t.Steps, e)
	case Attempt:
		t.Attempts = append(t.Attempts, e)
	case Request:
		t.Requests = append(t.Requests, e)
	case Change:
		t.Changes = append(t.Changes, e)
	case Load:
		t.Loads = append(t.Loads, e)
	case Endpoints:
		t.Endpoints = append(t.Endpoints, e)
	case Note:
		t.Notes = append(t.Notes, e)
	case Refusal:
		t.Refusal = &e
	case End:
		t.Ended = true
	}
}

// End marks that the run was played to its end.
type End struct {
	At Sec `json:"at"`
}

func (Run) kind() string       { return "run" }
func (Host) kind() string      { return "host" }
func (Step) kind() string      { return "step" }
func (Attempt) kind() string   { return "attempt" }
func (Request) kind() string   { return "request" }
func (Change) kind() string    { return "change" }
func (Load) kind() string      { return "load" }
func (Endpoints) kind() string { return "endpoints" }
func (Note) kind() string      { return "note" }
func (Refusal) kind() string   { return "refusal" }
func (End) kind() string       { return "end" }

// UpstreamOf returns the upstream of a host, or -1.
func (t *Trace) UpstreamOf(host int32) int32 {
	if host < 0 || int(host) >= len(t.Hosts) {
		return -1
	}
	return t.Hosts[host].Upstream
}

// UpstreamName returns the name of an upstream, or "none".
func (t *Trace) UpstreamName(i int32) string {
	if i < 0 || int(i) >= len(t.Run.Upstreams) {
		return "none"
	}
	return t.Run.Upstreams[i]
}
