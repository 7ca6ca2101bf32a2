package main

import (
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/fixtures"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/scenarios"
)

func (a *app) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios that come with the program",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			inputs, err := carriedScenarios()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			for _, in := range inputs {
				fmt.Fprintf(w, "%s\t%s\n", "scenarios"+strings.TrimPrefix(in.File, carried), in.Scenario.Metadata.Description)
			}
			return w.Flush()
		},
	}
}

// carried is a name that no folder on disk has, so that what is below it is
// always that of the program.
const carried = "carried"

// carriedScenarios are the scenarios that come with the program.
func carriedScenarios() ([]*scenario.Input, error) {
	files := scenario.Files{Embedded: map[string]fs.FS{carried: scenarios.FS, "fixtures": fixtures.FS}}
	inputs, err := scenario.Load(files, []string{carried})
	if err != nil {
		return nil, environmentError{fmt.Errorf("reading the embedded scenarios: %w", err)}
	}
	return inputs, nil
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
