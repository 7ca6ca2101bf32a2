package localenvoy_test

import (
	"testing"

	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/istio"
)

// Which Envoy plays a drill, and by which rules it is predicted.
func TestFor(t *testing.T) {
	all := []string{"1.40.0", "1.39.3", "1.36.4"}
	for _, c := range []struct {
		profile     string
		there       []string
		plays, rule string
	}{
		{"1.31", all, "1.39.3", "1.39.3"},                               // the release that it ships
		{"1.31", []string{"1.40.0", "1.36.4"}, "1.40.0", "1.40.0"},      // else the newest, by its own rules
		{"istio=1.31,envoy=1.36", all, "1.36.4", "1.36.4"},              // the release that is named
		{"istio=1.31,envoy=1.40", []string{"1.36.4"}, "1.36.4", "1.40"}, // and no other: Missing says so
		{"istio=1.31,envoy=1.36", []string{"1.40.0"}, "1.40.0", "1.36"},
		{"1.19", all, "1.40.0", "1.27"}, // no measured release
	} {
		p, err := istio.ParseProfile(c.profile)
		if err != nil {
			t.Fatal(err)
		}
		var cast localenvoy.Cast
		for _, v := range c.there {
			cast.Envoys = append(cast.Envoys, localenvoy.Program{Path: "envoy-" + v, Version: v})
		}
		o, rules, err := cast.For(p)
		if err != nil || o.Envoy.Version != c.plays || rules.Envoy != c.rule || rules.Istio != p.Istio {
			t.Errorf("%s on %v: plays %s by the rules of Envoy %s and Istio %s (%v); want %s and %s", c.profile, c.there, o.Envoy.Version, rules.Envoy, rules.Istio, err, c.plays, c.rule)
		}
	}
}
