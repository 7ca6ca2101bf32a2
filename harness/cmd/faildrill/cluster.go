package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/doctor"
)

// clusterFlags name a namespace of the user's own cluster.
type clusterFlags struct {
	context    string
	kubeconfig string
	namespace  string
	image      string
}

func (f *clusterFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.context, "context", "", "the context of your own cluster in the kubeconfig; the current one is never taken by itself")
	c.Flags().StringVar(&f.namespace, "namespace", "", "the namespace of your own cluster that is for drills")
	c.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "the kubeconfig (default: where kubectl looks)")
}

// registerImage is register for what makes pods, too.
func (f *clusterFlags) registerImage(c *cobra.Command) {
	f.register(c)
	c.Flags().StringVar(&f.image, "image", "", "the image of what drills run in your own cluster, where you pushed it (default: $"+usercluster.ImageVariable+", else the one that kind up builds)")
}

// given reports whether any of them was.
func (f *clusterFlags) given() bool { return *f != clusterFlags{} }

// check wants a cluster and a namespace to be named.
func (f *clusterFlags) check(what string) error {
	if f.context == "" || f.namespace == "" {
		return usageError{fmt.Errorf("%s wants --context and --namespace: nothing is touched that was not named", what)}
	}
	return nil
}

func (f *clusterFlags) settings() usercluster.Settings {
	return usercluster.Settings{Context: f.context, Kubeconfig: f.kubeconfig, Namespace: f.namespace, Image: f.image}
}

// clusterError is the error of the user, or of what is underneath.
func clusterError(err error) error {
	var ue usercluster.UserError
	if errors.As(err, &ue) {
		return usageError{err}
	}
	return environmentError{err}
}

// preflight prints what a namespace of the user's own cluster has for drills.
func (a *app) preflight(ctx context.Context, f *clusterFlags, output string) error {
	r, err := usercluster.Preflight(ctx, f.settings(), usercluster.Smallest)
	if err != nil {
		return environmentError{err}
	}
	if r.Wrong != "" {
		return clusterError(r.Refusal())
	}
	report := r.Doctor(f.settings())
	if output == "json" {
		err = a.json(report)
	} else {
		err = doctor.Text(a.out, report)
	}
	if err != nil {
		return environmentError{err}
	}
	if err := r.Refusal(); err != nil {
		return clusterError(err)
	}
	return nil
}

// cleanCluster removes what any run left in a namespace.
func (a *app) cleanCluster(ctx context.Context, f *clusterFlags, args []string) error {
	if err := f.check("clean of your own cluster"); err != nil {
		return err
	}
	if len(args) > 0 {
		return usageError{errors.New("found a run and a namespace, expected one of them")}
	}
	if err := usercluster.Clean(ctx, f.settings()); err != nil {
		return environmentError{err}
	}
	fmt.Fprintf(a.out, "cleaned namespace %s of context %s\n", f.namespace, f.context)
	return nil
}
