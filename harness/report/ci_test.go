package report_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

var startedAt = time.Date(2026, 8, 1, 12, 15, 0, 0, time.FixedZone("", 2*3600))

func TestJUnit(t *testing.T) {
	golden(t, "junit", func(w io.Writer) error { return report.JUnit(w, suite(), startedAt) })
	golden(t, "junit_empty", func(w io.Writer) error { return report.JUnit(w, nil, startedAt) })
}

func TestConformance(t *testing.T) {
	golden(t, "conformance", func(w io.Writer) error { return report.Conformance(w, suite()) })
	golden(t, "conformance_empty", func(w io.Writer) error { return report.Conformance(w, nil) })
}

// What a run says never becomes a part of the page.
func TestConformanceEscapes(t *testing.T) {
	r := failing("inproc")
	r.Scenario, r.Reason, r.Setting = "<script>a</script>", "<script>b</script>", "\"><script>c</script>"
	var b strings.Builder
	if err := report.Conformance(&b, []result.Run{r}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") {
		t.Errorf("a script got into the page:\n%s", b.String())
	}
}

func TestMarkdown(t *testing.T) {
	golden(t, "markdown", func(w io.Writer) error { return report.Markdown(w, suite()) })
	golden(t, "markdown_empty", func(w io.Writer) error { return report.Markdown(w, nil) })
}

// TestJUnitCounts reads the report back and counts: the attributes have to
// agree with the elements, and every run that did not pass has to be red or grey.
func TestJUnitCounts(t *testing.T) {
	type parsedCase struct {
		Name    string    `xml:"name,attr"`
		Failure *struct{} `xml:"failure"`
		Error   *struct{} `xml:"error"`
		Skipped *struct{} `xml:"skipped"`
	}
	var doc struct {
		Tests, Failures, Errors, Skipped int
		Suites                           []struct {
			Name     string       `xml:"name,attr"`
			Tests    int          `xml:"tests,attr"`
			Failures int          `xml:"failures,attr"`
			Errors   int          `xml:"errors,attr"`
			Skipped  int          `xml:"skipped,attr"`
			Cases    []parsedCase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	var b bytes.Buffer
	runs := suite()
	// A verdict that no expectation explains needs a case of its own.
	undue := passing("model")
	undue.Verdict, undue.Reason = result.Fail, "a known divergence passes; remove its line"
	runs = append(runs, undue)
	if err := report.JUnit(&b, runs, startedAt); err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Suites) != len(runs) {
		t.Fatalf("got %d suites, want %d", len(doc.Suites), len(runs))
	}
	for i, s := range doc.Suites {
		var failures, errors, skipped int
		for _, c := range s.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errors++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
		if s.Tests != len(s.Cases) || s.Tests == 0 || s.Failures != failures || s.Errors != errors || s.Skipped != skipped {
			t.Errorf("%s: attributes %d %d %d %d, elements %d %d %d %d", s.Name, s.Tests, s.Failures, s.Errors, s.Skipped, len(s.Cases), failures, errors, skipped)
		}
		want := map[result.Verdict]bool{
			result.Pass: failures+errors+skipped == 0, result.Fail: failures > 0, result.Error: errors > 0,
			result.Inconclusive: errors > 0, result.Skip: skipped > 0 && failures+errors == 0,
		}
		if !want[runs[i].Verdict] {
			t.Errorf("%s has verdict %s, but %d failures, %d errors, %d skipped", s.Name, runs[i].Verdict, failures, errors, skipped)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	ds := []report.Diagnostic{
		{File: "b.yaml", Line: 14, Column: 7, Severity: "error", Message: `unknown fault "resett"; expected one of blackhole, delay, hang, refuse, reset, status`},
		{File: "a.yaml", Line: 9, Column: 5, Severity: "warning", Code: "maxEjectionPercent", Message: budget().Message, Fix: "+ maxEjectionPercent: 100"},
		{File: "a.yaml", Line: 2, Severity: "info", Code: "apiVersion", Message: "v1alpha3 is old"},
		{Message: "no input"},
	}
	textGolden(t, "diagnostics", func(w io.Writer, s report.Style) error { return report.Diagnostics(w, s, ds) })
	golden(t, "diagnostics_none", func(w io.Writer) error { return report.Diagnostics(w, report.Style{}, nil) })
}
