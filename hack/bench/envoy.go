package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"fortio.org/fortio/fhttp"
	"fortio.org/fortio/periodic"
	"fortio.org/log"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/probe"
)

const (
	envoyRelease = "1.40"
	envoyRate    = 1000
	// A tool sends for a block, then the other does; a round has so many blocks of each,
	// taken together: whatever else the machine does meets both.
	envoyBlock  = 600 * time.Millisecond
	envoyBlocks = 8
	envoyRounds = 10
	warmUp      = 6 * connections // requests of a block that do not count
)

// throughEnvoy compares what a client measures: the time from sending a request to
// the end of its answer, through one Envoy to one upstream, by the probe and by
// fortio in turn. Without the release of Envoy in the cache there is no such figure.
func throughEnvoy(folder string) (f figure, stop func(), err error) {
	f = figure{name: "envoy", rounds: envoyRounds, title: fmt.Sprintf("Latency at %d/s through one Envoy %s, over at most %d connections", envoyRate, envoyRelease, connections)}
	b, err := binaries.Envoy(envoyRelease)
	if err != nil {
		return f, nil, err
	}
	upstream, err := startServer(serveUpstreamArg)
	if err != nil {
		return f, nil, fmt.Errorf("starting the upstream: %w", err)
	}
	to := servers{upstream}
	url, kill, err := startEnvoy(b.Path, folder, upstream.address)
	if err != nil {
		to.stop()
		return f, nil, err
	}
	log.SetLogLevelQuiet(log.Error)
	rows := func(who, peer string, p99 float64) []row {
		var rs []row
		for _, q := range []string{"p50", "p99", "p99.9"} {
			r := row{what: who + ", " + q, unit: "us"}
			if peer != "" {
				r.peer = peer + ", " + q
			}
			if q == "p99" {
				r.ratio = p99
			}
			rs = append(rs, r)
		}
		return rs
	}
	all := slices.Concat(rows("fortio -uniform", "", 0), rows("probe", "fortio -uniform", 1.1), rows("probe, from when it was due", "fortio -uniform", 0))
	f.trials = []trial{{rows: all, run: func() ([]float64, error) { return inTurn(url) }}}
	return f, func() { kill(); to.stop() }, nil
}

// inTurn is a round: quantiles of what fortio measured, and of what the probe did from
// sending and from when the request was due.
func inTurn(url string) ([]float64, error) {
	var peer, sent, due []float64 // microseconds
	for range envoyBlocks {
		took, err := fortioLatency(url)
		if err != nil {
			return nil, err
		}
		peer = append(peer, took...)
		fromSent, fromDue, err := probeLatency(url)
		if err != nil {
			return nil, err
		}
		sent, due = append(sent, fromSent...), append(due, fromDue...)
	}
	return slices.Concat(quantiles(peer), quantiles(sent), quantiles(due)), nil
}

func probeLatency(url string) (sent, due []float64, err error) {
	do, closeIdle, err := probe.HTTP(probe.HTTPOptions{URL: url, KeepAlive: true, Timeout: 10 * time.Second})
	if err != nil {
		return nil, nil, err
	}
	defer closeIdle()
	if err := connectAll(do); err != nil {
		return nil, nil, err
	}
	load := probe.Load{Rate: envoyRate, Duration: envoyBlock, Start: 20 * time.Millisecond, Concurrency: connections}
	s, err := probe.Run(context.Background(), probe.Clock{}, load, do, func(r probe.Result) {
		if r.N >= warmUp {
			sent = append(sent, micros(r.Done-r.Sent))
			due = append(due, micros(r.Latency()))
		}
	})
	if err != nil || s.Errors > 0 {
		return nil, nil, fmt.Errorf("%d of %d requests failed: %w", s.Errors, s.Count, err)
	}
	return sent, due, nil
}

func fortioLatency(url string) ([]float64, error) {
	calls := &latencies{of: make([][]float64, connections)}
	o := &fhttp.HTTPRunnerOptions{HTTPOptions: fhttp.HTTPOptions{URL: url}}
	o.RunnerOptions = periodic.RunnerOptions{
		QPS: envoyRate, Duration: envoyBlock, NumThreads: connections, Uniform: true, AccessLogger: calls, Out: io.Discard,
	}
	if _, err := fhttp.RunHTTPTest(o); err != nil {
		return nil, err
	}
	var all []float64
	for _, thread := range calls.of {
		all = append(all, thread[min(len(thread), warmUp/connections):]...)
	}
	if calls.failed.Load() > 0 || len(all) == 0 {
		return nil, fmt.Errorf("%d requests failed, %d answers", calls.failed.Load(), len(all))
	}
	return all, nil
}

// latencies collects what fortio measures, each thread for itself.
type latencies struct {
	of     [][]float64 // microseconds
	failed atomic.Int64
}

// Start is called just before a request is sent.
func (*latencies) Start(ctx context.Context, _ periodic.ThreadID, _ int64, _ time.Time) context.Context {
	return ctx
}

// Report is called when it was answered, in seconds.
func (l *latencies) Report(_ context.Context, thread periodic.ThreadID, _ int64, _ time.Time, took float64, ok bool, _ string) {
	if !ok {
		l.failed.Add(1)
	}
	l.of[thread] = append(l.of[thread], took*1e6)
}

// Info names this logger.
func (*latencies) Info() string { return "" }

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// quantiles are the 50th, 99th and 99.9th percentile.
func quantiles(v []float64) []float64 {
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
	return []float64{at(0.5), at(0.99), at(0.999)}
}

// startEnvoy starts an Envoy of one worker that sends everything to the upstream, and
// waits until an answer comes back.
func startEnvoy(program, folder, upstream string) (url string, kill func(), err error) {
	address, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	bootstrap, err := json.Marshal(routeTo(address, upstream))
	if err != nil {
		return "", nil, err
	}
	config := filepath.Join(folder, "envoy.json")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(program, "-c", config, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	url = "http://" + address + "/"
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if r, err := http.Get(url); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return url, kill, nil
			}
		}
		if time.Now().After(deadline) {
			kill()
			return "", nil, errors.New("Envoy does not answer")
		}
	}
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// routeTo is the bootstrap of an Envoy with one listener, one route and one upstream.
func routeTo(listen, upstream string) any {
	type m = map[string]any
	address := func(a string) m {
		host, port, _ := net.SplitHostPort(a) // both are this program's own
		var n int
		_, _ = fmt.Sscan(port, &n)
		return m{"socket_address": m{"address": host, "port_value": n}}
	}
	typed := func(name, kind string, fields m) m {
		fields["@type"] = "type.googleapis.com/envoy.extensions." + kind
		return m{"name": name, "typed_config": fields}
	}
	router := typed("envoy.filters.http.router", "filters.http.router.v3.Router", m{})
	hcm := typed("envoy.filters.network.http_connection_manager", "filters.network.http_connection_manager.v3.HttpConnectionManager", m{
		"stat_prefix":  "bench",
		"http_filters": []m{router},
		"route_config": m{"virtual_hosts": []m{{
			"name": "all", "domains": []string{"*"}, "routes": []m{{"match": m{"prefix": "/"}, "route": m{"cluster": "upstream"}}},
		}}},
	})
	return m{"static_resources": m{
		"listeners": []m{{"name": "bench", "address": address(listen), "filter_chains": []m{{"filters": []m{hcm}}}}},
		"clusters": []m{{"name": "upstream", "connect_timeout": "1s", "load_assignment": m{
			"cluster_name": "upstream", "endpoints": []m{{"lb_endpoints": []m{{"endpoint": m{"address": address(upstream)}}}}},
		}}},
	}}
}
