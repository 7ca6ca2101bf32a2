package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	authv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Right is one verb on one kind of objects.
type Right struct {
	Verb, Group, Resource string // Resource: pods, pods/exec
}

// String is the right as people say it: create pods/exec.
func (r Right) String() string {
	if r.Group == "" {
		return r.Verb + " " + r.Resource
	}
	return r.Verb + " " + r.Resource + "." + r.Group
}

// Lacking are the rights that who asks does not have in a namespace. One question tells most; what
// the answer leaves open, since an authorizer need not list its rules, is asked for each.
func (c *Client) Lacking(ctx context.Context, namespace string, rights []Right) ([]Right, error) {
	rules, err := c.Core.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx,
		&authv1.SelfSubjectRulesReview{Spec: authv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return nil, c.sentence("asking for the rights in namespace "+namespace, err)
	}
	open := slices.DeleteFunc(slices.Clone(rights), func(r Right) bool { return granted(rules.Status.ResourceRules, r) })
	lacks, errs := make([]bool, len(open)), make([]error, len(open))
	var asking sync.WaitGroup
	for i, r := range open {
		asking.Go(func() { lacks[i], errs[i] = c.lacks(ctx, namespace, r) })
	}
	asking.Wait()
	var out []Right
	for i, r := range open {
		if errs[i] != nil {
			return nil, c.sentence(fmt.Sprintf("asking for the right to %s", r), errs[i])
		}
		if lacks[i] {
			out = append(out, r)
		}
	}
	return out, nil
}

func (c *Client) lacks(ctx context.Context, namespace string, r Right) (bool, error) {
	resource, sub, _ := strings.Cut(r.Resource, "/")
	a, err := c.Core.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authv1.SelfSubjectAccessReview{Spec: authv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authv1.ResourceAttributes{Namespace: namespace, Verb: r.Verb, Group: r.Group, Resource: resource, Subresource: sub},
	}}, metav1.CreateOptions{})
	return err == nil && !a.Status.Allowed, err
}

// granted reports whether a rule has the right for objects of any name.
func granted(rules []authv1.ResourceRule, r Right) bool {
	has := func(list []string, what string) bool {
		return slices.Contains(list, what) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(rules, func(x authv1.ResourceRule) bool {
		return len(x.ResourceNames) == 0 && has(x.Verbs, r.Verb) && has(x.APIGroups, r.Group) && has(x.Resources, r.Resource)
	})
}
