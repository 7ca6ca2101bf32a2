package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

// Options are what Probe is told.
type Options struct {
	Live     func() (string, error)                         // where faildrill-live is
	Command  func(program string, args ...string) *exec.Cmd // runs it in namespaces, as drills are
	Child    []string                                       // a command that does nothing, to be run so
	Kind     func(context.Context) (string, error)          // what the kind cluster is made of, or why there is none
	KeptRuns []string
}

// patience is the time that a daemon or a child has to answer.
const patience = 5 * time.Second

// Probe looks at the machine.
func Probe(ctx context.Context, o Options) Facts {
	f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: kernel(), Root: os.Geteuid() == 0, KeptRuns: o.KeptRuns}
	var wg sync.WaitGroup
	wg.Go(func() { f.Namespaces = probeNamespaces(o.Command(o.Child[0], o.Child[1:]...), patience) })
	wg.Go(func() { f.Docker = probeDocker(ctx, os.Getenv("DOCKER_HOST")) })
	wg.Go(func() { f.Go = probeGo(ctx) })
	wg.Go(func() { f.Kind = kindOf(o.Kind(ctx)) })
	f.Inotify = probeInotify()
	f.Live = liveOf(o.Live())
	if c, err := binaries.Default(); err != nil {
		f.Cache = Disk{Free: -1, Error: err.Error()}
	} else {
		f.Envoys = envoys(c)
		f.Cache = probeDisk(c.Dir)
	}
	f.Istiod = programOf(binaries.Istiod())
	f.Istioctl = programOf(binaries.Istioctl())
	wg.Wait()
	return f
}

// kindOf makes a fact of what was said of the kind cluster.
func kindOf(what string, err error) Program {
	if err != nil {
		return Program{Error: err.Error(), Fix: "faildrill kind up"}
	}
	return Program{Version: what}
}

// programOf makes a fact of what binaries found.
func programOf(b binaries.Binary, err error) Program {
	if err == nil {
		return Program{Path: b.Path, Version: b.Version}
	}
	p := Program{Error: err.Error()}
	var missing *binaries.NotFoundError
	if errors.As(err, &missing) {
		p.Error, p.Fix = "not found", missing.Fix
	}
	return p
}

// envoys are the releases that the cache has, also those that cannot be used.
func envoys(c binaries.Cache) []Program {
	var ps []Program
	for _, v := range binaries.Known() {
		b, err := c.Envoy(v)
		var missing *binaries.NotFoundError
		if errors.As(err, &missing) {
			continue
		}
		p := programOf(b, err)
		if err != nil {
			p.Fix = "faildrill fetch envoy@" + v
		}
		ps = append(ps, p)
	}
	return ps
}

// LiveName is the program that plays on Envoy.
const LiveName = "faildrill-live"

// liveOf makes a fact of where that program is.
func liveOf(path string, err error) Program {
	if err != nil {
		return Program{Error: err.Error(), Fix: "make build, or go install github.com/faildrill/faildrill/harness/cmd/...@latest"}
	}
	return Program{Path: path}
}

// probeGo asks for the toolchain that make tools needs.
func probeGo(ctx context.Context) Program {
	const fix = "install Go from go.dev/dl: only make tools needs it"
	path, err := exec.LookPath("go")
	if err != nil {
		return Program{Error: "not in PATH", Fix: fix}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "env", "GOVERSION").Output()
	if err != nil {
		return Program{Error: fmt.Sprintf("%s env GOVERSION: %v", path, err), Fix: fix}
	}
	return Program{Path: path, Version: strings.TrimSpace(string(out))}
}

// probeDocker asks the daemon for its version, where docker's own command would.
func probeDocker(ctx context.Context, host string) Program {
	const fix = "install Docker and start it"
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	network, address, ok := strings.Cut(host, "://")
	if !ok || network != "unix" && network != "tcp" {
		return Program{Error: fmt.Sprintf("$DOCKER_HOST is %q; only unix:// and tcp:// are looked at", host)}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return Program{Error: err.Error()}
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if errors.Is(err, fs.ErrPermission) {
		return Program{Error: "this user may not use " + host, Fix: "sudo usermod -aG docker $USER, and log in again"}
	}
	if err != nil {
		return Program{Error: "cannot be reached at " + host, Fix: fix}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK {
		return Program{Error: fmt.Sprintf("%s answers %s", host, resp.Status), Fix: fix}
	}
	p := Program{Path: host}
	if v := resp.Header.Get("Api-Version"); v != "" {
		p.Version = "API " + v
	}
	return p
}

// readInt is a number in a file, nil when there is none.
func readInt(name string) *int {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return nil
	}
	return &n
}
