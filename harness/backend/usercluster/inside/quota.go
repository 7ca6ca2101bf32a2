package inside

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/faildrill/faildrill/harness/doctor"
	"github.com/faildrill/faildrill/harness/kube"
)

// quotas holds what a drill makes against what the namespace has left.
func (p *preflight) quotas(ctx context.Context) doctor.Check {
	const name = "quotas"
	if p.client == nil || p.bare == nil {
		return doctor.Check{Name: name, State: doctor.Note, What: "not looked at: the pods are not taken"}
	}
	qs, err := p.k.Core.CoreV1().ResourceQuotas(p.q.Settings.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return missing(name, fmt.Sprintf("asking for the quotas of namespace %s: %v", p.q.Settings.Namespace, err), "")
	}
	client, err := podOf(p.client)
	if err != nil {
		return missing(name, err.Error(), "")
	}
	bare, err := podOf(p.bare)
	if err != nil {
		return missing(name, err.Error(), "")
	}
	need := needs(client, bare, p.q.Size.Clients, 1+p.q.Size.Upstreams)
	var short []string
	for i := range qs.Items {
		short = append(short, exceeded(&qs.Items[i], need)...)
	}
	if len(short) > 0 {
		return missing(name, fmt.Sprintf("namespace %s is too small for the drill: %s", p.q.Settings.Namespace, strings.Join(short, "; ")), "")
	}
	return found(name, fmt.Sprintf("room for %d pods", p.q.Size.Clients+p.q.Size.Upstreams+1))
}

func podOf(o *kube.Object) (*corev1.Pod, error) {
	var p corev1.Pod
	err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p)
	return &p, err
}

// exceeded says what a quota has too little of. One with a scope is about other pods, or the
// API server has judged it when the pods were tried.
func exceeded(q *corev1.ResourceQuota, need corev1.ResourceList) []string {
	if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
		return nil
	}
	var out []string
	for _, what := range []corev1.ResourceName{
		"pods", "count/pods", "configmaps", "count/configmaps", "cpu", "requests.cpu", "limits.cpu", "memory", "requests.memory", "limits.memory",
	} {
		hard, ok := q.Status.Hard[what]
		n := need[what]
		if !ok || n.IsZero() {
			continue
		}
		left := hard.DeepCopy()
		left.Sub(q.Status.Used[what])
		if left.Cmp(n) < 0 {
			out = append(out, fmt.Sprintf("ResourceQuota %s leaves %s of %s %s, and it needs %s", q.Name, left.String(), hard.String(), what, n.String()))
		}
	}
	return out
}

// ownConfigMaps are the lock, the bootstrap and the files; a TLS upstream has one more.
const ownConfigMaps = 3

// needs is what the pods of a drill take together, as quotas count it.
func needs(client, bare *corev1.Pod, clients, others int) corev1.ResourceList {
	out := corev1.ResourceList{}
	add := func(what corev1.ResourceName, q resource.Quantity, times int) {
		sum := out[what]
		for range times {
			sum.Add(q)
		}
		out[what] = sum
	}
	one := resource.MustParse("1")
	for _, pods := range []corev1.ResourceName{"pods", "count/pods"} {
		add(pods, one, clients+others)
	}
	for _, maps := range []corev1.ResourceName{"configmaps", "count/configmaps"} {
		add(maps, one, ownConfigMaps)
	}
	for _, x := range []struct {
		pod   *corev1.Pod
		times int
	}{{client, clients}, {bare, others}} {
		for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			requests := effective(x.pod, r, func(c *corev1.Container) corev1.ResourceList { return c.Resources.Requests })
			add(r, requests, x.times)
			add("requests."+r, requests, x.times)
			add("limits."+r, effective(x.pod, r, func(c *corev1.Container) corev1.ResourceList { return c.Resources.Limits }), x.times)
		}
	}
	return out
}

// effective is what a pod takes of a resource: the containers that run together, or the init
// container that takes more (Kubernetes: Init containers, resource sharing within containers).
func effective(p *corev1.Pod, r corev1.ResourceName, of func(*corev1.Container) corev1.ResourceList) resource.Quantity {
	var together, most resource.Quantity
	for i := range p.Spec.InitContainers {
		c := &p.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			together.Add(of(c)[r])
			continue
		}
		alone := together.DeepCopy()
		alone.Add(of(c)[r])
		if alone.Cmp(most) > 0 {
			most = alone
		}
	}
	for i := range p.Spec.Containers {
		together.Add(of(&p.Spec.Containers[i])[r])
	}
	if most.Cmp(together) > 0 {
		return most
	}
	return together
}
