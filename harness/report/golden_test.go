package report_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/trace"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares what write writes with testdata/name.golden.
func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var b, again bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	if err := write(&again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the second report differs from the first")
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got; -update accepts):\n%s", file, d)
	}
}

// styles are the looks that each text report is checked in.
var styles = map[string]report.Style{
	"60":       {Width: 60},
	"100":      {},
	"140color": {Width: 140, Color: true},
	"ascii":    {Width: 80, ASCII: true},
}

func textGolden(t *testing.T, name string, write func(io.Writer, report.Style) error) {
	for look, s := range styles {
		t.Run(name+"_"+look, func(t *testing.T) {
			golden(t, name+"_"+look, func(w io.Writer) error { return write(w, s) })
		})
	}
}

func TestPlan(t *testing.T) {
	textGolden(t, "plan_published", func(w io.Writer, s report.Style) error { return report.Plan(w, s, []result.Plan{asPublished()}) })
	textGolden(t, "plan_fixed", func(w io.Writer, s report.Style) error { return report.Plan(w, s, []result.Plan{fixed()}) })
	textGolden(t, "plan_plain", func(w io.Writer, s report.Style) error { return report.Plan(w, s, plainYAML()) })
	textGolden(t, "plan_gallery", func(w io.Writer, s report.Style) error { return report.Plan(w, s, gallery()) })
	textGolden(t, "plan_expected", func(w io.Writer, s report.Style) error { return report.Plan(w, s, gallery()[:1]) })
}

func TestRuns(t *testing.T) {
	textGolden(t, "runs_one", func(w io.Writer, s report.Style) error {
		return report.Runs(w, s, []result.Run{scaled(passing("inproc"), 10)}, func(int) (*trace.Trace, *trace.Trace) {
			return played("model", true, 130, 1), played("inproc", true, 130, 10)
		})
	})
	textGolden(t, "runs_suite", func(w io.Writer, s report.Style) error { return report.Runs(w, s, suite(), suiteTraces) })
}

// A report says how a backend played when that was not as usual.
func TestSetting(t *testing.T) {
	const setting = "on a shoestring"
	usual, other := failing("envoy"), failing("envoy")
	other.Setting = setting
	for name, write := range map[string]func(io.Writer, []result.Run) error{
		"one run": func(w io.Writer, rs []result.Run) error {
			return report.Runs(w, report.Style{Width: 100}, rs, func(int) (*trace.Trace, *trace.Trace) { return nil, nil })
		},
		"several": func(w io.Writer, rs []result.Run) error {
			return report.Runs(w, report.Style{Width: 100}, append(rs, passing("inproc")), func(int) (*trace.Trace, *trace.Trace) { return nil, nil })
		},
		"Markdown": report.Markdown,
		"HTML":     report.Conformance,
		"JUnit":    func(w io.Writer, rs []result.Run) error { return report.JUnit(w, rs, time.Unix(0, 0)) },
	} {
		for r, want := range map[*result.Run]int{&usual: 0, &other: 1} {
			var b strings.Builder
			if err := write(&b, []result.Run{*r}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(strings.Join(strings.Fields(b.String()), " "), setting); got != want {
				t.Errorf("%s: said %d times, want %d:\n%s", name, got, want, b.String())
			}
		}
	}
}

func TestTimeline(t *testing.T) {
	textGolden(t, "timeline_faults", func(w io.Writer, s report.Style) error {
		tl := report.NewTimeline(withFaults(), nil)
		return tl.Write(w, s)
	})
}
