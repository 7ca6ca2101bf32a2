package localenvoy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
)

// A Cast is the programs that there are to play with.
type Cast struct {
	ControlPlane ControlPlane
	Envoys       []Program // at least one, the preferred first
	Istiod       Program   // for ControlPlane Istiod
	Istioctl     Program   // its zero value: there is none
	Loopback     Loopback  // "": they play in namespaces
}

// For chooses the Envoy that plays a drill, and the profile that it is then
// predicted with. It is the Envoy of the profile's own release line. Where there is
// none, and the profile names an Istio whose Envoy is one of those whose rules were
// measured, it is the preferred one: drills are then predicted with what plays. A
// profile that names another Envoy is about that release, and an older one has rules
// that none here follows: both stay, and Missing says so.
func (c Cast) For(p istio.Profile) (Options, istio.Profile, error) {
	o := Options{ControlPlane: c.ControlPlane, Istiod: c.Istiod, Istioctl: c.Istioctl, Loopback: c.Loopback, Envoy: c.Envoys[0]}
	own := false
	for _, e := range c.Envoys {
		if istio.SameLine(e.Version, p.Envoy) {
			o.Envoy, own = e, true
			break
		}
	}
	shipped, err := istio.ParseProfile(p.Istio)
	if err != nil {
		return o, p, err
	}
	if !own && (p.EnvoyMark != istio.Measured || !istio.SameLine(shipped.Envoy, p.Envoy)) {
		return o, p, nil
	}
	live, err := istio.ParseProfile(fmt.Sprintf("istio=%s,envoy=%s", p.Istio, o.Envoy.Version))
	return o, live, err
}

// Play is a drill as the cast plays it, and the backend that does.
func (c Cast) Play(d *schedule.Drill) (*schedule.Drill, backend.Backend, error) {
	o, profile, err := c.For(d.Profile)
	if err != nil {
		return nil, nil, err
	}
	b, err := New(o)
	if err != nil {
		return nil, nil, err
	}
	own := *d
	own.Profile = profile
	return &own, b, nil
}

// Find is the cast of what is on this machine: all Envoys of the user's cache,
// newest first, or those that are named; istiod, if it is the control plane; and
// istioctl, if there is one. Without istioctl there is one table of the endpoints
// instead of two.
func Find(plane ControlPlane, envoys ...string) (Cast, error) {
	c := Cast{ControlPlane: plane}
	if plane == Istiod {
		b, err := binaries.Istiod()
		if err != nil {
			return c, fmt.Errorf("%w; or play without it: --control-plane builtin", err)
		}
		c.Istiod = programOf(b)
	}
	if b, err := binaries.Istioctl(); err == nil {
		c.Istioctl = programOf(b)
	}
	for _, v := range envoys {
		b, err := binaries.Envoy(v)
		if err != nil {
			return c, err
		}
		c.Envoys = append(c.Envoys, programOf(b))
	}
	if len(envoys) == 0 {
		for _, b := range slices.Backward(binaries.Envoys()) {
			c.Envoys = append(c.Envoys, programOf(b))
		}
	}
	if len(c.Envoys) == 0 {
		return c, errors.New("found no Envoy; faildrill fetch envoy@1.40 gets one")
	}
	return c, nil
}

func programOf(b binaries.Binary) Program { return Program{Path: b.Path, Version: b.Version} }
