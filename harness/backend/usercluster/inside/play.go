// Package inside is what faildrill-cluster does of a drill in the user's own cluster.
package inside

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/kindup"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/upstreampods"
)

// Play is the play of package child.
func Play(ctx context.Context, job []byte, sink backend.Sink) (child.Rest, error) {
	var j usercluster.Job
	if err := json.Unmarshal(job, &j); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	set := &j.Settings
	k, err := kube.New(set.Kubeconfig, set.Context)
	if err != nil {
		return nil, err
	}
	image, err := imageOf(set)
	if err != nil {
		return nil, err
	}
	certs, err := certificates.New()
	if err != nil {
		return nil, err
	}
	run := strings.ToLower(rand.Text()[:8])
	in := incluster.Settings{Namespace: set.Namespace, Run: run, Agent: image}
	if in.Files, err = incluster.Files(j.Schedule, certs, "spiffe://cluster.local/ns/"+set.Namespace+"/sa/default"); err != nil {
		return nil, err
	}
	o := incluster.Options{
		Backend: usercluster.Name, Cluster: k, Settings: in, Envoy: j.Schedule.Profile.Envoy,
		Upstreams: upstreampods.New(j.Schedule, certs, k, upstreampods.Options{Namespace: set.Namespace, Run: run, Image: image}),
	}
	if ctl, err := binaries.Istioctl(); err == nil { // without one nobody looks a second time
		o.Istioctl = ctl.Path
	}
	return nil, pushed(incluster.Play(ctx, j.Schedule, o, sink), set)
}

// imageOf is the image of what a drill runs in pods.
func imageOf(set *usercluster.Settings) (string, error) {
	if set.Image != "" {
		return set.Image, nil
	}
	image, err := kindup.Image()
	if err != nil {
		return "", fmt.Errorf("no --image, and faildrill's own has no name: %w", err)
	}
	return image, nil
}
