// Package inside is what faildrill-cluster does of a drill on kind.
package inside

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/kindcluster"
	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/incluster/demand"
	"github.com/faildrill/faildrill/harness/kindup"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/pki"
	"github.com/faildrill/faildrill/harness/regions"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Play is the play of package child.
func Play(ctx context.Context, job []byte, sink backend.Sink) (child.Rest, error) {
	var j kindcluster.Job
	if err := json.Unmarshal(job, &j); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	c, err := kindup.Find(ctx)
	if err != nil {
		return nil, err
	}
	k, err := kube.New(c.Kubeconfig, c.Context)
	if err != nil {
		return nil, err
	}
	run := strings.ToLower(rand.Text()[:8])
	set := incluster.Settings{Namespace: "drill-" + run, Run: run, Agent: c.Agent, Own: true, Regions: c.Regions}
	if set.Istiod, err = istiod(ctx, k); err != nil {
		return nil, err
	}
	certs, err := authorities(ctx, j.Schedule, k)
	if err != nil {
		return nil, err
	}
	// The identity that istiod gives the clients' pods, too.
	if set.Files, err = incluster.Files(j.Schedule, certs, "spiffe://cluster.local/ns/"+set.Namespace+"/sa/default"); err != nil {
		return nil, err
	}
	return nil, incluster.Play(ctx, j.Schedule, incluster.Options{
		Backend: kindcluster.Name, Cluster: k, Settings: set, Istioctl: c.Istioctl,
		Upstreams: regions.New(j.Schedule, certs, regions.Images{Mock: c.Mock, Agent: c.Agent}, run, sink.Undo),
	}, sink)
}

// istiod is where its service is.
func istiod(ctx context.Context, k *kube.Client) (netip.Addr, error) {
	s, err := k.Core.CoreV1().Services(system).Get(ctx, "istiod", metav1.GetOptions{})
	if err != nil {
		return netip.Addr{}, fmt.Errorf("looking for istiod: %w", err)
	}
	return netip.ParseAddr(s.Spec.ClusterIP)
}

// system is the namespace that istioctl installs into.
const system = "istio-system"

// authorities are the CAs of a drill. Where the certificates of the mesh are used, the CA
// is istiod's own: it made its key for this cluster, which is the drills' alone.
func authorities(ctx context.Context, s *schedule.Schedule, k *kube.Client) (*certificates.Set, error) {
	if !demand.MeshTLS(s) {
		return certificates.New()
	}
	secret, err := k.Core.CoreV1().Secrets(system).Get(ctx, "istio-ca-secret", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("looking for istiod's CA: %w", err)
	}
	ca, err := pki.ReadCA(secret.Data["ca-cert.pem"], secret.Data["ca-key.pem"], time.Now())
	if err != nil {
		return nil, fmt.Errorf("istiod's CA: %w", err)
	}
	return certificates.With(ca)
}

// Undo undoes an entry of a journal.
func Undo(ctx context.Context, u backend.Undo) error {
	for _, undo := range []func(context.Context, backend.Undo) (bool, error){incluster.Undo, regions.Undo} {
		if done, err := undo(ctx, u); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("the journal has an entry that this version does not know: %q", u.What)
}

// Orphaned lets the play undo what it did when the parent is gone.
func Orphaned(_ []byte, played <-chan struct{}) {
	select {
	case <-played:
	case <-time.After(undoWithin):
	}
}

// undoWithin bounds that.
const undoWithin = 30 * time.Second
