package incluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/kube"
)

// A namespace of somebody else has one drill at a time: the ConfigMap lockName is made first and
// removed last, and what is not the run's is neither touched nor played beside.

// lockName is the object whose making takes a namespace.
const lockName = "faildrill"

func kind(group, version, resource string) kube.Resource {
	return kube.Resource{Group: group, Version: version, Resource: resource}
}

var (
	pods       = kind("", "v1", "pods")
	configMaps = kind("", "v1", "configmaps")
)

const istioGroup = "networking.istio.io"

// Made are the kinds of what a drill makes in a namespace of somebody else.
var Made = []kube.Resource{
	pods, configMaps,
	kind(istioGroup, "v1", "destinationrules"), kind(istioGroup, "v1alpha3", "envoyfilters"), kind(istioGroup, "v1", "serviceentries"),
	kind(istioGroup, "v1", "sidecars"), kind(istioGroup, "v1", "virtualservices"),
}

// Looked are the other kinds that must not be in a namespace with a drill.
var Looked = []kube.Resource{
	kind(istioGroup, "v1", "gateways"), kind(istioGroup, "v1beta1", "proxyconfigs"), kind(istioGroup, "v1", "workloadentries"), kind(istioGroup, "v1", "workloadgroups"),
}

func runSelector(run string) string { return RunLabel + "=" + run }

// begin takes the namespace. What is to be undone is written down before.
func (p *player) begin(ctx context.Context) error {
	set, k := &p.o.Settings, p.o.Cluster
	if set.Own {
		return p.sink.Undo(undoNamespace(k, set.Namespace))
	}
	if err := p.sink.Undo(undoObjects(k, set.Namespace, set.Run)); err != nil {
		return err
	}
	if err := take(ctx, k, set); err != nil {
		return err
	}
	f, err := others(ctx, k, set.Namespace, set.Run)
	if err != nil {
		return err
	}
	return f.refusal(k, set.Namespace)
}

// take makes the lock.
func take(ctx context.Context, k *kube.Client, set *Settings) error {
	host, _ := os.Hostname() // for people: nothing depends on it
	lock, err := kube.ObjectOf(&corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: set.meta(lockName, nil),
		Data: map[string]string{"run": set.Run, "since": time.Now().UTC().Format(time.RFC3339), "host": host},
	})
	if err != nil {
		return err
	}
	err = k.Create(ctx, lock)
	if !errors.Is(err, kube.ErrThere) {
		return err
	}
	if err := untaken(ctx, k, set.Namespace); err != nil {
		return err
	}
	return fmt.Errorf("namespace %s has been taken and left in this instant: try again", set.Namespace)
}

// untaken is an error that says who has the lock; nil: nobody.
func untaken(ctx context.Context, k *kube.Client, namespace string) error {
	ms, err := k.List(ctx, configMaps, namespace, "")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ms, func(m kube.Object) bool { return m.GetName() == lockName })
	switch {
	case i < 0:
		return nil
	case ms[i].GetLabels()[RunLabel] == "":
		return fmt.Errorf("namespace %s has a ConfigMap %s that is no drill's: a drill wants a namespace of its own", namespace, lockName)
	}
	d, _ := ms[i].Object["data"].(map[string]any) // one without says nothing of itself
	return fmt.Errorf("namespace %s is taken by the run %v of %v, since %v: wait for it, or, if nobody plays there any more, %s",
		namespace, d["run"], d["host"], d["since"], cleaning(k, namespace))
}

// Vacant is an error of one sentence that says why no drill can begin in a namespace, nil if one can.
func Vacant(ctx context.Context, k *kube.Client, namespace string) error {
	if err := untaken(ctx, k, namespace); err != nil {
		return err
	}
	f, err := others(ctx, k, namespace, "")
	if err != nil {
		return err
	}
	return f.refusal(k, namespace)
}

// cleaning is the command that removes what runs left in a namespace.
func cleaning(k *kube.Client, namespace string) string {
	command := "faildrill clean --context " + k.Context + " --namespace " + namespace
	if k.Kubeconfig != "" {
		command += " --kubeconfig " + k.Kubeconfig
	}
	return command
}

// strangers are what is in a namespace and not a run's.
type strangers struct {
	foreign []string // objects of somebody else, as kind/name
	left    []string // runs that left something, or go on
}

// others looks for what is not of the run: pods, and whatever configures proxies.
func others(ctx context.Context, k *kube.Client, namespace, run string) (strangers, error) {
	var o strangers
	kinds := slices.DeleteFunc(slices.Concat(Made, Looked), func(r kube.Resource) bool { return r == configMaps })
	found, errs := make([][]kube.Object, len(kinds)), make([]error, len(kinds))
	var looking sync.WaitGroup
	for i, r := range kinds {
		looking.Go(func() { found[i], errs[i] = k.List(ctx, r, namespace, "") })
	}
	looking.Wait()
	for i := range kinds {
		for j := range found[i] {
			switch of, ours := found[i][j].GetLabels()[RunLabel]; {
			case !ours:
				o.foreign = append(o.foreign, kube.String(&found[i][j]))
			case of != run && !slices.Contains(o.left, of):
				o.left = append(o.left, of)
			}
		}
	}
	return o, errors.Join(errs...)
}

// mostNamed bounds how many objects a sentence names.
const mostNamed = 5

// refusal says why no drill is played in the namespace, nil if one is.
func (o strangers) refusal(k *kube.Client, namespace string) error {
	switch n := len(o.foreign); {
	case n > mostNamed:
		return fmt.Errorf("namespace %s has other things than drills, %s and %d more: a drill wants a namespace of its own", namespace, strings.Join(o.foreign[:mostNamed], ", "), n-mostNamed)
	case n > 0:
		return fmt.Errorf("namespace %s has other things than drills, %s: a drill wants a namespace of its own", namespace, strings.Join(o.foreign, ", "))
	case len(o.left) > 0:
		return fmt.Errorf("namespace %s has what the run %s left: %s", namespace, strings.Join(o.left, ", "), cleaning(k, namespace))
	}
	return nil
}

// SweepAll removes what any run left.
func SweepAll(ctx context.Context, k *kube.Client, namespace string) error {
	return Sweep(ctx, k, namespace, RunLabel)
}

// Sweep removes what has the labels from a namespace, and waits until its pods are gone; last
// goes what kept others out.
func Sweep(ctx context.Context, k *kube.Client, namespace, selector string) error {
	errs := make([]error, len(Made))
	var removing sync.WaitGroup
	for i, r := range Made {
		if r != configMaps {
			removing.Go(func() { errs[i] = k.DeleteAll(ctx, r, namespace, selector) })
		}
	}
	removing.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := k.Gone(ctx, pods, namespace, selector); err != nil {
		return err
	}
	return k.DeleteAll(ctx, configMaps, namespace, selector)
}
