// Package kindcluster is the backend that rehearses a drill on a kind cluster with
// Istio: Kubernetes, istiod and injected sidecars as they are, the fake upstreams in
// containers on kind's network.
//
//	b, err := kindcluster.New()
//	if m := b.Missing(s); len(m) > 0 { ... }     // what it cannot play, and why
//	err = b.Play(ctx, s, &sink)
//
// Each drill has a namespace of its own, so that several play side by side. Play
// starts the program faildrill-cluster, which knows Kubernetes; `faildrill` itself
// does not link it.
package kindcluster

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/incluster/demand"
	"github.com/faildrill/faildrill/harness/incluster/program"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Name is the backend's.
const Name = "kind"

// Job is what the program is told.
type Job struct {
	Backend  string             `json:"backend"` // Name
	Schedule *schedule.Schedule `json:"schedule"`
}

// Backend plays schedules on the kind cluster. Any number of plays may run at once.
type Backend struct {
	program string
	istio   string // releases of what plays
	envoy   string
}

var _ backend.Backend = Backend{}

// New finds the program, and what the cluster is made of.
func New() (Backend, error) {
	p, err := program.Find()
	if err != nil {
		return Backend{}, err
	}
	c, err := binaries.Default()
	if err != nil {
		return Backend{}, err
	}
	ctl, err := binaries.Istioctl()
	if err != nil {
		return Backend{}, err
	}
	im, err := images.Find(c, ctl.Version, images.Mirror{})
	return Backend{program: p, istio: ctl.Version, envoy: im.Envoy}, err
}

// Status says what the cluster that is up is made of. The error says why none is.
func (b Backend) Status(ctx context.Context) (string, error) {
	out, err := program.Ask(ctx, b.program, nil, "kind", "status")
	if err != nil {
		return "", err
	}
	return "Envoy " + b.envoy + ", " + strings.TrimSpace(out), nil
}

// Envoy is the release of the sidecars.
func (b Backend) Envoy() string { return b.envoy }

// Name is kind.
func (Backend) Name() string { return Name }

// Live is a drill as the cluster plays it: predicted with the releases that are there, unless
// it is about releases whose rules were not measured, or about another Envoy than its Istio's own. A
// drill of the default Istio is about no release, and is predicted with the cluster's.
func (b Backend) Live(d *schedule.Drill) (*schedule.Drill, error) {
	shipped, err := istio.ParseProfile(d.Profile.Istio)
	if err != nil {
		return nil, err
	}
	if d.Profile.EnvoyMark != istio.Measured || !istio.SameLine(shipped.Envoy, d.Profile.Envoy) {
		return d, nil
	}
	release := d.Profile.Istio
	if istio.SameLine(release, istio.DefaultProfile().Istio) && !istio.SameLine(release, b.istio) {
		release = b.istio
	}
	if release == d.Profile.Istio && istio.SameLine(d.Profile.Envoy, b.envoy) {
		return d, nil
	}
	p, err := istio.ParseProfile(fmt.Sprintf("istio=%s,envoy=%s", release, b.envoy))
	if err != nil {
		return nil, err
	}
	own := *d
	own.Profile = p
	return &own, nil
}

// Play plays the schedule in a namespace of its own.
func (b Backend) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return child.Run(ctx, exec.Command(b.program), Job{Backend: Name, Schedule: s}, sink)
}

// Missing lists what the schedule needs and this backend lacks.
func (b Backend) Missing(s *schedule.Schedule) []backend.Missing {
	return demand.Missing(s, demand.Cluster{Istio: b.istio, Envoy: b.envoy})
}
