package incluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/faildrill/faildrill/harness/kube"
)

// Where istiod is.
const (
	istiodNamespace  = "istio-system"
	istiodDeployment = "istiod"
	istiodSelector   = "app=istiod"
)

// restart restarts istiod as `kubectl rollout restart` does. The new pod is ready
// before the old one goes, so that webhooks are answered all the time. The journal hears
// nothing: a new process of the same deployment is nothing to undo.
func (p *player) restart(ctx context.Context, step int) error {
	for _, x := range p.clients {
		if err := x.Mark(step); err != nil {
			return err
		}
	}
	old, err := p.istiods(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	if p.before == nil {
		p.before = map[int][]string{}
	}
	p.before[step] = old
	p.mu.Unlock()
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{"kubectl.kubernetes.io/restartedAt": time.Now().Format(time.RFC3339Nano)},
	}}}})
	if err != nil {
		return err
	}
	_, err = p.o.Cluster.Core.AppsV1().Deployments(istiodNamespace).Patch(ctx, istiodDeployment, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: kube.FieldManager})
	if err != nil {
		return fmt.Errorf("restarting istiod: %w", err)
	}
	return nil
}

// istiods are the names of istiod's pods.
func (p *player) istiods(ctx context.Context) ([]string, error) {
	pods, err := p.o.Cluster.Core.CoreV1().Pods(istiodNamespace).List(ctx, metav1.ListOptions{LabelSelector: istiodSelector})
	if err != nil {
		return nil, fmt.Errorf("looking for istiod: %w", err)
	}
	var names []string
	for i := range pods.Items {
		names = append(names, pods.Items[i].Name)
	}
	return names, nil
}

// restarted waits until only new pods of istiod are there, and every proxy was told
// everything by one of them.
func (p *player) restarted(ctx context.Context, step int) (string, error) {
	p.mu.Lock()
	old := p.before[step]
	p.mu.Unlock()
	t := time.NewTicker(pollCounters)
	defer t.Stop()
	who := ""
	for who == "" {
		who = p.newIstiods(ctx, old)
		select {
		case <-t.C:
		case <-ctx.Done():
			return "", nil
		}
	}
	for _, x := range p.clients {
		if err := x.Reconnected(ctx, p.await(x), step, quiet); err != nil {
			return "", err
		}
	}
	return "every proxy was told everything by a new pod, " + who, nil
}

// newIstiods are istiod's pods; "": not all of them are new and available, or it is not known.
func (p *player) newIstiods(ctx context.Context, old []string) string {
	d, err := p.o.Cluster.Core.AppsV1().Deployments(istiodNamespace).Get(ctx, istiodDeployment, metav1.GetOptions{})
	if err != nil || !rolledOut(d) {
		return ""
	}
	names, err := p.istiods(ctx)
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(old, n) }) {
		return ""
	}
	return strings.Join(names, ", ")
}

// rolledOut reports whether all pods of a deployment are the latest, and available.
func rolledOut(d *appsv1.Deployment) bool {
	s := &d.Status
	available := slices.ContainsFunc(s.Conditions, func(c appsv1.DeploymentCondition) bool {
		return c.Type == appsv1.DeploymentAvailable && c.Status == corev1.ConditionTrue
	})
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas > 0 && s.UpdatedReplicas == s.Replicas && s.AvailableReplicas >= s.UpdatedReplicas && available
}
