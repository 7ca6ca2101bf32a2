package main

import (
	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
	"github.com/faildrill/faildrill/harness/scenario"
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
			found := []report.Diagnostic{}
			for _, in := range inputs {
				p, err := profileFor(in, o.Profile)
				if err != nil {
					return err
				}
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
				doc := result.Document[result.Diagnostic]{Schema: result.LintSchema, Results: []result.Diagnostic{}}
				for _, d := range found {
					doc.Results = append(doc.Results, result.Diagnostic(d))
				}
				return a.json(doc)
			}
			return report.Diagnostics(a.out, a.style(), found)
		},
	}
	f.register(c)
	return c
}

// profileFor is the profile of the command line, else the scenario's own.
func profileFor(in *scenario.Input, chosen *istio.Profile) (istio.Profile, error) {
	switch {
	case chosen != nil:
		return *chosen, nil
	case in.Scenario == nil || in.Scenario.Spec.Profile == "":
		return istio.DefaultProfile(), nil
	}
	p, err := istio.ParseProfile(in.Scenario.Spec.Profile)
	if err != nil {
		return p, scenario.Problems{{Pos: in.Where("spec.profile"), Message: err.Error()}}
	}
	return p, nil
}
