package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/result"
)

// JUnit writes runs as JUnit XML, as GitHub, GitLab and Jenkins read it: a suite
// for each run, a case for each expectation, and one more when the verdict has
// another reason. What is inconclusive counts as an error, so that nothing is
// green that was not seen. The time is the suites' timestamp.
func JUnit(w io.Writer, runs []result.Run, at time.Time) error {
	doc := junitSuites{Name: "faildrill"}
	for i := range runs {
		s := junitSuiteOf(&runs[i], at)
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Errors += s.Errors
		doc.Skipped += s.Skipped
		doc.Suites = append(doc.Suites, s)
	}
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the JUnit report: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s%s\n", xml.Header, b); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	return nil
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	File       string          `xml:"file,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string      `xml:"name,attr"`
	Classname string      `xml:"classname,attr"`
	File      string      `xml:"file,attr,omitempty"`
	Time      string      `xml:"time,attr"`
	Skipped   *junitSkip  `xml:"skipped"`
	Failure   *junitFault `xml:"failure"`
	Error     *junitFault `xml:"error"`
	Out       *junitText  `xml:"system-out"`
}

type junitSkip struct {
	Message string `xml:"message,attr,omitempty"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Body    string `xml:",innerxml"` // from escape
}

type junitText struct {
	Body string `xml:",innerxml"` // from escape
}

// escape is text as XML, with its line breaks as they are.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}

func newFault(kind, message, body string) *junitFault {
	return &junitFault{Message: message, Type: kind, Body: escape(body)}
}

func junitSuiteOf(r *result.Run, at time.Time) junitSuite {
	s := junitSuite{
		Name: r.Scenario + " on " + r.Backend, File: r.File, Timestamp: at.UTC().Format("2006-01-02T15:04:05"),
		Time: strconv.FormatFloat(playedFor(r), 'f', 3, 64), Properties: junitProperties(r),
	}
	for i := range r.Expectations {
		s.Cases = append(s.Cases, junitExpectation(r, i))
	}
	if c, ok := junitVerdict(r); ok {
		s.Cases = append(s.Cases, c)
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		c.Classname, c.File, c.Time = r.Scenario+"."+r.Backend, r.File, "0.000"
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
	s.Tests = len(s.Cases)
	return s
}

// playedFor is how long the requests of a run took, as far as its phases tell.
func playedFor(r *result.Run) float64 {
	end := 0.0
	for _, p := range r.Phases {
		end = max(end, p.To)
	}
	return end
}

func junitProperties(r *result.Run) []junitProperty {
	ps := []junitProperty{
		{"backend", r.Backend},
		{"setting", r.Setting},
		{"istio", r.Profile.Istio},
		{"envoy", r.Profile.Envoy},
		{"profile", profile(r.Profile)},
		{"seed", strconv.FormatUint(r.Seed, 10)},
		{"scale", number(scaleOr1(r.Scale))},
		{"verdict", string(r.Verdict)},
	}
	ps = append(ps, junitProperty{"outcome", string(r.Outcome)}, junitProperty{"folder", r.Folder}, junitProperty{"replay", r.Replay})
	return slices.DeleteFunc(ps, func(p junitProperty) bool { return p.Value == "" })
}

func junitExpectation(r *result.Run, i int) junitCase {
	e := &r.Expectations[i]
	c := junitCase{Name: e.Name}
	if c.Name == "" {
		c.Name = fmt.Sprintf("expectation %d", i+1)
	}
	body := "expected: " + e.Expected + "\nobserved: " + e.Observed + "\n"
	if e.Evidence != "" {
		body += "evidence: " + e.Evidence + "\n"
	}
	message := fmt.Sprintf("expected %s; observed %s", e.Expected, e.Observed)
	switch e.Verdict {
	case result.Pass:
		c.Out = &junitText{escape(body)}
	case result.Skip:
		c.Skipped = &junitSkip{firstOf(e.Observed, e.Evidence, r.Reason, "skipped")}
	case result.Fail:
		c.Failure = newFault("fail", message+deciding(r), body+remedy(r))
	default:
		c.Error = newFault(string(e.Verdict), string(e.Verdict)+": "+message, body+remedy(r))
	}
	return c
}

// junitVerdict is the case of a verdict that the expectations do not explain:
// there are none, the run broke, or the model does not permit what it showed.
func junitVerdict(r *result.Run) (junitCase, bool) {
	c := junitCase{Name: "the drill"}
	if d := r.Divergence; d != nil {
		c.Name = "the model permits what was observed"
		c.Error = newFault("divergence", divergenceWords(r), fmt.Sprintf("permitted: %s\nobserved: %s\n%s", d.Permitted, d.Observed, remedy(r)))
		return c, true
	}
	if len(r.Expectations) > 0 && explained(r) {
		return c, false
	}
	what := strings.TrimLeft(verdictWords(r), "; ")
	switch r.Verdict {
	case result.Pass:
		c.Out = &junitText{escape(what + "\n")}
	case result.Skip:
		c.Skipped = &junitSkip{firstOf(r.Reason, "skipped")}
	case result.Fail:
		c.Failure = newFault("fail", what+deciding(r), remedy(r))
	default:
		c.Error = newFault(firstOf(string(r.Verdict), "no verdict"), what, remedy(r))
	}
	return c, true
}

// explained reports whether an expectation has the verdict of the run.
func explained(r *result.Run) bool {
	for _, e := range r.Expectations {
		if e.Verdict == r.Verdict {
			return true
		}
	}
	return false
}

// verdictWords is what happened to the clients, and the reason of the verdict.
func verdictWords(r *result.Run) string {
	im := runImpact(r)
	s := im.text().String()
	if r.Reason != "" {
		s += "; " + r.Reason
	}
	return firstOf(s, string(r.Verdict))
}

// deciding is the first cause in a few words.
func deciding(r *result.Run) string { return headlineCause(r.Causes, r.Outcome).String() }

// remedy is what the body of a failure ends with: why, what to change, and how
// to see it again.
func remedy(r *result.Run) string {
	var b strings.Builder
	line := func(label, s string) {
		if s != "" {
			b.WriteString(label + ": " + s + "\n")
		}
	}
	for i := range r.Causes {
		c := &r.Causes[i]
		line("cause", c.Message)
		line("field", decidedBy(c).String())
		if c.Fix != nil {
			confirmed := " (not confirmed)"
			if c.Fix.Confirmed {
				confirmed = " (confirmed by predicting again)"
			}
			line("fix", fixWords(c.Fix)+confirmed)
		}
	}
	for _, d := range r.ConfigDifferences {
		line("configuration differs", d)
	}
	line("folder", r.Folder)
	line("replay", r.Replay)
	return b.String()
}

// divergenceWords is the first divergence on one line.
func divergenceWords(r *result.Run) string {
	d := r.Divergence
	return fmt.Sprintf("divergence at %s: %s: permitted %s; observed %s", moment(d.At, r.Scale), d.Decision, d.Permitted, d.Observed)
}

// firstOf is the first text that is not empty.
func firstOf(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}
