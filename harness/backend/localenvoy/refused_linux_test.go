package localenvoy_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/backend/backendtest"
	"github.com/faildrill/faildrill/harness/backend/localenvoy"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
)

// open is the backend with the newest Envoy.
func open(t *testing.T, plane localenvoy.ControlPlane) localenvoy.Backend {
	t.Helper()
	o := localenvoy.Options{ControlPlane: plane}
	if plane == localenvoy.Istiod {
		o.Istiod = localenvoy.Program{Path: needs.Istiod(t).Path, Version: binaries.IstioVersion}
	}
	return openWith(t, o)
}

// openWith is a backend with the newest Envoy.
func openWith(t *testing.T, o localenvoy.Options) localenvoy.Backend {
	t.Helper()
	e := envoy(t)
	o.Envoy = localenvoy.Program{Path: e.Path, Version: e.Version}
	t.Setenv(localenvoy.ProgramVariable, filepath.Join(programs(t), "faildrill-live"))
	b, err := localenvoy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// smallSchedule is the schedule of the small drill.
func smallSchedule(t *testing.T) *schedule.Schedule {
	t.Helper()
	m := newMachine(t)
	m.drill("2200ms")
	inputs, err := scenario.Load(scenario.Disk(), []string{filepath.Join(m.dir, "drill.yaml")})
	if err != nil || len(inputs) != 1 {
		t.Fatal(len(inputs), err)
	}
	d, err := schedule.New(inputs[0], schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d.Compile().Schedule
}

// What istiod or Envoy refuses ends the play before a request is sent, with their words.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		plane  localenvoy.ControlPlane
		breaks func(*schedule.Schedule)
		by     string
		words  string
	}{
		"Envoy": {localenvoy.Builtin, func(s *schedule.Schedule) {
			s.Configs[0][0].Clusters[0].OutlierDetection.MaxEjectionPercent = 101
		}, "Envoy", "MaxEjectionPercent: value must be less than or equal to 100"},
		"istiod": {localenvoy.Istiod, func(s *schedule.Schedule) {
			d := &s.Documents[0][0]
			d.YAML = strings.Replace(d.YAML, "number: 80", "number: 0", 1)
		}, "istiod", "port number 0 must be in the range 1..65535"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, c.plane)
			s := smallSchedule(t)
			c.breaks(s)
			var sink backend.Collector
			err := b.Play(t.Context(), s, &sink)
			var r *backend.RejectedError
			if !errors.As(err, &r) || r.By != c.by || !strings.Contains(r.Reason, c.words) {
				t.Errorf("got %v, want a refusal by %s: %s", err, c.by, c.words)
			}
			if n := len(sink.Trace.Requests); n > 0 || sink.Trace.Ended {
				t.Errorf("%d requests were sent, ended %v", n, sink.Trace.Ended)
			}
		})
	}
}

// A configuration that is refused in the middle ends the run there.
func TestRefusedInTheMiddle(t *testing.T) {
	b := open(t, localenvoy.Builtin)
	s := smallSchedule(t)
	bad := smallSchedule(t).Configs[0]
	bad[0].Clusters[0].OutlierDetection.MaxEjectionPercent = 101
	s.Configs, s.Documents = append(s.Configs, bad), append(s.Documents, s.Documents[0])
	s.Steps = []schedule.Step{{At: s.Steps[0].At, Kind: schedule.KindConfig, Name: "apply", Config: 1}}
	var sink backend.Collector
	err := b.Play(t.Context(), s, &sink)
	var r *backend.RejectedError
	if !errors.As(err, &r) || r.By != "Envoy" {
		t.Errorf("got %v, want a refusal by Envoy", err)
	}
	if sink.Trace.Ended || len(sink.Trace.Requests) == 0 {
		t.Errorf("ended %v, with %d requests; want those before the step", sink.Trace.Ended, len(sink.Trace.Requests))
	}
}

func TestBackend(t *testing.T) {
	b := open(t, localenvoy.Builtin)
	backendtest.Run(t, func() backend.Backend { return b }, backendtest.Options{Outside: true, SideBySide: 3, Profile: "istio=1.31,envoy=" + envoy(t).Version})
}
