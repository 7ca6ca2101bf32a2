package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/incluster/program"
)

func (a *app) kind() *cobra.Command {
	c := &cobra.Command{
		Use:   "kind",
		Short: "The kind cluster with Istio that drills are played on",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var chosen kindChoice
	up := &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up, or say that it is",
		Long: "up brings the kind cluster with Istio up, and says what it loads, pulls and builds, and how long that takes. The images are those\n" +
			"that hack/airgap built or `faildrill images load` brought, if they did, else the usual ones, which Docker pulls; a mirror of them is\n" +
			"named with --hub ($FAILDRILL_HUB) for Istio's, $FAILDRILL_NODE_IMAGE for kind's node, and with it Kubernetes, and\n" +
			"$FAILDRILL_CURL_IMAGE for the base of the client's. `faildrill images list --registry` lists the usual names.\n\n" +
			"A cluster that is there is kept if it is what would be made, and else replaced. What is not chosen stays as it was chosen for it.\n" +
			"$FAILDRILL_KIND_CLUSTER is another name than faildrill, for a cluster beside; run, doctor and kind down then want it, too.\n\n" +
			"Exit code: 0 it is up, 2 a choice that cannot be, 3 it could not be brought up, 130 interrupted; then nothing is left of it.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.chosen(c, chosen, "kind", "up") },
	}
	up.Flags().StringArrayVar(&chosen.Regions, "region", nil, "region or region/zone of a node; again for another node: a drill's clients run in their region (default: one node in us-east1/us-east1-b)")
	up.Flags().StringVar(&chosen.Mirror.Hub, "hub", "", "registry and folder of Istio's images, in place of docker.io/istio")
	var wipe bool
	down := &cobra.Command{
		Use:   "down",
		Short: "Take the cluster down",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if wipe {
				return a.cluster(c, "kind", "wipe")
			}
			return a.cluster(c, "kind", "down")
		},
	}
	down.Flags().BoolVar(&wipe, "images", false, "remove faildrill's images from Docker, too, those of other checkouts as well")
	c.AddCommand(up, down)
	return c
}

// kindChoice is what people choose of the kind cluster and its images.
type kindChoice struct {
	Regions []string      `json:"regions,omitempty"`
	Mirror  images.Mirror `json:"mirror,omitzero"`
}

// chosen runs faildrill-cluster with a choice; flags come before the environment.
func (a *app) chosen(c *cobra.Command, o kindChoice, args ...string) error {
	o.Mirror = o.Mirror.Or(images.FromEnvironment())
	in, err := json.Marshal(o)
	if err != nil {
		return environmentError{err}
	}
	return a.cluster(c, append(args, string(in))...)
}

// cluster runs faildrill-cluster, which says itself what goes wrong.
func (a *app) cluster(c *cobra.Command, args ...string) error {
	at, err := program.Find()
	if err != nil {
		return environmentError{err}
	}
	cmd := exec.CommandContext(c.Context(), at, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	// It hears of Ctrl-C by itself, and of the rest from here.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if c.Context().Err() != nil {
			return silentError{codeInterrupted} // it has said so
		}
		return silentError{code(exit.ExitCode())}
	}
	if err != nil {
		return environmentError{err}
	}
	return nil
}
