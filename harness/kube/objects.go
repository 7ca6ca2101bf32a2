package kube

import (
	"context"
	"encoding/json"
	"fmt"
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
		if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) && apierrors.ReasonForError(err) == metav1.StatusReasonForbidden {
			return &RefusedError{Object: String(o), Reason: err.Error(), Forbidden: apierrors.IsForbidden(err)}
		}
		if err != nil {
			return c.sentence("applying "+String(o), err)
		}
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

// DeleteNamespace removes a namespace with all that is in it, and waits until it is gone.
func (c *Client) DeleteNamespace(ctx context.Context, name string) error {
	now := int64(0)
	err := c.Core.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		// Pods that end politely would take the namespace's end with them.
		err = c.Core.CoreV1().Pods(name).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return c.sentence("deleting namespace "+name, err)
	}
	return c.until(ctx, "namespace "+name+" is gone", func(ctx context.Context) (bool, error) {
		_, err := c.Core.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

const pollEvery = 100 * time.Millisecond

// until polls. A single answer that fails is not the end; the last one is told when
// the time is up.
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
	var found *corev1.Pod
	err := c.until(ctx, "a pod "+selector+" is ready", func(ctx context.Context) (bool, error) {
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
			for _, s := range p.Status.Conditions {
				if s.Type == corev1.PodReady && s.Status == corev1.ConditionTrue {
					found = p
					return true, nil
				}
			}
			why = notReady(p)
		}
		return false, why
	})
	return found, err
}

// notReady says what a pod waits for, if it says so itself.
func notReady(p *corev1.Pod) error {
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		switch {
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
