package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// Object is any object of the API.
type Object = unstructured.Unstructured

// ObjectOf is a typed object, or any value that is written as JSON like one.
func ObjectOf(v any) (*Object, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var o Object
	if err := o.UnmarshalJSON(b); err != nil {
		return nil, err
	}
	// What only the cluster writes must not be applied.
	unstructured.RemoveNestedField(o.Object, "status")
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	return &o, nil
}

// Parse is one YAML document as an object.
func Parse(text string) (*Object, error) {
	var v map[string]any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return nil, err
	}
	o := &Object{Object: runtime.DeepCopyJSON(jsonNumbers(v))}
	unstructured.RemoveNestedField(o.Object, "status")
	for _, f := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation"} {
		unstructured.RemoveNestedField(o.Object, "metadata", f)
	}
	return o, nil
}

// jsonNumbers makes whole numbers int64, as the API machinery wants them.
func jsonNumbers(v map[string]any) map[string]any {
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var o Object
	if err := o.UnmarshalJSON(b); err != nil {
		return v
	}
	return o.Object
}

// resource is where an object of its kind lives.
func (c *Client) resource(o *Object) (dynamic.ResourceInterface, error) {
	k := o.GroupVersionKind()
	m, err := c.mapper.RESTMapping(k.GroupKind(), k.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset() // it may have been installed since
		m, err = c.mapper.RESTMapping(k.GroupKind(), k.Version)
	}
	if err != nil {
		return nil, err
	}
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.dynamic.Resource(m.Resource).Namespace(o.GetNamespace()), nil
	}
	return c.dynamic.Resource(m.Resource), nil
}

// String names an object as kubectl does: pod/sleep.
func String(o *Object) string { return fmt.Sprintf("%s/%s", o.GetKind(), o.GetName()) }

// Apply applies objects one after the other, as the owner of what they say. What others
// have written into the same fields is overwritten: the objects are the drill's.
func (c *Client) Apply(ctx context.Context, objects ...*Object) error {
	for _, o := range objects {
		r, err := c.resource(o)
		if err == nil {
			_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
		}
		if err := c.applied(o, err); err != nil {
			return err
		}
	}
	return nil
}

// applied tells of what came of applying an object.
func (c *Client) applied(o *Object, err error) error {
	if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) && apierrors.ReasonForError(err) == metav1.StatusReasonForbidden {
		return &RefusedError{Object: String(o), Reason: err.Error(), Forbidden: apierrors.IsForbidden(err)}
	}
	if err != nil {
		return c.sentence("applying "+String(o), err)
	}
	return nil
}

// RefusedError is an object that the API server, or a webhook of istiod, refuses.
type RefusedError struct {
	Object    string
	Reason    string
	Forbidden bool // for who asks, not for what it says
}

func (e *RefusedError) Error() string { return e.Object + " is refused: " + e.Reason }

// Delete removes objects; those that are not there are removed already.
func (c *Client) Delete(ctx context.Context, objects ...*Object) error {
	for _, o := range objects {
		r, err := c.resource(o)
		if err == nil {
			err = r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return c.sentence("deleting "+String(o), err)
		}
	}
	return nil
}

// EndNamespace removes what runs in a namespace, and has Kubernetes remove the rest and the namespace
// itself. That begins five seconds later and takes no more from anybody: nothing can be made
// there meanwhile. A namespace that is not there has ended.
//
// Source: Kubernetes, pkg/controller/namespace (namespaceDeletionGracePeriod).
func (c *Client) EndNamespace(ctx context.Context, name string) error {
	_, err := c.Core.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		err = c.deletePods(ctx, name)
	}
	if err == nil {
		err = c.Core.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return c.sentence("deleting namespace "+name, err)
	}
	return nil
}

// DeleteNamespace is EndNamespace, and waits until the namespace is gone.
func (c *Client) DeleteNamespace(ctx context.Context, name string) error {
	if err := c.EndNamespace(ctx, name); err != nil {
		return err
	}
	return c.until(ctx, "namespace "+name+" is gone", func(ctx context.Context) (bool, error) {
		_, err := c.Core.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

// deletePods removes pods, and before them what would make new ones. A namespace in which
// there still are pods is looked at again only after seconds, when their time to end politely
// is half over.
//
// Source: Kubernetes, pkg/controller/namespace (ResourcesRemainingError).
func (c *Client) deletePods(ctx context.Context, namespace string) error {
	var now int64
	apps, all := c.Core.AppsV1(), metav1.ListOptions{}
	behind := metav1.DeletePropagationBackground
	if err := apps.Deployments(namespace).DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &behind}, all); err != nil {
		return err
	}
	if err := apps.ReplicaSets(namespace).DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &behind}, all); err != nil {
		return err
	}
	return c.Core.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, all)
}

const pollEvery = 100 * time.Millisecond

// until polls. A single answer that fails is not the end, unless it says that it is; the last
// one is told when the time is up.
func (c *Client) until(ctx context.Context, what string, done func(context.Context) (bool, error)) error {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	var last error
	for {
		ok, err := done(ctx)
		if ok {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if errors.Is(err, ErrImage) {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			if context.Cause(ctx) == context.Canceled {
				return ctx.Err()
			}
			if last == nil {
				last = ctx.Err()
			}
			return c.sentence("waiting until "+what, last)
		}
	}
}

// Ready waits until there is a pod of the selector that is ready, and says which.
func (c *Client) Ready(ctx context.Context, namespace, selector string) (*corev1.Pod, error) {
	return c.pod(ctx, namespace, selector, "is ready", func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.Conditions, func(s corev1.PodCondition) bool {
			return s.Type == corev1.PodReady && s.Status == corev1.ConditionTrue
		})
	})
}

// Running waits until there is a pod of the selector whose container runs, and says which. A container
// runs after the sidecars have started, and before anybody calls the pod ready: a sidecar
// of Istio's that is asked once too early is asked again 15 seconds later.
func (c *Client) Running(ctx context.Context, namespace, selector, container string) (*corev1.Pod, error) {
	return c.pod(ctx, namespace, selector, "runs", func(p *corev1.Pod) bool {
		return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
			return s.Name == container && s.State.Running != nil
		})
	})
}

// pod waits until there is a pod of the selector that is as wanted.
func (c *Client) pod(ctx context.Context, namespace, selector, how string, wanted func(*corev1.Pod) bool) (*corev1.Pod, error) {
	var found *corev1.Pod
	err := c.until(ctx, "a pod "+selector+" "+how, func(ctx context.Context) (bool, error) {
		pods, err := c.Core.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, err
		}
		var why error
		for i := range pods.Items {
			p := &pods.Items[i]
			if p.DeletionTimestamp != nil {
				continue
			}
			if wanted(p) {
				found = p
				return true, nil
			}
			why = notReady(p)
		}
		return false, why
	})
	return found, err
}

// ErrImage says that a pod waits for an image that its node cannot have.
var ErrImage = errors.New("the cluster cannot pull the image")

// unpullable are the kubelet's words for that, after it has tried (k8s.io/kubernetes/pkg/kubelet/images).
var unpullable = []string{"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// notReady says what a pod waits for, if it says so itself.
func notReady(p *corev1.Pod) error {
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		switch {
		case s.State.Waiting != nil && slices.Contains(unpullable, s.State.Waiting.Reason):
			return fmt.Errorf("%w %s: %s %s", ErrImage, s.Image, s.State.Waiting.Reason, oneLine(s.State.Waiting.Message))
		case s.State.Waiting != nil && s.State.Waiting.Reason != "PodInitializing" && s.State.Waiting.Reason != "ContainerCreating":
			return fmt.Errorf("container %s waits: %s %s", s.Name, s.State.Waiting.Reason, s.State.Waiting.Message)
		case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
			return fmt.Errorf("container %s ended with code %d: %s", s.Name, s.State.Terminated.ExitCode, s.State.Terminated.Message)
		}
	}
	for _, d := range p.Status.Conditions {
		if d.Type == corev1.PodScheduled && d.Status == corev1.ConditionFalse {
			return fmt.Errorf("it is not scheduled: %s", d.Message)
		}
	}
	return fmt.Errorf("pod %s is %s", p.Name, p.Status.Phase)
}
