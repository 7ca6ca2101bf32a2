package main

import (
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/fixtures"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/scenarios"
)

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios that come with the program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			// A name that no folder on disk has, so that the list is always that of the program.
			const carried = "carried"
			files := scenario.Files{Embedded: map[string]fs.FS{carried: scenarios.FS, "fixtures": fixtures.FS}}
			inputs, err := scenario.Load(files, []string{carried})
			if err != nil {
				return environmentError{fmt.Errorf("reading the embedded scenarios: %w", err)}
			}
			w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			for _, in := range inputs {
				fmt.Fprintf(w, "%s\t%s\n", "scenarios"+strings.TrimPrefix(in.File, carried), in.Scenario.Metadata.Description)
			}
			return w.Flush()
		},
	}
}

func (a *app) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of scenarios",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(scenario.Schema())
			return err
		},
	}
}

func (a *app) explain() *cobra.Command {
	return &cobra.Command{
		Use:       "explain profile",
		Short:     "Explain the profiles: which Istio ships which Envoy, what changed when, and what was measured",
		ValidArgs: []string{"profile"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != "profile" {
				return usageError{fmt.Errorf("expected the topic: profile")}
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "ISTIO\tENVOY\tISTIO RULES\tENVOY RULES")
			for _, r := range istio.Profiles() {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Istio, r.Envoy, r.IstioMark, r.EnvoyMark)
			}
			fmt.Fprintln(w)
			fmt.Fprintln(w, "SINCE\tRULE\tWHAT CHANGED")
			for _, c := range istio.Changes() {
				fmt.Fprintf(w, "%s %s\t%s\t%s\n", c.Half, c.Since, c.Name, c.What)
			}
			return w.Flush()
		},
	}
}
