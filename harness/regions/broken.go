package regions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"

	"github.com/faildrill/faildrill/harness/firewall"
	"github.com/faildrill/faildrill/harness/schedule"
)

// This file is what people do to a container from outside: docker pause, docker kill,
// and firewall rules in its network namespace. None of it needs an entry in the journal of
// its own: the containers are removed in the end, whatever state they are in, and
// the rules go with their network namespace.
//
// A container that is killed gives its address back, and the next one on the
// network gets it: measured with two drills side by side, 4 s later somebody else answered
// there. So a server that is to be killed, or cut off, is in the network of a second
// container, which keeps the address and has the firewall.

// agentProgram is where the agent is in its image.
const agentProgram = "/faildrill-agent"

// breakage is a fault that was begun from outside.
type breakage struct {
	*schedule.Fault
	timer *time.Timer // ends it; nil: its heal does
	mend  sync.Mutex  // held while it ends
}

// needsNetwork reports whether an upstream's servers need a network that outlives them.
func needsNetwork(s *schedule.Schedule, upstream int) bool {
	return slices.ContainsFunc(s.Steps, func(st schedule.Step) bool {
		return st.Fault != nil && int(st.Fault.Upstream) == upstream && (st.Fault.Behaviour == schedule.Stop || st.Fault.Behaviour == schedule.Partition)
	})
}

// startNetwork starts a container that has a network and nothing else.
func (r *Regions) startNetwork(ctx context.Context) (*testcontainers.DockerContainer, error) {
	c, err := testcontainers.Run(ctx, r.images.Agent, append(onNetwork(nil, []string{"NET_ADMIN"}),
		testcontainers.WithEntrypoint(agentProgram), testcontainers.WithCmd("sleep"), testcontainers.WithLabels(map[string]string{RunLabel: r.run}))...)
	if err != nil {
		return nil, sentence(err)
	}
	return c, nil
}

// Break begins a fault of an upstream from outside.
func (r *Regions) Break(ctx context.Context, upstream int32, name string, f *schedule.Fault) error {
	b := &breakage{Fault: f}
	r.mu.Lock()
	r.broken[name] = b
	r.mu.Unlock()
	var err error
	switch f.Behaviour {
	case schedule.Pause:
		err = r.docker(ctx, upstream, func(d client.APIClient, c *container) error {
			_, err := d.ContainerPause(ctx, c.c.GetContainerID(), client.ContainerPauseOptions{})
			return err
		})
	case schedule.Stop:
		// SYNs are lost first: for as long as the server is dead and they are not, they would be refused.
		if err = r.block(ctx, upstream); err != nil {
			break
		}
		err = r.docker(ctx, upstream, func(d client.APIClient, c *container) error {
			_, err := d.ContainerKill(ctx, c.c.GetContainerID(), client.ContainerKillOptions{Signal: "KILL"})
			return err
		})
	case schedule.Partition:
		err = r.block(ctx, upstream)
	default:
		err = fmt.Errorf("%s cannot be done from outside", f.Behaviour)
	}
	if err == nil && f.For > 0 {
		r.mu.Lock()
		b.timer = time.AfterFunc(f.For.D(), func() {
			ctx, stop := context.WithTimeout(context.Background(), mendWithin)
			defer stop()
			_ = r.Mend(ctx, upstream, name) // what is still broken then, the witness of the next step sees
		})
		r.mu.Unlock()
	}
	return err
}

// mendWithin bounds the end of a fault that ends by itself.
const mendWithin = 20 * time.Second

// Mend ends it. A server that was killed is started again, and has what it had.
func (r *Regions) Mend(ctx context.Context, upstream int32, name string) error {
	r.mu.Lock()
	b := r.broken[name]
	over := r.stopped
	r.mu.Unlock()
	if b == nil || over {
		return nil
	}
	b.mend.Lock()
	defer b.mend.Unlock()
	if !r.Broken(name) {
		return nil
	}
	switch b.Behaviour {
	case schedule.Pause:
		err := r.docker(ctx, upstream, func(d client.APIClient, c *container) error {
			_, err := d.ContainerUnpause(ctx, c.c.GetContainerID(), client.ContainerUnpauseOptions{})
			return err
		})
		if err == nil {
			r.forget(name)
		}
		return err
	case schedule.Stop:
		err := r.docker(ctx, upstream, func(d client.APIClient, c *container) error {
			if _, err := d.ContainerStart(ctx, c.c.GetContainerID(), client.ContainerStartOptions{}); err != nil {
				return err
			}
			return r.ready(ctx, c)
		})
		if err != nil {
			return err
		}
	}
	r.forget(name)
	return r.block(ctx, upstream)
}

func (r *Regions) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.broken, name)
}

// Broken reports whether a fault that was begun from outside is there.
func (r *Regions) Broken(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken[name] != nil
}

// still reports whether an upstream's servers do nothing now.
func (r *Regions) still(upstream int32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.broken {
		if b.Upstream == upstream && b.StandsStill() {
			return true
		}
	}
	return false
}

// endBreakages keeps timers from doing anything more.
func (r *Regions) endBreakages() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for _, b := range r.broken {
		if b.timer != nil {
			b.timer.Stop()
		}
	}
}

// docker does something to each container of an upstream.
func (r *Regions) docker(ctx context.Context, upstream int32, do func(client.APIClient, *container) error) (err error) {
	d, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return fmt.Errorf("asking Docker for containers: %w", sentence(err))
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	var errs []error
	for _, c := range r.of(upstream) {
		if err := do(d, c); err != nil {
			errs = append(errs, fmt.Errorf("upstream %s: %w", r.s.Upstreams[upstream].Name, sentence(err)))
		}
	}
	return errors.Join(errs...)
}

// block has the firewalls of an upstream do what its faults say.
// In its image the agent is nobody, whose capabilities are none.
func (r *Regions) block(ctx context.Context, upstream int32) error {
	rules, err := json.Marshal(r.rules(upstream))
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range r.of(upstream) {
		if c.network == nil {
			continue
		}
		code, out, err := c.network.Exec(ctx, []string{agentProgram, "firewall", string(rules)}, tcexec.Multiplexed(), tcexec.WithUser("0"))
		if err == nil && code != 0 {
			said, _ := io.ReadAll(io.LimitReader(out, 1000)) // without it the code says it
			err = fmt.Errorf("faildrill-agent firewall ended with %d: %s", code, strings.TrimSpace(string(said)))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("upstream %s: %w", r.s.Upstreams[upstream].Name, sentence(err)))
		}
	}
	return errors.Join(errs...)
}

// rules are those of an upstream's firewalls now. The control API is left alone.
func (r *Regions) rules(upstream int32) firewall.Rules {
	r.mu.Lock()
	defer r.mu.Unlock()
	var rules firewall.Rules
	for _, b := range r.broken {
		if b.Upstream != upstream {
			continue
		}
		for _, port := range r.s.Upstreams[upstream].Ports {
			if b.Port != 0 && b.Port != port {
				continue
			}
			at := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
			switch {
			case b.Behaviour == schedule.Stop:
				rules.Lose = append(rules.Lose, at)
			case b.Partition == schedule.PartitionDrop:
				rules.Drop = append(rules.Drop, at)
			case b.Partition == schedule.PartitionReject:
				rules.Reject = append(rules.Reject, at)
			}
		}
	}
	return rules
}
