package localenvoy

import (
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
// predicted with. It is the Envoy of the profile's own release line; where
// there is none, and the profile's Envoy is one whose rules were measured, the
// preferred one: drills are then predicted with what plays. An older profile
// stays, and Missing says so.
func (c Cast) For(p istio.Profile) (Options, istio.Profile, error) {
	o := Options{ControlPlane: c.ControlPlane, Istiod: c.Istiod, Istioctl: c.Istioctl, Loopback: c.Loopback, Envoy: c.Envoys[0]}
	own := false
	for _, e := range c.Envoys {
		if minor(e.Version) == minor(p.Envoy) {
			o.Envoy, own = e, true
			break
		}
	}
	if !own && p.EnvoyMark != istio.Measured {
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

// Installed are the Envoys in the user's cache, newest first.
func Installed() []Program {
	var ps []Program
	for _, v := range slices.Backward(binaries.Known()) {
		if b, err := binaries.Envoy(v); err == nil {
			ps = append(ps, Program{Path: b.Path, Version: b.Version})
		}
	}
	return ps
}
