package main

import (
	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

func (a *app) lint() *cobra.Command {
	var f inputFlags
	c := &cobra.Command{
		Use:   "lint FILE...",
		Short: "Check Istio YAML and scenarios for what will not fail over",
		Long:  "lint reports what istiod refuses, what does nothing, and what keeps traffic from failing over, each with its\nplace and what to write instead.\n\nExit code: 0 nothing of severity error, 1 an error was found, 2 the input cannot be read.",
		Args:  needFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			o, err := f.options()
			if err != nil {
				return err
			}
			inputs, err := a.load(args)
			if err != nil {
				return err
			}
			p := istio.DefaultProfile()
			if o.Profile != nil {
				p = *o.Profile
			}
			found := []report.Diagnostic{}
			for _, in := range inputs {
				for _, d := range explain.Lint(in, p) {
					if d.Severity == explain.SeverityError {
						a.code.add(codeFailed)
					}
					found = append(found, report.Diagnostic{
						File: d.Pos.File, Line: d.Pos.Line, Column: d.Pos.Column, Severity: string(d.Severity), Code: d.Code, Message: d.Message, Fix: d.Fix,
					})
				}
			}
			if f.output == "json" {
				return a.json(result.Document[report.Diagnostic]{Schema: result.LintSchema, Results: found})
			}
			return report.Diagnostics(a.out, a.style(), found)
		},
	}
	f.register(c)
	return c
}
