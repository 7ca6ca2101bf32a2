package regions

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/journal"
)

// UndoContainers is the journal's word for containers of a run.
const UndoContainers = "remove containers"

func undoContainers(run string) backend.Undo {
	return backend.Undo{What: UndoContainers, Args: map[string]string{"label": RunLabel + "=" + run}}
}

// Undo undoes an entry that Start made; done is false if it is not one of those.
func Undo(ctx context.Context, u backend.Undo) (done bool, err error) {
	if u.What != UndoContainers {
		return false, nil
	}
	return true, journal.Twice(ctx, func() error { return remove(ctx, u.Args["label"]) })
}

// remove removes the containers that there are with a label.
func remove(ctx context.Context, label string) (err error) {
	settle()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return fmt.Errorf("asking Docker for containers: %w", sentence(err))
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	cs, err := docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return fmt.Errorf("asking Docker for containers: %w", sentence(err))
	}
	for _, c := range cs.Items {
		_, err := docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) { // somebody else removes it
			return fmt.Errorf("removing a container: %w", sentence(err))
		}
	}
	return nil
}
