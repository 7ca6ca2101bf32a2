package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

// column is what a suite's runs stand under: its backend, with the release of Kubernetes
// where there is one.
func column(s *suite) string {
	for _, part := range strings.Split(s.what, ", ") {
		if strings.HasPrefix(part, "Kubernetes ") {
			return s.name + ", " + part
		}
	}
	return s.name
}

// writeReports writes what was played into a folder: results.json for programs (hack/conformance
// reads it), report.html for people and report.md for the step summary of a CI system.
func writeReports(folder string, specs []*spec) error {
	var runs []result.Run
	for _, s := range specs {
		if n := len(s.attempts); n > 0 {
			r := s.attempts[n-1].Run
			r.Backend = column(&s.suite)
			runs = append(runs, r)
		}
	}
	write := func(name string, to func(io.Writer) error) error {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		return errors.Join(to(f), f.Close())
	}
	return errors.Join(
		write("results.json", func(w io.Writer) error {
			return json.NewEncoder(w).Encode(result.Document[result.Run]{Schema: result.RunSchema, Results: runs})
		}),
		write("report.html", func(w io.Writer) error { return report.Conformance(w, runs) }),
		write("report.md", func(w io.Writer) error { return report.Markdown(w, runs) }),
	)
}
