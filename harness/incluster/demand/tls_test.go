package demand

import (
	"testing"

	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func speaking(mode string, t xds.TLS) xds.Cluster {
	return xds.Cluster{TLS: &t, Localities: []xds.LocalityEndpoints{{Endpoints: []xds.Endpoint{{Address: "10.10.0.1", Port: 443, TLSMode: mode}}}}}
}

func TestMeshTLS(t *testing.T) {
	mesh := xds.TLS{CA: xds.MeshRoot, Certificate: xds.MeshCertificate}
	automatic := mesh
	automatic.Match = true
	for _, test := range []struct {
		c    xds.Cluster
		want bool
	}{
		{speaking("", xds.TLS{CA: xds.SystemRoot}), false},
		{speaking("", mesh), true},
		{speaking("", automatic), false}, // the endpoint has no sidecar
		{speaking(xds.TLSModeIstio, automatic), true},
	} {
		if got := MeshTLS(&schedule.Schedule{Configs: [][]xds.Config{{{Clusters: []xds.Cluster{test.c}}}}}); got != test.want {
			t.Errorf("%+v: got %v", test.c, got)
		}
	}
}
