// Package inside is what faildrill-cluster does of a drill on kind.
package inside

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/kindcluster"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/kindup"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/regions"
)

// Play is the play of package child.
func Play(ctx context.Context, job []byte, sink backend.Sink) (child.Rest, error) {
	var j kindcluster.Job
	if err := json.Unmarshal(job, &j); err != nil {
		return nil, fmt.Errorf("reading the job: %w", err)
	}
	c, err := kindup.Find(ctx, kindup.Options{})
	if err != nil {
		return nil, err
	}
	k, err := kube.New(c.Kubeconfig, c.Context)
	if err != nil {
		return nil, err
	}
	run := strings.ToLower(rand.Text()[:8])
	return nil, incluster.Play(ctx, j.Schedule, incluster.Options{
		Backend: kindcluster.Name, Cluster: k,
		Settings:  incluster.Settings{Namespace: "drill-" + run, Run: run, Agent: c.Agent, Own: true, Regions: c.Regions},
		Istioctl:  c.Istioctl,
		Upstreams: regions.New(j.Schedule, c.Mock, run, sink.Undo),
	}, sink)
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
