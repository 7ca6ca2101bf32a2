// Package result holds what faildrill says about a drill: the JSON that others
// build on.
//
// Names stay; fields may be added. Times are seconds from the start of the
// drill, shares are 0 to 1:
//
//	{"schema": "faildrill.dev/plan/v1", "results": [{"name": ..., "outcome": "never-fails-over", ...}]}
//
// It leaves out how any of it is found: packages check and explain do that.
package result

import "github.com/faildrill/faildrill/harness/istio"

// Schemas of the documents.
const (
	PlanSchema = "faildrill.dev/plan/v1"
	RunSchema  = "faildrill.dev/run/v1"
	LintSchema = "faildrill.dev/lint/v1"
	// EndpointsSchema is what endpoints prints.
	EndpointsSchema = "faildrill.dev/endpoints/v1"
)

// Document is a list of results with its schema.
type Document[R any] struct {
	Schema  string `json:"schema"`
	Results []R    `json:"results"`
}

// Profile names the releases whose rules were followed.
type Profile struct {
	Istio     string     `json:"istio"`
	Envoy     string     `json:"envoy"`
	IstioMark istio.Mark `json:"istioMark"`
	EnvoyMark istio.Mark `json:"envoyMark"`
}

// Outcome is what the mesh did in a drill.
type Outcome string

// The outcomes.
const (
	NoImpact       Outcome = "no-impact"        // no error, and nothing moved
	FailsOver      Outcome = "fails-over"       // no error, others serve
	Partial        Outcome = "partial"          // fewer errors than the lost share
	NeverFailsOver Outcome = "never-fails-over" // the lost share stays errors though a healthy endpoint exists
	TotalLoss      Outcome = "total-loss"       // none is left
	Rejected       Outcome = "rejected"         // istiod or Envoy refuses the configuration
)

// outcomes says what each means. The words in capitals of a report stand for it.
var outcomes = []meaning[Outcome]{
	{NoImpact, "no request failed, and nothing moved"},
	{FailsOver, "after it settled no request fails: others serve"},
	{Partial, "fewer requests fail than the lost endpoints had a share of"},
	{NeverFailsOver, "the lost share goes on failing, though a healthy endpoint exists"},
	{TotalLoss, "no healthy endpoint is left"},
	{Rejected, "istiod or Envoy refuses the configuration, and nothing is played"},
}

// Outcomes lists all outcomes, the best first.
func Outcomes() []Outcome { return named(outcomes) }

// Means says what the outcome means; "" for an unknown one.
func (o Outcome) Means() string { return meansOf(outcomes, o) }

// Passes reports whether a drill without expectations passes on the outcome.
func (o Outcome) Passes() bool { return o == NoImpact || o == FailsOver }

// Verdict is what is said of an expectation or a scenario.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Skip         Verdict = "skip"
	Inconclusive Verdict = "inconclusive"
	Error        Verdict = "error"
)

// verdicts says what each means.
var verdicts = []meaning[Verdict]{
	{Pass, "it came out as expected; without expectations: no-impact or fails-over"},
	{Fail, "it came out otherwise"},
	{Skip, "the backend lacks something that the drill needs"},
	{Inconclusive, "nothing is proved: too few requests, a fault that nobody saw take effect, a field that is not modelled, or a machine that was too slow"},
	{Error, "something broke underneath, the configuration is refused, or the run did what the model does not permit"},
}

// Verdicts lists all verdicts.
func Verdicts() []Verdict { return named(verdicts) }

// Means says what the verdict means; "" for an unknown one.
func (v Verdict) Means() string { return meansOf(verdicts, v) }

// meaning is a name with what it means.
type meaning[T comparable] struct {
	name  T
	means string
}

func named[T comparable](ms []meaning[T]) []T {
	var out []T
	for _, m := range ms {
		out = append(out, m.name)
	}
	return out
}

func meansOf[T comparable](ms []meaning[T], name T) string {
	for _, m := range ms {
		if m.name == name {
			return m.means
		}
	}
	return ""
}

// Plan is the prediction of one drill.
type Plan struct {
	Name    string  `json:"name"`
	File    string  `json:"file,omitempty"`
	Client  string  `json:"client"`
	Fault   string  `json:"fault"`
	Profile Profile `json:"profile"`
	Seed    uint64  `json:"seed"`
	Outcome Outcome `json:"outcome"`
	// Verdict says whether the drill would pass: by its expectations, or, without
	// any, by its outcome.
	Verdict      Verdict       `json:"verdict"`
	Expectations []Expectation `json:"expectations,omitempty"`

	Requests      int      `json:"requests"`      // after the fault
	ClientErrors  int      `json:"clientErrors"`  // of them
	ReturnErrors  int      `json:"returnErrors"`  // client errors that the return of a host which is still broken cost
	FailoverAfter *float64 `json:"failoverAfter"` // null: never
	ReturnAfter   *float64 `json:"returnAfter"`   // null: nothing was healed, or it did not return

	Assumed     []string           `json:"assumed"`
	NotModelled []NotModelled      `json:"notModelled"`
	Phases      []Phase            `json:"phases"`
	Events      []Event            `json:"events"`
	Counters    map[string]Counter `json:"counters"`
	Endpoints   []Endpoints        `json:"endpoints"`
	Causes      []Cause            `json:"causes"`
	Problems    []string           `json:"problems,omitempty"` // why it was rejected
}

// Run is one scenario on one backend.
type Run struct {
	Scenario      string             `json:"scenario"`
	File          string             `json:"file,omitempty"`
	Backend       string             `json:"backend"`
	Setting       string             `json:"setting,omitempty"` // how the backend played, if not as usual
	Profile       Profile            `json:"profile"`
	Seed          uint64             `json:"seed"`
	Scale         float64            `json:"scale"`
	Verdict       Verdict            `json:"verdict"`
	Reason        string             `json:"reason,omitempty"` // of a verdict that no expectation explains
	Outcome       Outcome            `json:"outcome"`
	Expectations  []Expectation      `json:"expectations"`
	Requests      int                `json:"requests"`
	ClientErrors  int                `json:"clientErrors"`
	FailoverAfter *float64           `json:"failoverAfter"`
	ReturnAfter   *float64           `json:"returnAfter"`
	Phases        []Phase            `json:"phases"`
	Events        []Event            `json:"events"`
	Counters      map[string]Counter `json:"counters"`
	Endpoints     []Endpoints        `json:"endpoints"`
	Causes        []Cause            `json:"causes"`
	NotModelled   []NotModelled      `json:"notModelled"`

	ConfigDifferences []string    `json:"configDifferences"`
	Divergence        *Divergence `json:"divergence"`
	Folder            string      `json:"folder,omitempty"`
	Replay            string      `json:"replay,omitempty"` // the command that plays it again
}

// NotModelled is a field that the prediction does not understand.
type NotModelled struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Field   string `json:"field"`
	Decides bool   `json:"decides"` // it may decide which endpoint answers
	Why     string `json:"why,omitempty"`
}

// Phase is a time in which neither the timeline nor the priority load changed.
type Phase struct {
	From     float64            `json:"from"`
	To       float64            `json:"to"`
	Requests int                `json:"requests"`
	Share    map[string]float64 `json:"share"` // of the answered requests, by upstream
	Errors   int                `json:"errors"`
	Statuses map[string]int     `json:"statuses"`
	Flags    map[string]int     `json:"flags"`
}

// Event is a change of one endpoint's outlier state.
type Event struct {
	At       float64  `json:"at"`
	Client   string   `json:"client,omitempty"`
	Upstream string   `json:"upstream"`
	Address  string   `json:"address"`
	Event    string   `json:"event"` // ejected, returned, overflow, detected
	Cause    string   `json:"cause,omitempty"`
	Until    *float64 `json:"until,omitempty"` // ejected: the tick at which it can return
}

// Counter sums up what happened to one upstream.
type Counter struct {
	Attempts    int `json:"attempts"`
	Charged     int `json:"charged"` // attempts that outlier detection counted as failures
	Ejections   int `json:"ejections"`
	Overflow    int `json:"overflow"` // ejections that maxEjectionPercent refused
	Retries     int `json:"retries"`  // attempts after the first
	ConnectFail int `json:"connectFail"`
}

// Endpoints is the endpoint table at an instant.
type Endpoints struct {
	At   float64 `json:"at"`
	Rows []Row   `json:"rows"`
}

// Row is one endpoint, with the columns of `istioctl proxy-config endpoints`.
type Row struct {
	Client       string `json:"client,omitempty"`
	Upstream     string `json:"upstream"`
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

// Table is the endpoints of a run: of a kept one as they are now, of a stored one as they
// were when its drill last looked.
type Table struct {
	Run         string     `json:"run"` // a kept run's name, or the folder of a stored one
	Scenario    string     `json:"scenario"`
	Kept        bool       `json:"kept"`
	At          float64    `json:"at"` // since the drill's 0 s
	Rows        []TableRow `json:"rows"`
	Differences []string   `json:"differences"` // where istioctl and the rows disagree
}

// TableRow is a row beside what istioctl says of it.
type TableRow struct {
	Row
	Share    float64   `json:"share"`    // 0..1, of the client's last requests that an upstream answered
	Istioctl *Istioctl `json:"istioctl"` // null: it was not asked, or does not list it
}

// Istioctl is the columns of `istioctl proxy-config endpoints`.
type Istioctl struct {
	Status       string `json:"status"`
	OutlierCheck string `json:"outlierCheck"`
}

// Cause is why a drill went as it did.
type Cause struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Default string `json:"default,omitempty"` // the value in force when the field is not set
	Since   string `json:"since,omitempty"`   // the release since which it is so
	Message string `json:"message"`
	Fix     *Fix   `json:"fix"`
	// ErrorsAvoided is how many client errors fewer the drill has with the best
	// change for this cause alone; negative: it has more. Null: no change was tried.
	ErrorsAvoided *int `json:"errorsAvoided"`
}

// Fix is the smallest change that makes the drill pass, or, where it passes
// already, that betters it. Field, From and To are its first edit.
type Fix struct {
	Field string `json:"field"`
	From  string `json:"from"` // "": not set
	To    string `json:"to"`
	Edits []Edit `json:"edits"` // all of it, the first included
	// Patch is the objects to apply, as YAML.
	Patch string `json:"patch,omitempty"`
	// Confirmed: predicting again with the change passed.
	Confirmed bool `json:"confirmed"`
}

// Edit is the change of one field.
type Edit struct {
	Resource string `json:"resource,omitempty"` // kind, namespace and name
	Field    string `json:"field"`
	From     string `json:"from"` // "": not set
	To       string `json:"to"`
}

// All is the edits of a fix, also of one that was stored without a list.
func (f *Fix) All() []Edit {
	if len(f.Edits) > 0 {
		return f.Edits
	}
	return []Edit{{Field: f.Field, From: f.From, To: f.To}}
}

// Expectation is the verdict on one expectation.
type Expectation struct {
	Name     string  `json:"name"`
	Verdict  Verdict `json:"verdict"`
	Expected string  `json:"expected"`
	Observed string  `json:"observed"`
	Evidence string  `json:"evidence,omitempty"`
}

// Divergence is the first decision of a live run that the model does not permit.
type Divergence struct {
	At        float64 `json:"at"`
	Decision  string  `json:"decision"`
	Permitted string  `json:"permitted"`
	Observed  string  `json:"observed"`
}

// Diagnostic is one finding of lint.
type Diagnostic struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"` // error, warning or info
	Code     string `json:"code"`
	Message  string `json:"message"`
	Fix      string `json:"fix,omitempty"` // what to write
}
