// Command conformance makes one report of many runs of the e2e suite: a table of scenarios,
// backends and releases.
//
//	go run ./hack/conformance -out out/conformance out/*/results.json
//
// It writes report.html, report.md and junit.xml, and its exit code says whether what was
// read is whole, not whether it passed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

func main() {
	out := flag.String("out", filepath.Join("out", "conformance"), "the folder for the reports")
	flag.Parse()
	if err := merge(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func merge(out string, files []string) error {
	if len(files) == 0 {
		return errors.New("no results.json is named")
	}
	var runs []result.Run
	for _, name := range files {
		more, err := read(name)
		if err != nil {
			return err
		}
		runs = append(runs, more...)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{
		"report.html": func(w io.Writer) error { return report.Conformance(w, runs) },
		"report.md":   func(w io.Writer) error { return report.Markdown(w, runs) },
		"junit.xml":   func(w io.Writer) error { return report.JUnit(w, runs, time.Now()) },
	} {
		f, err := os.Create(filepath.Join(out, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func read(name string) ([]result.Run, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var doc result.Document[result.Run]
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if doc.Schema != result.RunSchema {
		return nil, fmt.Errorf("%s: its schema is %q; expected %q", name, doc.Schema, result.RunSchema)
	}
	return doc.Results, nil
}
