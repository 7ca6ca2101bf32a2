package envoyconfig_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/faildrill/faildrill/harness"
	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/xds"
	"github.com/faildrill/faildrill/scenarios"
)

// envoyBinary is the real Envoy that these tests ask: that of $FAILDRILL_TEST_ENVOY,
// else the newest in the cache.
func envoyBinary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("FAILDRILL_TEST_ENVOY"); bin != "" {
		return bin
	}
	return needs.Envoy(t).Path
}

// one is a configuration that some client of a scenario gets.
type one struct {
	name   string
	config xds.Config
}

// configs are all of them.
func configs(t *testing.T) []one {
	t.Helper()
	var files []string
	err := fs.WalkDir(scenarios.FS, ".", func(p string, _ fs.DirEntry, err error) error {
		if strings.Count(p, "/") == 1 && strings.HasSuffix(p, ".yaml") { // deeper ones are parts of these
			files = append(files, "scenarios/"+p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	inputs, err := scenario.Load(scenario.Disk(), files)
	if err != nil {
		t.Fatal(err)
	}
	drills, err := harness.Drills(inputs, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var list []one
	for _, d := range drills {
		c := d.Compile()
		if len(harness.Rejections(c)) > 0 {
			continue // no Envoy ever gets it
		}
		s := c.Schedule
		for i, clients := range s.Configs {
			for j, c := range clients {
				list = append(list, one{fmt.Sprintf("%s, configuration %d of %s", d.Name, i, s.Clients[j].Name), c})
			}
		}
	}
	if len(list) < 50 {
		t.Fatalf("%d configurations in %d scenarios; expected more", len(list), len(files))
	}
	return list
}

func clustersOf(c *xds.Config) []*clusterv3.Cluster {
	var list []*clusterv3.Cluster
	for i := range c.Clusters {
		list = append(list, envoyconfig.Inline(&c.Clusters[i]))
	}
	return list
}

// bootstrap listens on ports that the kernel chooses, one a route configuration.
func bootstrap(t *testing.T, dir string, ports []uint32) string {
	t.Helper()
	format := map[string]string{"code": "%RESPONSE_CODE%", "host": "%UPSTREAM_HOST%"}
	files := &envoyconfig.Files{Dir: dir}
	for _, p := range ports {
		l := envoyconfig.Listener(envoyconfig.ListenerOptions{
			Address: netip.MustParseAddrPort("127.0.0.1:0"), Routes: fmt.Sprint(p), Dir: dir,
			AccessLog:   envoyconfig.Log{Path: filepath.Join(dir, "access.log"), Format: format},
			UpstreamLog: envoyconfig.Log{Path: filepath.Join(dir, "upstream.log"), Format: format},
		})
		l.Name = fmt.Sprintf("port-%d", p)
		files.Listeners = append(files.Listeners, l)
	}
	return save(t, dir, envoyconfig.BootstrapOptions{Name: "client", Admin: netip.MustParseAddrPort("127.0.0.1:0"),
		Locality: xds.Locality{Region: "us-east1"}, OutlierLog: filepath.Join(dir, "outlier.log"), Mark: 7, Files: files})
}

func save(t *testing.T, dir string, o envoyconfig.BootstrapOptions) string {
	t.Helper()
	m := envoyconfig.Bootstrap(o)
	if err := m.ValidateAll(); err != nil {
		t.Fatal(err)
	}
	b, err := envoyconfig.JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "envoy.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The messages obey the rules that Envoy's API writes beside its fields.
func TestScenariosAreValid(t *testing.T) {
	for _, o := range configs(t) {
		for _, c := range clustersOf(&o.config) {
			if err := c.ValidateAll(); err != nil {
				t.Errorf("%s: cluster %s: %v", o.name, c.Name, err)
			}
		}
		for _, p := range envoyconfig.Ports(o.config.VirtualHosts) {
			if err := envoyconfig.Routes(o.config.VirtualHosts, p).ValidateAll(); err != nil {
				t.Errorf("%s: routes of port %d: %v", o.name, p, err)
			}
		}
		if _, err := envoyconfig.Predicted(&o.config); err != nil {
			t.Errorf("%s: %v", o.name, err)
		}
	}
}

// Envoy takes both bootstraps, without a word about a field.
func TestEnvoyValidates(t *testing.T) {
	bin := envoyBinary(t)
	dir := t.TempDir()
	// Envoy asks for its files to be there before it starts.
	if err := envoyconfig.WriteCDS(dir, "1", nil); err != nil {
		t.Fatal(err)
	}
	for _, port := range []uint32{80, 8080} {
		if err := envoyconfig.WriteRDS(dir, "1", envoyconfig.Routes(nil, port)); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range map[string]string{
		"files": bootstrap(t, dir, []uint32{80, 8080}),
		"istiod": save(t, t.TempDir(), envoyconfig.BootstrapOptions{Name: "client", Admin: netip.MustParseAddrPort("127.0.0.1:0"),
			Labels: map[string]string{"app": "client"}, OutlierLog: filepath.Join(dir, "outlier.log"), Mark: 7,
			Istiod: &envoyconfig.Istiod{Address: netip.MustParseAddrPort("127.0.0.1:15010"), SDS: filepath.Join(dir, "sds.sock"), Version: "1.31.1"}}),
	} {
		out, err := exec.Command(bin, "--mode", "validate", "-c", path, "-l", "warning").CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if bytes.Contains(out, []byte("Unknown field")) || bytes.Contains(out, []byte("Deprecated field")) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// The clusters and routes of every scenario, one after the other, are what a
// running Envoy then has: nothing refused, no field unknown.
func TestEnvoyTakesEveryScenario(t *testing.T) {
	bin := envoyBinary(t)
	list := configs(t)
	var ports []uint32
	for _, o := range list {
		for _, p := range envoyconfig.Ports(o.config.VirtualHosts) {
			if !slices.Contains(ports, p) {
				ports = append(ports, p)
			}
		}
	}
	dir := t.TempDir()
	publish := func(version int, o one) {
		v := fmt.Sprint(version)
		if err := envoyconfig.WriteCDS(dir, v, clustersOf(&o.config)); err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if err := envoyconfig.WriteRDS(dir, v, envoyconfig.Routes(o.config.VirtualHosts, p)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(0, list[0])
	admin := start(t, bin, dir, ports)

	for i, o := range list {
		publish(i, o)
		// Envoy keeps the file's version only if the clusters differ; wait for what they are.
		want := map[string]proto.Message{}
		for _, c := range clustersOf(&o.config) {
			want["cluster "+c.Name] = c
		}
		for _, p := range ports {
			want[fmt.Sprint("routes ", p)] = envoyconfig.Routes(o.config.VirtualHosts, p)
		}
		var wrong []string
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			wrong = differences(want, dumped(t, admin))
			if len(wrong) == 0 || time.Now().After(deadline) {
				break
			}
		}
		for _, w := range wrong {
			t.Errorf("%s: %s", o.name, w)
		}
	}
	stats := get(t, admin, "/stats?filter=update_rejected|unknown_fields")
	for _, line := range strings.Split(strings.TrimSpace(stats), "\n") {
		if !strings.HasSuffix(line, ": 0") {
			t.Error(line)
		}
	}
	if !strings.Contains(stats, "cds.update_rejected") || !strings.Contains(stats, "server.dynamic_unknown_fields") {
		t.Errorf("the counters have other names: %s", stats)
	}
}

// start runs Envoy until the test ends and returns the address of its admin port.
func start(t *testing.T, bin, dir string, ports []uint32) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	addressFile := filepath.Join(dir, "admin.txt")
	cmd := exec.CommandContext(ctx, bin, "-c", bootstrap(t, dir, ports), "--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--admin-address-path", addressFile)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("envoy says:\n%s", log.String())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(addressFile); err == nil && len(b) > 0 {
			return "http://" + string(b)
		}
	}
	t.Fatal("envoy did not start in 20 s")
	return ""
}

func get(t *testing.T, admin, path string) string {
	t.Helper()
	resp, err := http.Get(admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dumped are the clusters and routes that Envoy has.
func dumped(t *testing.T, admin string) map[string]proto.Message {
	t.Helper()
	d := &adminv3.ConfigDump{}
	if err := protojson.Unmarshal([]byte(get(t, admin, "/config_dump")), d); err != nil {
		t.Fatal(err)
	}
	out := map[string]proto.Message{}
	for _, a := range d.Configs {
		m, err := a.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *adminv3.ClustersConfigDump:
			for _, c := range append(m.DynamicActiveClusters, m.DynamicWarmingClusters...) {
				v := &clusterv3.Cluster{}
				if err := c.Cluster.UnmarshalTo(v); err != nil {
					t.Fatal(err)
				}
				out["cluster "+v.Name] = v
			}
		case *adminv3.RoutesConfigDump:
			for _, r := range m.DynamicRouteConfigs {
				v := &routev3.RouteConfiguration{}
				if err := r.RouteConfig.UnmarshalTo(v); err != nil {
					t.Fatal(err)
				}
				out["routes "+v.Name] = v
			}
		}
	}
	return out
}

func differences(want, got map[string]proto.Message) []string {
	var list []string
	for k, w := range want {
		if g := got[k]; g == nil {
			list = append(list, k+" is missing")
		} else if !proto.Equal(w, g) {
			list = append(list, fmt.Sprintf("%s: got\n%s\nwant\n%s", k, protojson.Format(g), protojson.Format(w)))
		}
	}
	for k := range got {
		if want[k] == nil {
			list = append(list, k+" was not written")
		}
	}
	slices.Sort(list)
	return list
}
