package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource is a kind of objects, as the API's paths spell it.
type Resource = schema.GroupVersionResource

// ErrThere says that there is an object of the name, and that it is somebody else's.
var ErrThere = errors.New("is there already, and is not this run's")

// Create makes objects one after the other. None that is there is touched: that is ErrThere.
func (c *Client) Create(ctx context.Context, objects ...*Object) error {
	for _, o := range objects {
		if _, err := c.create(ctx, o, nil); err != nil {
			return err
		}
	}
	return nil
}

// DryRun is the object as the API server would make it, with all that webhooks do to it.
func (c *Client) DryRun(ctx context.Context, o *Object) (*Object, error) {
	return c.create(ctx, o, []string{metav1.DryRunAll})
}

func (c *Client) create(ctx context.Context, o *Object, dry []string) (*Object, error) {
	r, err := c.resource(o)
	var made *Object
	if err == nil {
		made, err = r.Create(ctx, o, metav1.CreateOptions{FieldManager: FieldManager, DryRun: dry})
	}
	if apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("%s of namespace %s %w", String(o), o.GetNamespace(), ErrThere)
	}
	return made, c.applied(o, err)
}

// ApplyOwn makes objects, or applies them over those that are there and have the same value of
// a label: what somebody else made is ErrThere.
func (c *Client) ApplyOwn(ctx context.Context, label string, objects ...*Object) error {
	for _, o := range objects {
		if err := c.applyOwn(ctx, label, o); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) applyOwn(ctx context.Context, label string, o *Object) error {
	r, err := c.resource(o)
	if err != nil {
		return c.applied(o, err)
	}
	there, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return c.Create(ctx, o)
	case err != nil:
		return c.sentence("looking for "+String(o), err)
	case there.GetLabels()[label] != o.GetLabels()[label]:
		return fmt.Errorf("%s of namespace %s %w", String(o), o.GetNamespace(), ErrThere)
	}
	now := o.DeepCopy()
	now.SetUID(there.GetUID()) // one that has been made since is not the one that was looked at
	_, err = r.Apply(ctx, o.GetName(), now, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	return c.applied(o, err)
}

// List are the objects of a kind that are in a namespace and have the labels.
func (c *Client) List(ctx context.Context, kind Resource, namespace, selector string) ([]Object, error) {
	l, err := c.dynamic.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, c.sentence("listing "+kind.Resource, err)
	}
	return l.Items, nil
}

// DeleteAll removes the objects of a kind that are in a namespace and have the labels, at once.
func (c *Client) DeleteAll(ctx context.Context, kind Resource, namespace, selector string) error {
	os, err := c.List(ctx, kind, namespace, selector)
	if err != nil {
		return err
	}
	for i := range os {
		uid, now := os[i].GetUID(), int64(0)
		err := c.dynamic.Resource(kind).Namespace(namespace).Delete(ctx, os[i].GetName(),
			metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, GracePeriodSeconds: &now})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return c.sentence("deleting "+String(&os[i]), err)
		}
	}
	return nil
}

// Gone waits until a namespace has no object of a kind with the labels.
func (c *Client) Gone(ctx context.Context, kind Resource, namespace, selector string) error {
	return c.until(ctx, kind.Resource+" with "+selector+" are gone", func(ctx context.Context) (bool, error) {
		os, err := c.List(ctx, kind, namespace, selector)
		return err == nil && len(os) == 0, err
	})
}
