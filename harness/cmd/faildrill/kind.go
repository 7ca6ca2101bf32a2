package main

import (
	"errors"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/backend/kindcluster"
)

func (a *app) kind() *cobra.Command {
	c := &cobra.Command{
		Use:   "kind",
		Short: "The kind cluster with Istio that drills are played on",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	up := &cobra.Command{
		Use:   "up",
		Short: "Bring the cluster up, or say that it is",
		Long: "Brings up the kind cluster with Istio. The images are those that hack/airgap built, if it did, else the usual ones,\n" +
			"which Docker pulls ($FAILDRILL_NODE_IMAGE chooses kind's node image, and with it Kubernetes). A cluster that is there is kept if it is what would be made, and else replaced.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.cluster(c, "kind", "up") },
	}
	down := &cobra.Command{
		Use:   "down",
		Short: "Take the cluster down",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.cluster(c, "kind", "down") },
	}
	c.AddCommand(up, down)
	return c
}

// cluster runs faildrill-cluster, which says itself what goes wrong.
func (a *app) cluster(c *cobra.Command, args ...string) error {
	program, err := kindcluster.Program()
	if err != nil {
		return environmentError{err}
	}
	cmd := exec.CommandContext(c.Context(), program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	// It hears of Ctrl-C by itself, and of the rest from here.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if c.Context().Err() != nil {
			return c.Context().Err()
		}
		return silentError{code(exit.ExitCode())}
	}
	if err != nil {
		return environmentError{err}
	}
	return nil
}
