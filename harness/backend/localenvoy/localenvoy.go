// Package localenvoy is the backend that rehearses a drill on unmodified Envoy,
// one for each client, with its configuration by unmodified istiod or built in.
//
//	b, err := localenvoy.New(localenvoy.Options{ControlPlane: localenvoy.Istiod, Envoy: envoy, Istiod: istiod})
//	if m := b.Missing(s); len(m) > 0 { ... }     // what it cannot play, and why
//	err = b.Play(ctx, s, &sink)
//
// Play starts the program faildrill-live as the first process of namespaces of its
// own (package sandbox): the endpoints' real addresses are there, the real
// names answer, nothing reaches the outside, and nothing is left when it ends,
// however it ends. What runs inside is in the package inside, which `faildrill`
// itself does not link.
//
// Without namespaces (Options.Loopback) it plays on the loopback interface: each
// endpoint is at a port of its own (package loopback), and what the proxies write
// down of it is brought home. Nothing is left then either: faildrill-live ends all
// when faildrill is gone, and the other way round.
package localenvoy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/kept"
	"github.com/faildrill/faildrill/harness/sandbox"
	"github.com/faildrill/faildrill/harness/sandbox/loopback"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// ControlPlane is where the proxies get their configuration from.
type ControlPlane string

// The control planes.
const (
	// Istiod is unmodified istiod, with the user's YAML for its configuration.
	Istiod ControlPlane = "istiod"
	// Builtin is the prediction of the configuration, written as Envoy's messages:
	// all that the prediction has and nothing else.
	Builtin ControlPlane = "builtin"
)

// Program is a program of a known release.
type Program struct {
	Path    string `json:"path"`
	Version string `json:"version"` // as it says itself: 1.40.0
}

// Options say what plays. They are part of the job that the program inside gets.
type Options struct {
	ControlPlane ControlPlane `json:"controlPlane"`
	Envoy        Program      `json:"envoy"`
	Istiod       Program      `json:"istiod"` // for ControlPlane Istiod
	// Istioctl reads the endpoints of the proxies, too, at every table; its zero value: nobody does.
	Istioctl Program `json:"istioctl,omitzero"`
	// Packed puts all clients on one Envoy, each with a port of its own: for many
	// small drills at once. Their clusters must have different names. Built in only.
	Packed bool `json:"packed,omitempty"`
	// Loopback plays without namespaces, on the loopback interface of this machine. Built in only.
	Loopback Loopback `json:"loopback,omitempty"`
	// Keep lets the proxies stay after the drill; nil: they end with it.
	Keep *Keep `json:"keep,omitempty"`
}

// Loopback says what the loopback interface has for a play without namespaces.
type Loopback string

// The kinds of it. "" is a play in namespaces.
const (
	// SeveralAddresses is all of 127.0.0.0/8: every address of the drill has one of its own.
	SeveralAddresses Loopback = "several addresses"
	// OneAddress is 127.0.0.1 alone: the addresses of the drill are told apart by their ports.
	OneAddress Loopback = "one address"
)

// OwnLoopback is what this system has.
func OwnLoopback() Loopback {
	if loopback.Several() {
		return SeveralAddresses
	}
	return OneAddress
}

// Keep says how a run is kept.
type Keep struct {
	Registry kept.Registry `json:"registry"`
	ID       string        `json:"id"`
	For      time.Duration `json:"for"` // at most, from the end of the drill
}

// Job is what the program inside is told.
type Job struct {
	Schedule *schedule.Schedule `json:"schedule"`
	Options  Options            `json:"options"`
	// Dir is the folder that a play without namespaces makes for itself.
	Dir string `json:"dir,omitempty"`
}

// Backend plays schedules on Envoy. Any number of plays may run at once.
type Backend struct {
	options Options
	program string // faildrill-live
	folder  string // of the run, when it is kept
	keep    *kept.Registry
}

var _ backend.Backend = Backend{}

// ErrProgram says that faildrill-live is not to be found.
var ErrProgram = errors.New("the program faildrill-live is missing")

// ErrLoopback says that there are no namespaces for what needs them.
var ErrLoopback = errors.New("not without namespaces")

// New finds the program that runs inside.
func New(o Options) (Backend, error) {
	switch {
	case o.Loopback == "":
	case o.ControlPlane == Istiod:
		return Backend{}, fmt.Errorf("%w: istiod gives the proxies the endpoints' real addresses; --control-plane builtin plays on the loopback interface", ErrLoopback)
	case o.Packed:
		return Backend{}, fmt.Errorf("%w: many clients on one Envoy", ErrLoopback)
	}
	program, err := Live()
	return Backend{options: o, program: program}, err
}

// ProgramVariable names the program faildrill-live when it is not beside the executable.
const ProgramVariable = "FAILDRILL_LIVE"

// Live finds the program faildrill-live: $FAILDRILL_LIVE, beside this executable, or in PATH.
func Live() (string, error) {
	p, err := binaries.Own("faildrill-live", ProgramVariable)
	switch {
	case errors.Is(err, binaries.ErrNowhere):
		return "", fmt.Errorf("%w: %w; build both: make build, or go install github.com/faildrill/faildrill/harness/cmd/...@latest", ErrProgram, err)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrProgram, err)
	}
	return p, nil
}

// Name is envoy.
func (Backend) Name() string { return "envoy" }

// Flags are those of the command line that choose the same programs.
func (b Backend) Flags() string {
	flags := fmt.Sprintf("--control-plane %s --envoy %s", b.options.ControlPlane, b.options.Envoy.Version)
	if b.options.Loopback != "" {
		flags += " --loopback"
	}
	return flags
}

// Setting is how drills are played, if not as usual.
func (b Backend) Setting() string {
	if b.options.Loopback == "" {
		return ""
	}
	return "on the loopback interface, without namespaces"
}

// Keeping is the backend whose proxies stay after a drill, in the registry: at their
// last state, until they are ended or their time is up (kept.For). The folder is that of the run.
func (b Backend) Keeping(r kept.Registry, folder string) Backend {
	b.keep, b.folder = &r, folder
	return b
}

// playAndKeep is Play of a backend that keeps the run.
func (b Backend) playAndKeep(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	if b.options.Loopback != "" {
		return fmt.Errorf("%w: a run that is kept", ErrLoopback)
	}
	id, err := b.keep.NewID(s.Name)
	if err != nil {
		return err
	}
	o := b.options
	o.Keep = &Keep{Registry: *b.keep, ID: id, For: kept.For}
	cmd := sandbox.Command(b.program)
	sandbox.Detach(cmd)
	return child.RunAndKeep(ctx, cmd, Job{Schedule: s, Options: o}, sink, func(pid int) error {
		now := time.Now()
		return b.keep.Add(kept.Entry{
			ID: id, PID: pid, Folder: b.folder, Scenario: s.Name, Envoy: o.Envoy.Version, Istiod: o.Istiod.Version,
			Since: now, Until: now.Add(kept.For),
		})
	})
}

// Play plays the schedule in namespaces of its own.
func (b Backend) Play(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	switch {
	case b.keep != nil:
		err = b.playAndKeep(ctx, s, sink)
	case b.options.Loopback != "":
		return b.playOnLoopback(ctx, s, sink)
	default:
		err = child.Run(ctx, sandbox.Command(b.program), Job{Schedule: s, Options: b.options}, sink)
	}
	if errors.Is(err, child.ErrStart) {
		return sandbox.Explain(err)
	}
	return err
}

// playOnLoopback is Play without namespaces: what they would end with the program is
// ended, and what they would forget is removed.
func (b Backend) playOnLoopback(ctx context.Context, s *schedule.Schedule, sink backend.Sink) error {
	// A path of a socket has to fit in about 100 bytes.
	dir := filepath.Join(os.TempDir(), "faildrill-"+rand.Text()[:8])
	cmd := sandbox.Group(b.program)
	err := child.Run(ctx, cmd, Job{Schedule: s, Options: b.options, Dir: dir}, sink)
	sandbox.EndGroup(cmd)
	if left := os.RemoveAll(dir); left != nil {
		err = errors.Join(err, left)
	}
	return err
}

// Missing lists what the schedule needs and this backend lacks, as far as a
// request of the schedule can meet it.
func (b Backend) Missing(s *schedule.Schedule) []backend.Missing {
	var ms []backend.Missing
	add := func(feature, why string, args ...any) {
		ms = append(ms, backend.Missing{Feature: feature, Why: fmt.Sprintf(why, args...)})
	}
	if !istio.SameLine(s.Profile.Envoy, b.options.Envoy.Version) {
		add("Envoy "+s.Profile.Envoy, "the drill follows its rules, and the Envoy here is %s", b.options.Envoy.Version)
	}
	if b.options.ControlPlane == Istiod {
		if !istio.SameLine(s.Profile.Istio, b.options.Istiod.Version) {
			add("Istio "+s.Profile.Istio, "the drill follows its rules, and the istiod here is %s", b.options.Istiod.Version)
		}
		if s.Scale != 1 {
			add("scaled configuration", "istiod reads the durations of the YAML as they are; play it built in, or at scale 1")
		}
	}
	if b.options.Loopback != "" {
		missingOnLoopback(s, b.options.Loopback, add)
	}
	for i := range s.Clients {
		l := &s.Clients[i].Load
		if strings.HasPrefix(l.URL, "https:") {
			add("https clients", "%s would speak TLS through its proxy", s.Clients[i].Name)
		}
		for _, cs := range s.Configs {
			if r := engine.Route(&cs[i], l.Host, l.Port, l.Path); r != nil {
				c := cs[i].Cluster(r.Cluster)
				if c == nil {
					continue
				}
				if c.Type == xds.OriginalDst {
					add("resolution NONE", "%s sends requests where the client meant to", c.Name)
				}
				if c.MaxConcurrentStreams > 0 {
					add("HTTP/2 to upstreams", "%s speaks it, and the fake upstreams speak HTTP/1.1", c.Name)
				}
			}
		}
	}
	return ms
}

// missingOnLoopback is what cannot be played without namespaces.
func missingOnLoopback(s *schedule.Schedule, l Loopback, add func(feature, why string, args ...any)) {
	const namespaces = "namespaces"
	for i := range s.Upstreams {
		u := &s.Upstreams[i]
		if slices.ContainsFunc(u.IPs, func(ip netip.Addr) bool { return !ip.Unmap().Is4() }) {
			add(namespaces, "%s has an IPv6 address, and the loopback interface stands for IPv4 addresses", u.Name)
		}
		if l == OneAddress && len(u.IPs) > 1 {
			add(namespaces, "%s has %d addresses, and the loopback interface of this system has one", u.Address, len(u.IPs))
		}
	}
	for i := range s.Steps {
		switch f := s.Steps[i].Fault; {
		case f == nil:
		case f.Behaviour == schedule.Blackhole || f.Behaviour == schedule.Stop:
			add(namespaces, "fault %s loses SYNs, and that takes a network of its own", f.Name)
		case f.Behaviour == schedule.Partition:
			add(namespaces, "fault %s loses packets, and that takes a network of its own", f.Name)
		case f.Behaviour == schedule.Addresses && slices.ContainsFunc(f.Addresses, func(ip netip.Addr) bool { return !ip.Unmap().Is4() }):
			add(namespaces, "fault %s gives %s an IPv6 address, and the loopback interface stands for IPv4 addresses", f.Name, f.DNS)
		case f.Behaviour == schedule.Addresses && l == OneAddress:
			add(namespaces, "fault %s gives %s other addresses, and the loopback interface of this system has one", f.Name, f.DNS)
		}
	}
}
