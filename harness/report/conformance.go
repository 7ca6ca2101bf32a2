package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/faildrill/faildrill/harness/result"
)

//go:embed html/conformance.html
var conformancePage string

var conformanceTemplate = template.Must(template.New("conformance").Parse(conformancePage))

// Conformance writes runs as one HTML file that needs no other: a table of scenarios and
// backends, with the releases of each run, and below it what each run showed, with the
// endpoint tables of its expectations. What did not pass is open.
func Conformance(w io.Writer, runs []result.Run) error {
	page := conformance{Counts: runSummary(runs).String()}
	ids := map[*result.Run]string{}
	for i := range runs {
		r := &runs[i]
		ids[r] = fmt.Sprintf("run-%d", i+1)
		page.Runs = append(page.Runs, conformanceRunOf(r, ids[r]))
	}
	m := matrixOf(runs)
	page.Backends = m.backends
	for _, s := range m.scenarios {
		row := conformanceRow{Scenario: oneLine(s)}
		for _, b := range m.backends {
			var cell []conformanceCell
			for _, r := range m.runs[[2]string{s, b}] {
				cell = append(cell, conformanceCell{r.Verdict, ids[r], versions(r.Profile)})
			}
			row.Cells = append(row.Cells, cell)
		}
		page.Rows = append(page.Rows, row)
	}
	if err := conformanceTemplate.Execute(w, page); err != nil {
		return fmt.Errorf("writing the conformance report: %w", err)
	}
	return nil
}

type conformance struct {
	Counts   string
	Backends []string
	Rows     []conformanceRow
	Runs     []conformanceRun
}

type conformanceRow struct {
	Scenario string
	Cells    [][]conformanceCell // by backend
}

type conformanceCell struct {
	Verdict  result.Verdict
	ID       string // of the run below
	Versions string
}

type conformanceRun struct {
	ID, Scenario, Backend, Versions, Words, Setting, Divergence, Remedy string

	Verdict      result.Verdict
	Open         bool
	Expectations []result.Expectation
	Tables       []conformanceTable
}

type conformanceTable struct {
	At   string
	Rows []result.Row
}

func conformanceRunOf(r *result.Run, id string) conformanceRun {
	c := conformanceRun{
		ID: id, Scenario: oneLine(r.Scenario), Backend: r.Backend, Versions: versions(r.Profile), Verdict: r.Verdict,
		Open:  r.Verdict != result.Pass && r.Verdict != result.Skip,
		Words: strings.TrimLeft(verdictWords(r), "; "), Setting: r.Setting, Remedy: remedy(r),
	}
	for _, e := range r.Expectations {
		e.Name = firstOf(e.Name, "expectation")
		c.Expectations = append(c.Expectations, e)
	}
	if r.Divergence != nil {
		c.Divergence = divergenceWords(r)
	}
	for _, e := range r.Endpoints {
		c.Tables = append(c.Tables, conformanceTable{moment(e.At, r.Scale), e.Rows})
	}
	return c
}

// versions are the releases of a profile in a few characters.
func versions(p result.Profile) string {
	if p.Istio == "" {
		return ""
	}
	return "Istio " + p.Istio + ", Envoy " + p.Envoy
}

// oneLine is text without what a terminal or a table would trip over.
func oneLine(s string) string { return say(s).String() }
