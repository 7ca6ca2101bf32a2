package incluster

import (
	"context"
	"errors"
	"io/fs"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/journal"
	"github.com/faildrill/faildrill/harness/kube"
)

// UndoNamespace is the journal's word for a namespace of a run.
const UndoNamespace = "delete namespace"

func undoNamespace(k *kube.Client, namespace string) backend.Undo {
	return backend.Undo{What: UndoNamespace, Args: map[string]string{"kubeconfig": k.Kubeconfig, "context": k.Context, "namespace": namespace}}
}

// Undo undoes an entry that Play made; done is false if it is not one of those. A cluster
// that is gone has nothing left.
func Undo(ctx context.Context, u backend.Undo) (done bool, err error) {
	if u.What != UndoNamespace {
		return false, nil
	}
	k, err := kube.New(u.Args["kubeconfig"], u.Args["context"])
	if errors.Is(err, kube.ErrNoContext) || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	return true, journal.Twice(ctx, func() error { return k.DeleteNamespace(ctx, u.Args["namespace"]) })
}
