package localenvoy

import (
	"fmt"

	"github.com/faildrill/faildrill/harness/istio"
)

// A Cast is the programs that there are to play with.
type Cast struct {
	ControlPlane ControlPlane
	Envoys       []Program // at least one, the preferred first
	Istiod       Program   // for ControlPlane Istiod
}

// For chooses the Envoy that plays a drill, and the profile that it is then
// predicted with. It is the Envoy of the profile's own release line; where
// there is none, and the profile's Envoy is one whose rules were measured, the
// preferred one: drills are then predicted with what plays. An older profile
// stays, and Missing says so.
func (c Cast) For(p istio.Profile) (Options, istio.Profile, error) {
	o := Options{ControlPlane: c.ControlPlane, Istiod: c.Istiod, Envoy: c.Envoys[0]}
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
