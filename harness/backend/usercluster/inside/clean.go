package inside

import (
	"context"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/journal"
	"github.com/faildrill/faildrill/harness/kube"
)

// Clean removes what runs left in a namespace, whichever they were.
func Clean(ctx context.Context, set *usercluster.Settings) error {
	k, err := kube.New(set.Kubeconfig, set.Context)
	if err != nil {
		return err
	}
	return journal.Twice(ctx, func() error { return incluster.SweepAll(ctx, k, set.Namespace) })
}
