package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/inproc"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/backend/model"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/sandbox"
	"github.com/faildrill/faildrill/harness/schedule"
)

// part is a drill with the backend that plays it.
type part struct {
	drill   *schedule.Drill
	backend backend.Backend
	folder  string // its name
}

// backends are the words after --on.
var backends = []string{"model", "inproc", "envoy"}

// cast gives every drill its backend. With several Envoys named each drill is
// played on each of them.
func (f *runFlags) cast(drills []*schedule.Drill) ([]part, error) {
	var parts []part
	switch f.on {
	case "model", "inproc":
		var b backend.Backend = model.Backend{}
		if f.on == "inproc" {
			b = inproc.New()
		}
		for i, name := range folderNames(drills) {
			parts = append(parts, part{drills[i], b, name})
		}
		return parts, nil
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
			parts = append(parts, part{d, b, name})
		}
	}
	return parts, nil
}

// loopbackOf lets a cast play on the loopback interface, if that was asked for, or
// if there are no namespaces and nothing needs them.
func (f *runFlags) loopbackOf(c *localenvoy.Cast) error {
	none := sandbox.Check()
	switch {
	case !f.loopback && (none == nil || c.ControlPlane == localenvoy.Istiod):
		return nil // who plays says what is missing
	case c.ControlPlane == localenvoy.Istiod:
		return environmentError{fmt.Errorf("--loopback: istiod needs namespaces, since it gives the proxies the endpoints' real addresses; --control-plane builtin plays without them")}
	case f.keep:
		return environmentError{fmt.Errorf("--keep: what is kept has namespaces of its own: %w", none)}
	}
	c.Loopback = localenvoy.OwnLoopback()
	return nil
}

// casts are the programs that play: all Envoys there are, or one cast for each
// that is named.
func (f *runFlags) casts() ([]localenvoy.Cast, error) {
	c := localenvoy.Cast{ControlPlane: localenvoy.ControlPlane(f.controlPlane)}
	if err := f.loopbackOf(&c); err != nil {
		return nil, err
	}
	if c.ControlPlane == localenvoy.Istiod {
		b, err := binaries.Istiod()
		if err != nil {
			return nil, environmentError{fmt.Errorf("%w; or play without it: --control-plane builtin", err)}
		}
		c.Istiod = localenvoy.Program{Path: b.Path, Version: b.Version}
	}
	// Without istioctl there is one table of the endpoints instead of two.
	if b, err := binaries.Istioctl(); err == nil {
		c.Istioctl = localenvoy.Program{Path: b.Path, Version: b.Version}
	}
	if f.envoy == "" {
		c.Envoys = localenvoy.Installed()
		if len(c.Envoys) == 0 {
			return nil, environmentError{errors.New("found no Envoy; faildrill fetch envoy@1.40 gets one")}
		}
		return []localenvoy.Cast{c}, nil
	}
	var casts []localenvoy.Cast
	for _, v := range strings.Split(f.envoy, ",") {
		b, err := binaries.Envoy(strings.TrimSpace(v))
		var unknown *binaries.UnknownVersionError
		if errors.As(err, &unknown) {
			return nil, usageError{fmt.Errorf("--envoy: %w", err)}
		}
		if err != nil {
			return nil, environmentError{err}
		}
		named := c
		named.Envoys = []localenvoy.Program{{Path: b.Path, Version: b.Version}}
		casts = append(casts, named)
	}
	return casts, nil
}
