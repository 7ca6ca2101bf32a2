package incluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/journal"
	"github.com/faildrill/faildrill/harness/kube"
)

// The journal's words for what a run makes.
const (
	UndoNamespace = "delete namespace"
	UndoObjects   = "delete objects"
)

func undoNamespace(k *kube.Client, namespace string) backend.Undo {
	return backend.Undo{What: UndoNamespace, Args: map[string]string{"kubeconfig": k.Kubeconfig, "context": k.Context, "namespace": namespace}}
}

func undoObjects(k *kube.Client, namespace, run string) backend.Undo {
	return backend.Undo{What: UndoObjects, Args: map[string]string{"kubeconfig": k.Kubeconfig, "context": k.Context, "namespace": namespace, "label": runSelector(run)}}
}

// Undo undoes an entry that Play made; done is false if it is not one of those.
func Undo(ctx context.Context, u backend.Undo) (done bool, err error) {
	if u.What != UndoNamespace && u.What != UndoObjects {
		return false, nil
	}
	k, err := kube.New(u.Args["kubeconfig"], u.Args["context"])
	if u.What == UndoObjects {
		if err != nil {
			return true, fmt.Errorf("namespace %s of context %s: %w", u.Args["namespace"], u.Args["context"], err)
		}
		return true, journal.Twice(ctx, func() error { return Sweep(ctx, k, u.Args["namespace"], u.Args["label"]) })
	}
	// A cluster of our own that is gone has nothing left.
	if errors.Is(err, kube.ErrNoContext) || errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return true, err
	}
	return true, journal.Twice(ctx, func() error { return k.DeleteNamespace(ctx, u.Args["namespace"]) })
}
