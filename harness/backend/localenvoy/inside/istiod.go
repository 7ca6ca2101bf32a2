package inside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/istiod"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
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
	p        *player
	redirect bool // connections are redirected to the proxy, as in a pod
	mesh     map[string]any

	mu     sync.Mutex // held while it restarts; guards what follows
	pod    *istiod.Istiod
	config int           // that it has
	number int           // of its process, from 1
	up     chan struct{} // closed when the latest restart has ended; nil: there was none
	failed error         // of the latest restart
}

// target is the service itself, as in a pod: any address that is routed will do
// where the connection is redirected. Else the proxy listens on the service's port.
func (c *fromIstiod) target(client int) string {
	host := "127.0.0.1"
	if c.redirect {
		host = c.p.place.nameserver().Addr().String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(c.p.s.Clients[client].Load.Port)))
}

// intercept redirects what leaves a client to its proxy. A kernel that cannot
// do so gets a proxy that listens on the services' own ports (INTERCEPTION_MODE
// NONE), and a note.
func (c *fromIstiod) intercept() {
	c.redirect = true
	for _, x := range c.p.distinct() {
		if err := x.net.redirect(outboundPort, mark); err != nil {
			c.redirect = false
			c.p.sink.Event(trace.Note{Text: fmt.Sprintf("connections are not redirected to the proxy (%v): it listens on the ports of the services", err)})
			return
		}
	}
}

// outboundPort is where istiod has a sidecar listen for redirected connections.
const outboundPort = 15001

func (c *fromIstiod) accessLog(client int) string { return c.p.proxies[client].path("stdout.log") }
func (c *fromIstiod) upstreamLog(client int) string {
	return c.p.proxies[client].path(upstreamLogFile)
}

const (
	upstreamLogFile = "upstream.log"
	// upstreamLogPath is that file as each Envoy has it: opened for it, as its file 3.
	upstreamLogPath = "/dev/fd/3"
)

// attemptsLogged is what istiod gets beside the user's objects: the router's
// upstream log, a line for each attempt. Without it nobody knows what became of an
// attempt that was not a request's last. It changes no decision of the proxy.
func attemptsLogged() (schedule.Document, error) {
	value, err := json.Marshal(map[string]any{
		"name": "envoy.filters.http.router",
		"typed_config": map[string]any{
			"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
			"upstream_log": []any{map[string]any{
				"name": "envoy.access_loggers.file",
				"typed_config": map[string]any{
					"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
					"path":  upstreamLogPath, "log_format": map[string]any{"json_format": observe.UpstreamLog},
				},
			}},
		},
	})
	return schedule.Document{
		Kind: "EnvoyFilter", Namespace: "istio-system", Name: "faildrill-upstream-log",
		YAML: `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: faildrill-upstream-log, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: SIDECAR_OUTBOUND
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}
    patch: {operation: MERGE, value: ` + string(value) + "}\n",
	}, err
}

func (c *fromIstiod) start(ctx context.Context) error {
	format, err := json.Marshal(observe.AccessLog)
	if err != nil {
		return err
	}
	c.mesh = map[string]any{"accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON", "accessLogFormat": string(format)}
	maps.Copy(c.mesh, c.p.s.MeshConfig)
	if err := c.begins(ctx, 0, 0); err != nil {
		return rejected(err)
	}
	// Not with its start: of what it finds then it has been seen to lose endpoints.
	if err := c.configure(ctx, 0); err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(c.pod.GRPCAddr()) // proxies are only starting
	if err != nil {
		return err
	}
	c.intercept()
	for _, x := range c.p.distinct() {
		o := envoyconfig.BootstrapOptions{Istiod: &envoyconfig.Istiod{
			Address: at, Version: c.p.o.Istiod.Version, NodeIP: x.net.admin().Addr(), SDS: x.sdsPath(),
		}}
		if c.redirect {
			o.Mark, o.Istiod.InterceptionMode = mark, "REDIRECT"
		}
		if err := x.start(o); err != nil {
			return err
		}
	}
	for _, x := range c.p.distinct() {
		if err := x.await(ctx, "took requests", x.live); err != nil {
			return err
		}
		if err := x.Taken(ctx, x.await, 0, 0, 0); err != nil {
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
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return c.failed
	}
	c.config = config
	return c.has(ctx)
}

// has gives istiod its configuration. The caller holds the lock.
func (c *fromIstiod) has(ctx context.Context) error {
	own, err := attemptsLogged()
	if err != nil {
		return err
	}
	return rejected(c.pod.SetConfig(ctx, append(slices.Clone(c.p.s.Documents[c.config]), own)))
}

// begins starts a process of istiod.
func (c *fromIstiod) begins(ctx context.Context, httpPort, grpcPort int) (err error) {
	c.number++
	dir := "istiod"
	if c.number > 1 {
		dir += "-" + strconv.Itoa(c.number)
	}
	c.pod, err = istiod.Start(ctx, istiod.Options{
		Binary: c.p.o.Istiod.Path, Dir: c.p.path(dir), Host: c.p.place.nameserver().Addr().String(), DebounceAfter: debounce,
		MeshConfig: c.mesh, Env: []string{"POD_NAME=" + c.name()}, HTTPPort: httpPort, GRPCPort: grpcPort,
	})
	return err
}

func (c *fromIstiod) name() string { return "istiod-" + strconv.Itoa(c.number) }

// restart kills istiod, and starts it again beside the drill. Proxies are turned away
// until it has its configuration: in a cluster istiod is not ready before it has read
// what there is, and one that has nothing yet would take theirs away.
func (c *fromIstiod) restart(_ context.Context, step int) error {
	for _, x := range c.p.distinct() {
		if err := x.Mark(step); err != nil {
			return err
		}
	}
	c.mu.Lock()
	if c.failed != nil {
		defer c.mu.Unlock()
		return c.failed
	}
	at, err := netip.ParseAddrPort(c.pod.GRPCAddr())
	if err == nil {
		err = c.p.net.turnAway(at)
	}
	if err != nil {
		c.mu.Unlock()
		return err
	}
	_, http, _ := net.SplitHostPort(c.pod.HTTPAddr())
	port, _ := strconv.Atoi(http) // it was one
	c.pod.Stop()
	up := make(chan struct{})
	c.up = up
	go func() {
		defer close(up)
		defer c.mu.Unlock()
		ctx := context.Background() // its own time bounds it
		err := c.begins(ctx, port, int(at.Port()))
		if err == nil {
			err = c.has(ctx)
		}
		if err == nil {
			err = c.p.net.turnAway(netip.AddrPort{})
		}
		if err != nil {
			c.failed = fmt.Errorf("restarting istiod: %w", err)
		}
	}()
	return nil
}

// restarted waits until every proxy has heard from the process that was started last.
func (c *fromIstiod) restarted(ctx context.Context, step int) (string, error) {
	select {
	case <-c.up:
	case <-ctx.Done():
		return "", nil
	}
	c.mu.Lock()
	name, err := c.name(), c.failed
	c.mu.Unlock()
	if err != nil {
		return "", err
	}
	for _, x := range c.p.distinct() {
		if err := x.Reconnected(ctx, x.await, step, quiet); err != nil {
			return "", err
		}
	}
	return "every proxy was told everything by a new process, " + name, nil
}

// broke waits for istiod's death. The proxies would keep what they have, but
// nobody could say what they would have got.
func (c *fromIstiod) broke(ctx context.Context) error {
	for {
		c.mu.Lock()
		pod, failed := c.pod, c.failed
		c.mu.Unlock()
		if failed != nil {
			return failed
		}
		select {
		case <-pod.Done():
		case <-ctx.Done():
			return nil
		}
		c.mu.Lock() // a restart is over then
		same := pod == c.pod && c.failed == nil
		c.mu.Unlock()
		if same {
			return pod.Death("the drill was over")
		}
	}
}

func (c *fromIstiod) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pod != nil {
		c.pod.Stop()
	}
}
