// Package regions runs the fake upstreams of a drill as containers on kind's
// network, one for each address, with testcontainers.
//
//	r := regions.New(schedule, certificates, images, run, journal)
//	err := r.Start(ctx)
//	r.Addresses()                          // where each address of the schedule is
//	err = r.Apply(ctx, upstream, fault)    // over the control API of each of its containers
//	err = r.Stop(ctx)
//
// Every container has the label of its run, so that what a killed run left can be
// found. testcontainers' own reaper is off: its image cannot be had everywhere,
// and the journal does its work.
package regions

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	dockertypes "github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/mockupstreams"
)

// RunLabel is on every container; its value is the run.
const RunLabel = "faildrill.dev/run"

// Network is the one that kind puts its nodes on.
const Network = "kind"

// controlPort is the control API's in every container.
const controlPort = 9901

// Regions are the containers of one drill.
type Regions struct {
	s            *schedule.Schedule
	images       Images
	run          string
	certificates *certificates.Set
	// journal is told before a container is made.
	journal func(backend.Undo) error

	mu         sync.Mutex
	containers []*container
	whole      bool                 // all that were asked for are known
	broken     map[string]*breakage // by name
	applied    map[int32][]mockupstreams.Fault
	stopped    bool
}

// Images are those that containers are made of.
type Images struct {
	Mock  string // a fake upstream
	Agent string // what holds a network for it
}

type container struct {
	upstream int
	ip       netip.Addr // of the schedule
	c        *testcontainers.DockerContainer
	network  *testcontainers.DockerContainer // whose network it is in; nil: its own
	address  netip.Addr                      // of the container
	control  mockupstreams.Client
}

// New is the regions of a schedule, with the certificates that they show where they
// speak TLS; nothing is started. The journal is told what is to be
// undone before it is done.
func New(s *schedule.Schedule, c *certificates.Set, images Images, run string, journal func(backend.Undo) error) *Regions {
	return &Regions{
		s: s, certificates: c, images: images, run: run, journal: journal,
		broken: map[string]*breakage{}, applied: map[int32][]mockupstreams.Fault{},
	}
}

// Start starts a container for each address, side by side.
func (r *Regions) Start(ctx context.Context) error {
	settle()
	if err := r.journal(undoContainers(r.run)); err != nil {
		return err
	}
	var starting sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for i := range r.s.Upstreams {
		if len(r.s.Upstreams[i].Ports) == 0 {
			continue // nobody listens there
		}
		for _, ip := range r.s.Upstreams[i].IPs {
			starting.Go(func() {
				c, err := r.start(ctx, i, ip)
				if err != nil {
					mu.Lock()
					errs = append(errs, fmt.Errorf("upstream %s: %w", r.s.Upstreams[i].Name, err))
					mu.Unlock()
				}
				if c != nil {
					r.mu.Lock()
					r.containers = append(r.containers, c)
					r.mu.Unlock()
				}
			})
		}
	}
	starting.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.mu.Lock()
	r.whole = len(errs) == 0
	r.mu.Unlock()
	return errors.Join(errs...)
}

// settle sets what testcontainers reads from its environment, unless it is set.
var settle = sync.OnceFunc(func() {
	tclog.SetDefault(log.New(io.Discard, "", 0))
	for k, v := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true"} {
		if os.Getenv(k) == "" {
			os.Setenv(k, v)
		}
	}
	// In a container without Docker's socket passed on there is no gateway to look for.
	if _, err := os.Stat("/.dockerenv"); err == nil && os.Getenv("TESTCONTAINERS_HOST_OVERRIDE") == "" {
		os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "localhost")
	}
})

func (r *Regions) start(ctx context.Context, i int, ip netip.Addr) (*container, error) {
	u := &r.s.Upstreams[i]
	cmd := []string{"-name", fmt.Sprintf("upstream-%d", i), "-body", "healthy: " + u.Address + "\n", "-seed", fmt.Sprint(r.s.Seed + uint64(i)), "-control", fmt.Sprintf(":%d", controlPort)}
	secure := false
	for _, p := range u.Ports {
		flag := "-listen"
		if u.TLS.Speaks(p) {
			flag, secure = "-listen-tls", true
		}
		cmd = append(cmd, flag, fmt.Sprintf(":%d", p))
	}
	var files []testcontainers.ContainerFile
	if secure {
		shown, err := r.certificates.Upstream(u.TLS)
		if err != nil {
			return nil, err
		}
		var flags []string
		flags, files = mounted(shown)
		cmd = append(cmd, flags...)
	}
	out := &container{upstream: i, ip: ip}
	var err error
	at := onNetwork(files, capabilities(r.s, i))
	if needsNetwork(r.s, i) {
		if out.network, err = r.startNetwork(ctx); err != nil {
			return nil, err
		}
		at = inNetwork(files, out.network.GetContainerID())
	}
	out.c, err = testcontainers.Run(ctx, r.images.Mock, append(at, testcontainers.WithCmd(cmd...), testcontainers.WithLabels(map[string]string{RunLabel: r.run}))...)
	if err != nil {
		return nil, sentence(err)
	}
	text, err := out.outer().ContainerIP(ctx)
	if err != nil {
		return out, sentence(err)
	}
	if out.address, err = netip.ParseAddr(text); err != nil {
		return out, fmt.Errorf("its container's address is %q: %w", text, err)
	}
	control, err := out.outer().PortEndpoint(ctx, fmt.Sprintf("%d/tcp", controlPort), "http")
	if err != nil {
		return out, sentence(err)
	}
	out.control = mockupstreams.Client{URL: control}
	return out, r.ready(ctx, out)
}

// ready waits for a server that has started, and tells it what it has to know.
func (r *Regions) ready(ctx context.Context, c *container) error {
	if err := c.control.Await(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	fs := slices.Clone(r.applied[int32(c.upstream)])
	r.mu.Unlock()
	if l := r.s.Upstreams[c.upstream].Latency; l > 0 {
		fs = append([]mockupstreams.Fault{{Name: "latency", Delay: mockupstreams.Duration(l)}}, fs...)
	}
	for _, f := range fs {
		if err := c.control.Apply(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// outer is the container that has the network.
func (c *container) outer() *testcontainers.DockerContainer {
	if c.network != nil {
		return c.network
	}
	return c.c
}

// onNetwork puts a container on kind's network, and publishes its control API.
func onNetwork(files []testcontainers.ContainerFile, capabilities []string) []testcontainers.ContainerCustomizer {
	return []testcontainers.ContainerCustomizer{
		testcontainers.WithExposedPorts(fmt.Sprintf("%d/tcp", controlPort)),
		testcontainers.CustomizeRequest(testcontainers.GenericContainerRequest{ContainerRequest: testcontainers.ContainerRequest{
			Networks: []string{Network}, NetworkAliases: map[string][]string{}, Files: files,
			HostConfigModifier: func(c *dockertypes.HostConfig) { c.CapAdd = capabilities },
		}}),
	}
}

// inNetwork puts a container into the network of another one.
func inNetwork(files []testcontainers.ContainerFile, other string) []testcontainers.ContainerCustomizer {
	return []testcontainers.ContainerCustomizer{
		testcontainers.CustomizeRequest(testcontainers.GenericContainerRequest{ContainerRequest: testcontainers.ContainerRequest{
			Files:              files,
			HostConfigModifier: func(c *dockertypes.HostConfig) { c.NetworkMode = dockertypes.NetworkMode("container:" + other) },
		}}),
	}
}

// capabilities are what an upstream's container needs beside the usual: a listener
// that loses SYNs takes one on some kernels.
func capabilities(s *schedule.Schedule, upstream int) []string {
	for i := range s.Steps {
		if f := s.Steps[i].Fault; f != nil && f.Behaviour == schedule.Blackhole && int(f.Upstream) == upstream {
			return []string{"NET_ADMIN"}
		}
	}
	return nil
}

// mounted are the files of a container that shows certificates, and the flags that name them.
func mounted(s certificates.Shown) (flags []string, files []testcontainers.ContainerFile) {
	file := func(name string, parts ...[]byte) string {
		name = "/" + name + ".pem"
		// Nobody else is in the container; Docker's own copy is gone with it.
		files = append(files, testcontainers.ContainerFile{Reader: bytes.NewReader(slices.Concat(parts...)), ContainerFilePath: name, FileMode: 0o400})
		return name
	}
	flags = []string{"-cert", file("cert", s.Certificate.Chain), "-key", file("key", s.Certificate.Key)}
	if s.Required {
		flags = append(flags, "-client-ca", file("client-ca", s.ClientCA))
	}
	for _, fault := range slices.Sorted(maps.Keys(s.Faulty)) {
		flags = append(flags, "-faulty", fault+"="+file(fault, s.Faulty[fault].Chain, s.Faulty[fault].Key))
	}
	return flags, files
}

// sentence is an error without testcontainers' line ends.
func sentence(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// Addresses are all pairs: of the schedule, and of its container.
func (r *Regions) Addresses() map[netip.Addr]netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := map[netip.Addr]netip.Addr{}
	for _, c := range r.containers {
		m[c.ip] = c.address
	}
	return m
}

// of are the containers of an upstream.
func (r *Regions) of(upstream int32) []*container {
	r.mu.Lock()
	defer r.mu.Unlock()
	var cs []*container
	for _, c := range r.containers {
		if int32(c.upstream) == upstream {
			cs = append(cs, c)
		}
	}
	return cs
}

// each asks the control API of an upstream's containers. Nobody answers there while the
// server stands still: then nothing is asked.
func (r *Regions) each(upstream int32, f func(mockupstreams.Client) error) error {
	if r.still(upstream) {
		return nil
	}
	var errs []error
	for _, c := range r.of(upstream) {
		errs = append(errs, f(c.control))
	}
	return errors.Join(errs...)
}

// Apply begins a fault of an upstream.
func (r *Regions) Apply(ctx context.Context, upstream int32, f mockupstreams.Fault) error {
	r.mu.Lock()
	r.applied[upstream] = append(r.applied[upstream], f)
	r.mu.Unlock()
	return r.each(upstream, func(c mockupstreams.Client) error { return c.Apply(ctx, f) })
}

// Heal ends one.
func (r *Regions) Heal(ctx context.Context, upstream int32, name string) error {
	r.mu.Lock()
	r.applied[upstream] = slices.DeleteFunc(r.applied[upstream], func(f mockupstreams.Fault) bool { return f.Name == name })
	r.mu.Unlock()
	return r.each(upstream, func(c mockupstreams.Client) error { return c.Heal(ctx, name) })
}

// AtWork reports whether a container of an upstream has a fault of the name.
func (r *Regions) AtWork(ctx context.Context, upstream int32, name string) bool {
	found := false
	_ = r.each(upstream, func(c mockupstreams.Client) error { // one that does not answer has nothing to say
		fs, err := c.Faults(ctx)
		for _, f := range fs {
			found = found || f.Name == name
		}
		return err
	})
	return found
}

// Met is how many requests met a fault of the name.
func (r *Regions) Met(ctx context.Context, upstream int32, name string) int {
	n := 0
	_ = r.each(upstream, func(c mockupstreams.Client) error {
		counts, err := c.Counts(ctx)
		n += counts.ByFault[name]
		return err
	})
	return n
}

// Log is what the containers of an upstream wrote.
func (r *Regions) Log(ctx context.Context, upstream int32) ([]byte, error) {
	r.mu.Lock()
	cs := r.containers
	r.mu.Unlock()
	var all []byte
	for _, c := range cs {
		if c.upstream != int(upstream) {
			continue
		}
		l, err := c.c.Logs(ctx)
		if err != nil {
			return nil, sentence(err)
		}
		b, err := io.ReadAll(l)
		_ = l.Close() // it was only read
		if err != nil {
			return nil, sentence(err)
		}
		all = append(all, b...)
	}
	return all, nil
}

// Stop removes the containers, those too of which Start heard no more than that they were
// asked for.
func (r *Regions) Stop(ctx context.Context) error {
	r.endBreakages()
	r.mu.Lock()
	r.containers = nil
	whole := r.whole
	r.mu.Unlock()
	u := undoContainers(r.run)
	if whole {
		return remove(ctx, u.Args["label"])
	}
	_, err := Undo(ctx, u)
	return err
}
