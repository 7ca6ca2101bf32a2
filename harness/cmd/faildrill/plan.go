package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/report"
	"github.com/faildrill/faildrill/harness/result"
)

func (a *app) plan() *cobra.Command {
	var f inputFlags
	var fix, verbose bool
	c := &cobra.Command{
		Use:   "plan FILE...",
		Short: "Predict what clients feel, without a cluster",
		Long: "plan predicts drills in virtual time. Scenarios are drills by themselves; of plain Istio YAML it makes one\n" +
			"for the loss of each endpoint and each locality, as a client in each region sees it.\n\n" +
			"Exit code: 0 all drills pass, 1 some do not, 2 bad input or a rejected configuration, 4 inconclusive.",
		Args: needFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			drills, err := a.drills(args, &f)
			if err != nil {
				return err
			}
			plans := harness.Plans(drills)
			for i := range plans {
				a.code.add(codeOfPlan(&plans[i]))
			}
			switch {
			case fix:
				return a.patches(plans)
			case f.output == "json":
				return a.json(result.Document[result.Plan]{Schema: result.PlanSchema, Results: plans})
			}
			s := a.style()
			s.Verbose = verbose || len(plans) == 1
			return report.Plan(a.out, s, plans)
		},
	}
	f.register(c)
	c.Flags().BoolVar(&fix, "fix", false, "print the objects to apply that make the drills pass, and nothing else")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "details of the drills that pass, too")
	return c
}

// patches prints each proposed object once.
func (a *app) patches(plans []result.Plan) error {
	seen := map[string]bool{}
	for _, p := range plans {
		if len(p.Causes) == 0 || p.Causes[0].Fix == nil || !p.Causes[0].Fix.Confirmed || p.Outcome.Passes() {
			continue
		}
		fix := p.Causes[0].Fix
		if seen[fix.Patch] {
			continue
		}
		if len(seen) > 0 {
			fmt.Fprintln(a.out, "---")
		}
		seen[fix.Patch] = true
		fmt.Fprintf(a.out, "# %s: %s\n", p.Name, p.Causes[0].Message)
		for _, e := range fix.All() {
			fmt.Fprintf(a.out, "# + %s: %s\n", e.Field, e.To)
		}
		fmt.Fprint(a.out, fix.Patch)
	}
	if len(seen) == 0 {
		fmt.Fprintln(a.err, "no change is proposed")
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
