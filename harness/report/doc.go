// Package report writes what a drill showed for those who read it: people at a
// terminal, CI systems, a pull request. Each report is a pure function of
// results to a writer: the same results give the same bytes.
//
//	style := report.Style{Color: isTerminal, Width: columns}
//	err := report.Plan(os.Stdout, style, plans)          // predictions, in text
//	err = report.Runs(os.Stdout, style, runs, traces)    // runs, with timelines
//	err = report.JUnit(file, runs, startedAt)            // for CI
//	err = report.Markdown(summary, runs)                 // for a step summary
//	err = report.Conformance(page, runs)                 // one HTML file: scenarios x backends
//
// Text from outside (names, messages, paths) is made harmless before it is
// printed: control characters never reach a terminal, and no line is wider than
// the style says.
//
// It leaves out finding anything: outcomes and verdicts come from package
// check, causes and fixes from package explain. Progress while a drill runs and
// the JSON documents are not reports either.
package report
