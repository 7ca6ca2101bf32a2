package inside

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/xds"
)

// builtin is the prediction of the configuration as files that Envoy watches. The
// clusters come at 0 s, so that their ticks count from there, as in the model.
type builtin struct {
	p *player

	mu      sync.Mutex
	version int
	now     int         // the configuration that the proxies have; -1: none
	handed  []time.Time // when clusters were handed over

	chosen map[int]string // by client: where it is listened for it, if the system chose that
}

// firstPackedPort is the port of the first client of a packed play.
const firstPackedPort = 10000

// packedStats are the statistics that are read of a packed play.
var packedStats = []string{
	".version_text", ".update_success", ".update_rejected", ".warming_clusters", ".ejections_overflow", ".ejections_active", ".ejections_enforced_total",
	".ejections_detected_consecutive_5xx", ".ejections_detected_consecutive_gateway_failure", ".ejections_detected_consecutive_local_origin_failure",
	".ejections_detected_success_rate", ".ejections_detected_failure_percentage",
	".ejections_detected_local_origin_success_rate", ".ejections_detected_local_origin_failure_percentage",
}

// port is where the client's proxy listens for it.
func (b *builtin) port(client int) uint16 {
	if b.p.o.Packed {
		return uint16(firstPackedPort + client)
	}
	return uint16(b.p.s.Clients[client].Load.Port)
}

// listens is the address of the client's listener as it is configured: on the
// loopback interface of this machine the system chooses the port.
func (b *builtin) listens(client int) netip.AddrPort {
	if b.p.o.Loopback != "" {
		return anyPort
	}
	return netip.AddrPortFrom(anyPort.Addr(), b.port(client))
}

func (b *builtin) target(client int) string {
	if at, ok := b.chosen[client]; ok {
		return at
	}
	return b.listens(client).String()
}

// choose learns the port that the system chose for a client's listener.
func (b *builtin) choose(x *proxy) error {
	var v struct {
		Statuses []struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	text, err := x.Get("/listeners?format=json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil || len(v.Statuses) != 1 {
		return fmt.Errorf("asking the Envoy of %s for its listener: %d of them, %v", x.Name, len(v.Statuses), err)
	}
	a := &v.Statuses[0].Address.Socket
	b.chosen[x.Client] = net.JoinHostPort(a.Address, strconv.Itoa(a.Port))
	return nil
}

// The logs of a packed proxy are everybody's: Envoy has a thread for each file.
func (b *builtin) accessLog(client int) string   { return b.log("access", client) }
func (b *builtin) upstreamLog(client int) string { return b.log("upstream", client) }

func (b *builtin) log(what string, client int) string {
	x := b.p.proxies[client]
	return x.path(fmt.Sprintf("%s-%d.log", what, x.Client))
}

// routes is the name of a client's route configuration: each has its own, since
// in a packed play many share a port of their services.
func (b *builtin) routes(client int) string {
	if b.p.o.Packed {
		return "client-" + strconv.Itoa(client)
	}
	return strconv.Itoa(int(b.p.s.Clients[client].Load.Port))
}

// clientsOf are the clients of a proxy.
func (b *builtin) clientsOf(x *proxy) []int {
	var cs []int
	for i, have := range b.p.proxies {
		if have == x {
			cs = append(cs, i)
		}
	}
	return cs
}

func (b *builtin) start(ctx context.Context) error {
	b.now, b.chosen = -1, map[int]string{}
	for _, x := range b.p.distinct() {
		var ls []*listenerv3.Listener
		for _, c := range b.clientsOf(x) {
			if err := b.writeRoutes(x, c, 0); err != nil {
				return err
			}
			ls = append(ls, envoyconfig.Listener(envoyconfig.ListenerOptions{
				Address: b.listens(c), Routes: b.routes(c), Dir: x.xds(),
				AccessLog:   envoyconfig.Log{Path: b.accessLog(c), Format: observe.AccessLog},
				UpstreamLog: envoyconfig.Log{Path: b.upstreamLog(c), Format: observe.UpstreamLog},
			}))
		}
		if err := b.writeClusters(x, -1); err != nil {
			return err
		}
		o := envoyconfig.BootstrapOptions{Resolver: b.p.resolver(), Files: &envoyconfig.Files{Dir: x.xds(), Listeners: ls, SDS: x.sdsPath()}}
		if b.p.o.Packed {
			o.Stats = packedStats
		}
		if err := x.start(o); err != nil {
			return err
		}
	}
	for _, x := range b.p.distinct() {
		if err := x.await(ctx, "took requests", x.live); err != nil {
			return err
		}
		if b.p.o.Loopback != "" {
			if err := b.choose(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// xds is the folder of the files that Envoy watches.
func (x *proxy) xds() string {
	dir := x.path("xds")
	_ = os.MkdirAll(dir, 0o755) // writing there says what is wrong
	return dir
}

// begin gives the proxies the configuration of 0 s at that instant.
func (b *builtin) begin(ctx context.Context, origin time.Time) error {
	select {
	case <-time.After(time.Until(origin)):
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.configure(ctx, 0)
}

// versions are those of the resources that a proxy has, or shall have, by the
// names of the statistics that tell them.
type versions map[string]string

const cdsVersion = "cluster_manager.cds.version_text"

func (b *builtin) rdsVersion(client int) string {
	a := b.listens(client)
	return fmt.Sprintf("http.outbound_%s_%d;.rds.%s.version_text", a.Addr(), a.Port(), b.routes(client))
}

func edsVersion(cluster string) string { return "cluster." + cluster + ";.version_text" }

// configure changes the files, and returns when every proxy has taken them.
func (b *builtin) configure(ctx context.Context, config int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	xs := b.p.distinct()
	b.version++
	want := make([]versions, len(xs))
	for i, x := range xs {
		want[i] = versions{}
		for _, c := range b.clientsOf(x) {
			if err := b.changed(x, c, config, want[i]); err != nil {
				return err
			}
		}
		// The clusters come last: what they refer to is there.
		want[i][cdsVersion] = strconv.Itoa(b.version)
		if err := b.writeClusters(x, config); err != nil {
			return err
		}
	}
	b.now = config
	for i, x := range xs {
		if err := x.has(ctx, want[i]); err != nil {
			return err
		}
	}
	return nil
}

// changed writes what a configuration changes for a client, but for the clusters.
func (b *builtin) changed(x *proxy, client, config int, want versions) error {
	cfg := &b.p.s.Configs[config][client]
	for i := range cfg.Clusters {
		c := &cfg.Clusters[i]
		if c.Type != xds.EDS || b.p.o.Packed {
			continue
		}
		if b.now >= 0 {
			if old := b.p.s.Configs[b.now][client].Cluster(c.Name); old != nil && reflect.DeepEqual(old, c) {
				continue
			}
		}
		want[edsVersion(c.Name)] = strconv.Itoa(b.version)
		if err := envoyconfig.WriteEDS(x.xds(), strconv.Itoa(b.version), b.p.placed(c)); err != nil {
			return err
		}
	}
	// It has had its first routes from the start.
	if b.now < 0 || reflect.DeepEqual(b.p.s.Configs[b.now][client].VirtualHosts, cfg.VirtualHosts) {
		return nil
	}
	want[b.rdsVersion(client)] = strconv.Itoa(b.version)
	return b.writeRoutes(x, client, config)
}

// has waits until a proxy has the versions and no cluster warms; what it refuses
// is an error.
func (x *proxy) has(ctx context.Context, want versions) error {
	err := x.await(ctx, "had taken its configuration", func() (bool, error) {
		text, err := x.Get("/stats?filter=version_text$|update_rejected$|warming_clusters$")
		if err != nil {
			return false, nil // it is busy, or has died
		}
		have := versions{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			have[name] = strings.Trim(value, `"`)
			if strings.HasSuffix(name, ".update_rejected") && value != "0" {
				return false, x.Refused()
			}
		}
		for name, v := range want {
			if have[name] != v {
				return false, nil
			}
		}
		return have["cluster_manager.warming_clusters"] == "0", nil
	})
	if err != nil {
		return err
	}
	return x.Dump()
}

// writeClusters writes the clusters of all clients of a proxy; -1 is none at all.
func (b *builtin) writeClusters(x *proxy, config int) error {
	var cs []*clusterv3.Cluster
	if config >= 0 {
		for _, c := range b.clientsOf(x) {
			cfg := &b.p.s.Configs[config][c]
			for i := range cfg.Clusters {
				k := b.p.placed(&cfg.Clusters[i])
				switch {
				case k.Type == xds.OriginalDst: // it has no endpoints of its own
					continue
				case b.p.o.Packed:
					// Every file that changes makes Envoy read all of them.
					cs = append(cs, envoyconfig.Inline(k))
				default:
					cs = append(cs, envoyconfig.Filed(k, x.xds()))
				}
				if server := b.p.resolver(); server.IsValid() {
					envoyconfig.Ask(cs[len(cs)-1], server)
				}
			}
		}
	}
	err := envoyconfig.WriteCDS(x.xds(), strconv.Itoa(b.version), cs)
	b.handed = append(b.handed, time.Now())
	return err
}

// together gives clusters that came at once the time at which they were handed
// over. Envoy reads a hundred of them in about as many milliseconds, and the timers
// of all count from when its event loop began with that. A merge window counts from
// the clock itself, which it looks at when it comes to the cluster
// (cluster_manager_impl.cc, scheduleUpdate).
func (b *builtin) together(built []observe.Built) []observe.Built {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := slices.Clone(built)
	for i := range out {
		own := out[i].Own()
		for _, at := range slices.Backward(b.handed) {
			if at.Before(own) {
				out[i].At, out[i].Read = at.UTC().Round(0), own
				break
			}
		}
	}
	return out
}

func (b *builtin) writeRoutes(x *proxy, client, config int) error {
	r := envoyconfig.Routes(b.p.s.Configs[config][client].VirtualHosts, b.p.s.Clients[client].Load.Port)
	r.Name = b.routes(client)
	return envoyconfig.WriteRDS(x.xds(), strconv.Itoa(b.version), r)
}

// There is nothing to restart.
func (*builtin) restart(context.Context, int) error { return nil }

func (*builtin) restarted(context.Context, int) (string, error) { return live.NoControlPlane, nil }

// broke is never: nothing runs.
func (*builtin) broke(context.Context) error { return nil }

func (*builtin) stop() {}
