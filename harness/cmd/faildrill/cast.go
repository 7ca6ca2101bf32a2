package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/inproc"
	"github.com/faildrill/faildrill/harness/backend/kindcluster"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/backend/model"
	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/sandbox"
	"github.com/faildrill/faildrill/harness/schedule"
)

// part is a drill with the backend that plays it.
type part struct {
	drill   *schedule.Drill
	backend backend.Backend
	scale   float64
	folder  string // its name
}

func drillsOf(parts []part) []*schedule.Drill {
	drills := make([]*schedule.Drill, 0, len(parts))
	for _, p := range parts {
		drills = append(drills, p.drill)
	}
	return drills
}

// backends are the words after --on.
var backends = []string{"model", "inproc", "envoy", "kind", "cluster"}

// cast gives every drill its backend. With several Envoys named each drill is
// played on each of them.
func (f *runFlags) cast(ctx context.Context, drills []*schedule.Drill) ([]part, error) {
	var parts []part
	switch f.on {
	case "model", "inproc":
		var b backend.Backend = model.Backend{}
		if f.on == "inproc" {
			b = inproc.New()
		}
		for i, name := range folderNames(drills) {
			parts = append(parts, part{drills[i], b, f.scale, name})
		}
		return parts, nil
	}
	if f.on == kindcluster.Name {
		b, err := kindcluster.New()
		if err != nil {
			return nil, environmentError{err}
		}
		for i, name := range folderNames(drills) {
			d, err := b.Live(drills[i])
			if err != nil {
				return nil, environmentError{err}
			}
			parts = append(parts, part{d, b, f.scale, name})
		}
		return parts, nil
	}
	if f.on == usercluster.Name {
		return f.onCluster(ctx, drills)
	}
	casts, err := f.casts()
	if err != nil {
		return nil, err
	}
	for _, c := range casts {
		for i, name := range folderNames(drills) {
			d, b, err := c.Play(drills[i])
			if err != nil {
				return nil, environmentError{err}
			}
			if len(casts) > 1 {
				name += "-envoy-" + c.Envoys[0].Version
			}
			parts = append(parts, part{d, b, f.scale, name})
		}
	}
	return parts, nil
}

// onCluster has the user's own cluster play, after a look at it.
func (f *runFlags) onCluster(ctx context.Context, drills []*schedule.Drill) ([]part, error) {
	set := f.cluster.settings()
	set.Profile = f.profile
	b, err := usercluster.New(ctx, set, usercluster.SizeOf(drills))
	if err != nil {
		return nil, clusterError(err)
	}
	var parts []part
	for i, name := range folderNames(drills) {
		d, err := b.Live(drills[i])
		if err != nil {
			return nil, environmentError{err}
		}
		parts = append(parts, part{d, b, f.scale, name})
	}
	return parts, nil
}

// loopbackOf is what drills are played on without namespaces: if that was asked for, or
// if there are none and nothing needs them. "" is in namespaces.
func (f *runFlags) loopbackOf(plane localenvoy.ControlPlane) (localenvoy.Loopback, error) {
	none := sandbox.Check()
	switch {
	case !f.loopback && (none == nil || plane == localenvoy.Istiod):
		return "", nil // who plays says what is missing
	case plane == localenvoy.Istiod:
		return "", environmentError{fmt.Errorf("--loopback: istiod needs namespaces, since it gives the proxies the endpoints' real addresses; --control-plane builtin plays without them")}
	case f.keep:
		return "", environmentError{fmt.Errorf("--keep: what is kept has namespaces of its own: %w", none)}
	}
	return localenvoy.OwnLoopback(), nil
}

// casts are the programs that play: one cast with all Envoys there are, or one for
// each Envoy that is named.
func (f *runFlags) casts() ([]localenvoy.Cast, error) {
	plane := localenvoy.ControlPlane(f.controlPlane)
	loopback, err := f.loopbackOf(plane)
	if err != nil {
		return nil, err
	}
	named := [][]string{nil}
	if f.envoy != "" {
		named = nil
		for _, v := range strings.Split(f.envoy, ",") {
			named = append(named, []string{strings.TrimSpace(v)})
		}
	}
	var casts []localenvoy.Cast
	for _, envoys := range named {
		c, err := localenvoy.Find(plane, envoys...)
		var unknown *binaries.UnknownVersionError
		if errors.As(err, &unknown) {
			return nil, usageError{fmt.Errorf("--envoy: %w", err)}
		}
		if err != nil {
			return nil, environmentError{err}
		}
		c.Loopback = loopback
		casts = append(casts, c)
	}
	return casts, nil
}
