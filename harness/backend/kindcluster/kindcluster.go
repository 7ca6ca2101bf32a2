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
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/child"
	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/images"
	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// Name is the backend's.
const Name = "kind"

// Job is what the program is told.
type Job struct {
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
	p, err := Program()
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

// ProgramVariable names the program faildrill-cluster when it is not beside the executable.
const ProgramVariable = "FAILDRILL_CLUSTER"

// ErrProgram says that faildrill-cluster is not to be found.
var ErrProgram = errors.New("the program faildrill-cluster is missing")

// Program finds faildrill-cluster: $FAILDRILL_CLUSTER, beside this executable, or in PATH.
func Program() (string, error) {
	p, err := binaries.Own("faildrill-cluster", ProgramVariable)
	switch {
	case errors.Is(err, binaries.ErrNowhere):
		return "", fmt.Errorf("%w: %w; build it: make build", ErrProgram, err)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrProgram, err)
	}
	return p, nil
}

// Status says what the cluster that is up is made of. The error says why none is.
func (b Backend) Status(ctx context.Context) (string, error) {
	out, err := Ask(ctx, b.program, nil, "kind", "status")
	if err != nil {
		return "", err
	}
	return "Envoy " + b.envoy + ", " + strings.TrimSpace(out), nil
}

// Ask has faildrill-cluster do something, and is what it answers. The error is in its words.
func Ask(ctx context.Context, program string, in []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &said
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), ctx.Err())
	}
	if why := strings.TrimSpace(strings.TrimPrefix(said.String(), "faildrill: ")); why != "" {
		return "", errors.New(why)
	}
	return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
}

// Envoy is the release of the sidecars.
func (b Backend) Envoy() string { return b.envoy }

// Name is kind.
func (Backend) Name() string { return Name }

// Live is a drill as the cluster plays it: predicted with the releases that are there, unless
// it is about releases whose rules were not measured, or about another Envoy than its Istio's own.
func (b Backend) Live(d *schedule.Drill) (*schedule.Drill, error) {
	if d.Profile.EnvoyMark != istio.Measured || istio.SameLine(d.Profile.Envoy, b.envoy) {
		return d, nil
	}
	shipped, err := istio.ParseProfile(d.Profile.Istio)
	if err != nil {
		return nil, err
	}
	if !istio.SameLine(shipped.Envoy, d.Profile.Envoy) {
		return d, nil
	}
	p, err := istio.ParseProfile(fmt.Sprintf("istio=%s,envoy=%s", d.Profile.Istio, b.envoy))
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
	return child.Run(ctx, exec.Command(b.program), Job{Schedule: s}, sink)
}

// Missing lists what the schedule needs and this backend lacks.
func (b Backend) Missing(s *schedule.Schedule) []backend.Missing {
	var ms []backend.Missing
	add := func(feature, why string, args ...any) {
		ms = append(ms, backend.Missing{Feature: feature, Why: fmt.Sprintf(why, args...)})
	}
	if !istio.SameLine(s.Profile.Envoy, b.envoy) {
		add("Envoy "+s.Profile.Envoy, "the drill follows its rules, and the sidecars here are %s", b.envoy)
	}
	if !istio.SameLine(s.Profile.Istio, b.istio) {
		add("Istio "+s.Profile.Istio, "the drill follows its rules, and the cluster has %s", b.istio)
	}
	if s.Scale != 1 {
		add("scaled configuration", "istiod reads the durations of the YAML as they are; play it at scale 1")
	}
	if len(s.MeshConfig) > 0 {
		add("mesh configuration", "it is the whole cluster's, and other drills play there")
	}
	namespaces := map[string]bool{}
	for _, ds := range s.Documents {
		for _, d := range ds {
			if d.Namespace == "istio-system" {
				add("configuration of the root namespace", "%s %s would be the whole cluster's", d.Kind, d.Name)
			}
			namespaces[d.Namespace] = true
		}
	}
	for i := range s.Clients {
		namespaces[s.Clients[i].Namespace] = true
		if strings.HasPrefix(s.Clients[i].Load.URL, "https:") {
			add("https clients", "%s would speak TLS through its proxy", s.Clients[i].Name)
		}
	}
	delete(namespaces, "")
	if len(namespaces) > 1 {
		add("several namespaces", "a drill has one of its own")
	}
	for i := range s.Upstreams {
		u := &s.Upstreams[i]
		if slices.ContainsFunc(u.IPs, netip.Addr.Is6) {
			add("IPv6", "%s has an IPv6 address, and the containers have IPv4 addresses", u.Name)
		}
	}
	for i := range s.Steps {
		switch f := s.Steps[i].Fault; {
		case f == nil:
		case slices.ContainsFunc(f.Addresses, netip.Addr.Is6):
			add("IPv6", "fault %s gives %s an IPv6 address, and pods have IPv4 addresses", f.Name, f.DNS)
		}
	}
	for _, cs := range s.Configs {
		for i := range cs {
			l := &s.Clients[i].Load
			r := engine.Route(&cs[i], l.Host, l.Port, l.Path)
			if r == nil {
				continue
			}
			if c := cs[i].Cluster(r.Cluster); c != nil {
				if c.Type == xds.OriginalDst {
					add("resolution NONE", "%s sends requests where the client meant to", c.Name)
				}
				missingTLS(c, add)
				if c.MaxConcurrentStreams > 0 {
					add("HTTP/2 to upstreams", "%s speaks it, and the fake upstreams speak HTTP/1.1", c.Name)
				}
			}
		}
	}
	return unique(ms)
}

// missingTLS is what a cluster wants of certificates and cannot have.
func missingTLS(c *xds.Cluster, add func(feature, why string, args ...any)) {
	t := c.TLS
	if t == nil || !slices.ContainsFunc(c.Localities, func(l xds.LocalityEndpoints) bool {
		return slices.ContainsFunc(l.Endpoints, func(e xds.Endpoint) bool { return t.For(e.TLSMode) != nil })
	}) {
		return
	}
	isFile := func(secret, kind, mesh string) bool {
		return secret == "" || secret == mesh || strings.HasPrefix(secret, kind)
	}
	if !isFile(t.CA, xds.FileRoot, xds.MeshRoot) || !isFile(t.Certificate, xds.FileCert, xds.MeshCertificate) {
		add("credentialName", "%s has certificates from a secret of the cluster, which is not made here", c.Name)
	}
	if slices.ContainsFunc(t.SANs, func(n string) bool { return strings.HasPrefix(n, "spiffe://") }) {
		add("identities", "%s expects identities of a namespace, and the drill's has another name", c.Name)
	}
}

func unique(ms []backend.Missing) []backend.Missing {
	seen := map[backend.Missing]bool{}
	var out []backend.Missing
	for _, m := range ms {
		if !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	return out
}
