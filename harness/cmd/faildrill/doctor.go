package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/backend/kindcluster"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/doctor"
	"github.com/faildrill/faildrill/harness/sandbox"
)

// kindStatus is what the kind cluster is made of.
func kindStatus(ctx context.Context) (string, error) {
	b, err := kindcluster.New()
	if err != nil {
		return "", err
	}
	return b.Status(ctx)
}

func (a *app) doctor() *cobra.Command {
	var output string
	var required []string
	var cluster clusterFlags
	var role bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can rehearse on, what is missing, and how to get it",
		Long: "doctor looks for what the backends need - namespaces, faildrill-live, Envoy, istiod, istioctl, space for the\n" +
			"cache - and for runs that were kept. It changes nothing.\n" +
			"For each thing that is missing it names the command that gets it.\n\n" +
			"With --context and --namespace it looks at that namespace of your own cluster, and at nothing else: whether a drill\n" +
			"would be taken there, and what it would lack. --role prints the Role that is enough for --namespace.\n\n" +
			"Exit code: 0, or 3 when a backend that is required cannot run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			switch {
			case role && cluster.namespace == "":
				return usageError{errors.New("--role wants --namespace")}
			case role:
				fmt.Fprint(a.out, usercluster.RoleFor(cluster.namespace))
				return nil
			case cluster.given():
				if err := cluster.check("doctor of your own cluster"); err != nil {
					return err
				}
				return a.preflight(cmd.Context(), &cluster, output)
			}
			for _, r := range required {
				if !slices.Contains(doctor.Names(), r) {
					return usageError{fmt.Errorf("--require: unknown backend %q; expected one of %s", r, strings.Join(doctor.Names(), ", "))}
				}
			}
			self, err := os.Executable()
			if err != nil {
				return environmentError{fmt.Errorf("looking for this program itself: %w", err)}
			}
			r := doctor.Diagnose(doctor.Probe(cmd.Context(), doctor.Options{
				Live: localenvoy.Live, Command: sandbox.Command, Child: []string{self, "--version"}, Kind: kindStatus, KeptRuns: keptLines(),
			}))
			if output == "json" {
				err = a.json(r)
			} else {
				err = doctor.Text(a.out, r)
			}
			if err != nil {
				return environmentError{err}
			}
			if lacks := r.Lacks(required); lacks != "" {
				return environmentError{fmt.Errorf("%s", lacks)}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	c.Flags().StringSliceVar(&required, "require", nil, "backends that have to run: "+strings.Join(doctor.Names(), ", "))
	c.Flags().BoolVar(&role, "role", false, "print the Role and RoleBinding for drills in --namespace, for kubectl apply")
	cluster.registerImage(c)
	return c
}
