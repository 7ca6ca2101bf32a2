// Package usercluster is the backend that rehearses a drill in a cluster that is not ours, in
// one namespace that its owner made for drills, with the rights of a small Role there.
//
//	b, err := usercluster.New(ctx, usercluster.Settings{Context: "staging", Namespace: "drill"}, size)
//	b.Report()                                   // what the preflight saw
//	err = b.Play(ctx, s, &sink)
//
// The upstreams are pods of the namespace. One drill is played there at a time; nothing
// outside of it is touched, and nothing in it that is not the run's. Like kindcluster it starts
// the program faildrill-cluster, which knows Kubernetes. It leaves out making the namespace.
package usercluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/incluster/demand"
	"github.com/faildrill/faildrill/harness/incluster/program"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
)

// Name is the backend's.
const Name = "cluster"

// ImageVariable names the image when no flag does.
const ImageVariable = "FAILDRILL_IMAGE"

// Settings say where drills are played.
type Settings struct {
	Context    string `json:"context"`    // its name in the kubeconfig; never the current one by itself
	Kubeconfig string `json:"kubeconfig"` // "": where kubectl looks
	Namespace  string `json:"namespace"`
	Image      string `json:"image"` // of what drills run in pods; "": the one that kind up builds
	// Profile is what the user says of the releases there, "": nothing.
	Profile string `json:"profile,omitempty"`
}

// Job is what the program is told.
type Job struct {
	Backend  string             `json:"backend"` // Name
	Settings Settings           `json:"settings"`
	Schedule *schedule.Schedule `json:"schedule"`
}

// Size is how many pods a drill has beside the one of its DNS server.
type Size struct {
	Clients   int `json:"clients"`
	Upstreams int `json:"upstreams"`
}

// Smallest is a recipe's.
var Smallest = Size{Clients: 1, Upstreams: 2}

// SizeOf is the largest of several drills.
func SizeOf(drills []*schedule.Drill) Size {
	var most Size
	for _, d := range drills {
		s, n := d.Compile().Schedule, 0
		for i := range s.Upstreams {
			if len(s.Upstreams[i].Ports) > 0 {
				n += len(s.Upstreams[i].IPs)
			}
		}
		most = Size{Clients: max(most.Clients, len(s.Clients)), Upstreams: max(most.Upstreams, n)}
	}
	return most
}

// Question is what the preflight is asked.
type Question struct {
	Settings Settings `json:"settings"`
	Size     Size     `json:"size"`
}

// Backend plays schedules in the namespace, one after the other.
type Backend struct {
	program string
	set     Settings
	report  Report
	turn    chan struct{}
}

var _ backend.Backend = Backend{}

// New finds the program, and has it look at the cluster. A namespace that cannot have the drills is
// an error of one sentence; it is a *UserError if the user named what is not there.
func New(ctx context.Context, set Settings, size Size) (Backend, error) {
	r, err := Preflight(ctx, set, size)
	if err != nil {
		return Backend{}, err
	}
	if err := r.Refusal(); err != nil {
		return Backend{}, err
	}
	p, err := program.Find()
	return Backend{program: p, set: set.absolute(), report: r, turn: make(chan struct{}, 1)}, err
}

// Preflight looks at the cluster and changes nothing.
func Preflight(ctx context.Context, set Settings, size Size) (Report, error) {
	p, err := program.Find()
	if err != nil {
		return Report{}, err
	}
	q, err := json.Marshal(Question{Settings: set.absolute(), Size: size})
	if err != nil {
		return Report{}, err
	}
	out, err := program.Ask(ctx, p, q, "cluster", "preflight")
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return Report{}, fmt.Errorf("reading the preflight: %w", err)
	}
	return r, nil
}

// absolute are settings that mean the same in every folder, since who cleans may be in another.
func (s Settings) absolute() Settings {
	if s.Kubeconfig == "" {
		if env := os.Getenv("KUBECONFIG"); !strings.ContainsRune(env, filepath.ListSeparator) {
			s.Kubeconfig = env
		}
	}
	if s.Kubeconfig != "" {
		if abs, err := filepath.Abs(s.Kubeconfig); err == nil {
			s.Kubeconfig = abs
		}
	}
	if s.Image == "" {
		s.Image = os.Getenv(ImageVariable)
	}
	return s
}

// Clean removes what runs left in the namespace: all that has their label.
func Clean(ctx context.Context, set Settings) error {
	p, err := program.Find()
	if err != nil {
		return err
	}
	q, err := json.Marshal(Question{Settings: set.absolute()})
	if err != nil {
		return err
	}
	_, err = program.Ask(ctx, p, q, "cluster", "clean")
	return err
}

// Name is cluster.
func (Backend) Name() string { return Name }

// Report is what the preflight saw.
func (b Backend) Report() Report { return b.report }

// Flags are those that choose how it plays.
func (b Backend) Flags() string {
	f := "--on " + Name + " --context " + b.set.Context + " --namespace " + b.set.Namespace
	for flag, value := range map[string]string{" --kubeconfig ": b.set.Kubeconfig, " --image ": b.set.Image} {
		if value != "" {
			f += flag + value
		}
	}
	return f
}

// Live is a drill as the cluster plays it: predicted with the Istio that is there, unless the user
// named the releases, or the drill is about others than the default ones.
func (b Backend) Live(d *schedule.Drill) (*schedule.Drill, error) {
	usual := istio.DefaultProfile()
	about := !istio.SameLine(d.Profile.Istio, usual.Istio) || !istio.SameLine(d.Profile.Envoy, usual.Envoy)
	if b.set.Profile != "" || b.report.Istio == "" || about || istio.SameLine(d.Profile.Istio, b.report.Istio) {
		return d, nil
	}
	p, err := istio.ParseProfile(b.report.Istio)
	if err != nil {
		return nil, fmt.Errorf("the cluster's Istio: %w; --profile names the releases to predict with", err)
	}
	own := *d
	own.Profile = p
	return &own, nil
}

// Play plays the schedule when no other one of this process is played.
func (b Backend) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	return child.Run(ctx, exec.Command(b.program), Job{Backend: Name, Settings: b.set, Schedule: s}, sink)
}

// plays are the releases that play, as far as they are known before: the sidecars say themselves which
// Envoy they are, when they have started.
func (b Backend) plays() demand.Cluster {
	c := demand.Cluster{Istio: b.report.Istio}
	if p, err := istio.ParseProfile(b.set.Profile); b.set.Profile != "" && err == nil {
		c.Istio, c.Envoy = p.Istio, p.Envoy
	}
	return c
}

// Missing lists what the schedule needs and this backend lacks.
func (b Backend) Missing(s *schedule.Schedule) []backend.Missing {
	ms := demand.Missing(s, b.plays())
	add := func(feature, why string, args ...any) {
		ms = append(ms, backend.Missing{Feature: feature, Why: fmt.Sprintf(why, args...)})
	}
	if demand.MeshTLS(s) {
		add("certificates of the mesh", "the upstreams would need them of istiod's CA, whose key is not ours to read")
	}
	for _, ds := range s.Documents {
		for _, d := range ds {
			if !slices.Contains(kinds, d.Kind) {
				add(d.Kind, "the Role of drills has no right to make %s %s", d.Kind, d.Name)
			}
		}
	}
	for i := range s.Steps {
		switch st := &s.Steps[i]; {
		case st.Kind == schedule.KindRestart:
			add("a restart of "+st.Restart, "it is the whole cluster's")
		case st.Fault != nil && (st.Fault.Behaviour == schedule.Stop || st.Fault.Behaviour == schedule.Partition):
			add(st.Fault.Behaviour, "fault %s would keep a pod's address and its packets from outside, which takes rights on nodes", st.Fault.Name)
		}
	}
	if !b.report.NetAdmin {
		if len(demand.Fixed(s)) > 0 {
			add("endpoints by address", "connections to them are led to the upstreams' pods with NET_ADMIN, which the namespace forbids")
		}
		for i := range s.Steps {
			if f := s.Steps[i].Fault; f != nil && f.Behaviour == schedule.Blackhole {
				add("black holes", "a listener that loses SYNs wants NET_ADMIN on some kernels, and the namespace forbids it")
			}
		}
	}
	return demand.Unique(ms)
}

// kinds are those that the Role lets a drill make.
var kinds = []string{"DestinationRule", "EnvoyFilter", "ServiceEntry", "Sidecar", "VirtualService"}
