package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/istiod"
	"github.com/faildrill/faildrill/harness/observe"
)

const (
	// debounce is how long istiod waits for another change: nobody else makes one.
	debounce = time.Millisecond
	// quiet is how long no update may come for a push to be over.
	quiet = 30 * time.Millisecond
)

// fromIstiod is unmodified istiod. The configuration of 0 s is there before the
// proxies start, a little ahead of 0 s: the loads of the trace begin when.
type fromIstiod struct {
	p   *player
	pod *istiod.Istiod
}

func (c *fromIstiod) target(client int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(c.p.s.Clients[client].Load.Port)))
}

func (c *fromIstiod) accessLog(client int) string { return c.p.proxies[client].path("stdout.log") }
func (*fromIstiod) upstreamLog(int) string        { return "" }

func (c *fromIstiod) start(ctx context.Context) error {
	format, err := json.Marshal(observe.AccessLog)
	if err != nil {
		return err
	}
	mesh := map[string]any{"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON", "accessLogFormat": string(format)}
	maps.Copy(mesh, c.p.s.MeshConfig)
	c.pod, err = istiod.Start(ctx, istiod.Options{
		Binary: c.p.o.Istiod.Path, Dir: c.p.path("istiod"), Host: c.p.box.Network.Outer().String(), DebounceAfter: debounce,
		Documents:  c.p.s.Documents[0],
		MeshConfig: mesh,
	})
	if err != nil {
		return rejected(err)
	}
	at, err := netip.ParseAddrPort(c.pod.GRPCAddr())
	if err != nil {
		return err
	}
	for _, x := range c.p.distinct() {
		err := x.start(envoyconfig.BootstrapOptions{Istiod: &envoyconfig.Istiod{
			Address: at, Version: c.p.o.Istiod.Version, NodeIP: x.net.Address,
		}})
		if err != nil {
			return err
		}
	}
	for _, x := range c.p.distinct() {
		if err := x.await(ctx, "took requests", x.live); err != nil {
			return err
		}
		if err := x.taken(ctx, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// rejected is istiod's refusal as the backend reports it.
func rejected(err error) error {
	var r *istiod.RefusedError
	if errors.As(err, &r) {
		return &backend.RejectedError{By: "istiod", Reason: r.Reason}
	}
	return err
}

func (*fromIstiod) begin(context.Context, time.Time) error { return nil }

// configure replaces istiod's configuration. It returns when istiod has it; that
// the proxies have it is seen later.
func (c *fromIstiod) configure(ctx context.Context, config int) error {
	return rejected(c.pod.SetConfig(ctx, c.p.s.Documents[config]))
}

func (c *fromIstiod) stop() {
	if c.pod != nil {
		c.pod.Stop()
	}
}

// pushed waits until a proxy has taken what istiod pushed after it had taken so
// many updates.
func (x *proxy) pushed(ctx context.Context, before, refused int64) error {
	if err := x.taken(ctx, before, refused); err != nil {
		return err
	}
	last, since := int64(-1), time.Now()
	err := x.await(ctx, "was quiet", func() (bool, error) {
		now, no, warming, err := x.updates()
		if err != nil {
			return false, fmt.Errorf("asking the Envoy of %s: %w", x.name, err)
		}
		if no > refused {
			return false, &backend.RejectedError{By: "Envoy", Reason: x.reason()}
		}
		if now != last || warming {
			last, since = now, time.Now()
		}
		return time.Since(since) >= quiet, nil
	})
	if err != nil {
		return err
	}
	return x.dump()
}
