package inside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/sds"
	"github.com/faildrill/faildrill/harness/sidecar"
)

const (
	adminPort = 15000
	// mark is how a redirection knows the proxy's own connections: Istio's number.
	mark = 1337
	// readyWithin bounds how long an Envoy may take until it takes requests.
	readyWithin = 30 * time.Second
	pollEvery   = 5 * time.Millisecond
	// adminFile is where Envoy writes the address of its admin interface.
	adminFile = "admin.txt"
	// lookTwice is how long after its last word an Envoy is known to be dead.
	lookTwice = 200 * time.Millisecond
)

// proxy is one Envoy.
type proxy struct {
	*sidecar.Proxy
	p     *player
	dir   string
	net   clientNet
	admin netip.AddrPort

	sds    *sds.Server
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // why it exited; set before exited is closed
}

func (p *player) newProxy(client int) (*proxy, error) {
	net, err := p.place.client()
	if err != nil {
		return nil, err
	}
	x := &proxy{p: p, dir: p.path(fmt.Sprintf("client-%d", client)), net: net, admin: net.admin()}
	x.Proxy = &sidecar.Proxy{Name: p.s.Clients[client].Name, Client: client, Ask: x.ask, Silent: x.silent, Log: x.tail, Waited: x.waited}
	if p.o.Loopback != "" {
		x.Home, x.NameOf = p.home, p.nameOf
	}
	if err := os.MkdirAll(x.dir, 0o755); err != nil {
		return nil, err
	}
	return x, p.handOut(x)
}

func (x *proxy) path(name string) string { return x.dir + "/" + name }

// start starts Envoy with the bootstrap. Its access log of a mesh goes to its
// standard output, which it opens a second time: both have to append.
func (x *proxy) start(o envoyconfig.BootstrapOptions) error {
	c := &x.p.s.Clients[x.Client]
	o.Name, o.Namespace, o.Locality, o.Labels = c.Name, c.Namespace, c.Locality, c.Labels
	o.Admin, o.OutlierLog = x.admin, x.path("outlier.log")
	b, err := envoyconfig.JSON(envoyconfig.Bootstrap(o))
	if err != nil {
		return err
	}
	if err := os.WriteFile(x.path("envoy.json"), b, 0o644); err != nil {
		return err
	}
	stdout, err := os.OpenFile(x.path("stdout.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer stdout.Close()
	stderr, err := os.OpenFile(x.path("envoy.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer stderr.Close()
	x.cmd = exec.Command(x.p.o.Envoy.Path, "-c", x.path("envoy.json"), "--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--file-flush-interval-msec", "50",
		"--admin-address-path", x.path(adminFile))
	upstream, err := os.OpenFile(x.path(upstreamLogFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer upstream.Close()
	x.cmd.Stdout, x.cmd.Stderr, x.cmd.ExtraFiles = stdout, stderr, []*os.File{upstream}
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := x.net.start(x.cmd); err != nil {
		return fmt.Errorf("starting Envoy %s: %w", x.p.o.Envoy.Path, err)
	}
	x.exited = make(chan struct{})
	go func() {
		x.err = x.cmd.Wait()
		close(x.exited)
	}()
	return nil
}

// await polls until done says so. An Envoy that dies or takes too long is an error
// of one sentence with the end of its log.
func (x *proxy) await(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-x.exited:
			return x.death("it " + what)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%v passed before the Envoy of %s %s; the end of its log: %s", readyWithin, x.Name, what, x.tail())
		case <-t.C:
		}
	}
}

// death says how Envoy died before something had come about, in one sentence.
func (x *proxy) death(before string) error {
	return fmt.Errorf("the Envoy of %s died before %s (%v); the end of its log: %s", x.Name, before, x.err, x.tail())
}

// silent is the error of an admin interface that did not answer; of an Envoy that is dead, its death.
func (x *proxy) silent(err error) error {
	select {
	case <-x.exited:
		return x.death("the drill was over")
	case <-time.After(lookTwice):
		return fmt.Errorf("asking the Envoy of %s: %w", x.Name, err)
	}
}

// tail is the end of Envoy's own log, or why it died and where, if it says so.
func (x *proxy) tail() string {
	b, _ := os.ReadFile(x.path("envoy.log"))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for i, l := range lines {
		if strings.Contains(l, "[critical]") {
			return strings.Join(lines[max(0, i-2):min(len(lines), i+4)], "; ")
		}
	}
	return strings.Join(lines[max(0, len(lines)-4):], "; ")
}

var adminClient = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4}}

// ask asks the admin interface.
func (x *proxy) ask(path string) (sidecar.Answer, error) {
	begin := time.Now()
	r, err := adminClient.Get("http://" + x.admin.String() + path)
	if err != nil {
		return sidecar.Answer{}, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, r.Status, bytes.TrimSpace(b))
	}
	return sidecar.Answer{Body: b, At: time.Now(), Took: time.Since(begin)}, err
}

// live reports whether Envoy says that it takes requests. A port that the system
// chose for its admin interface is in a file.
func (x *proxy) live() (bool, error) {
	if x.admin.Port() == 0 {
		b, _ := os.ReadFile(x.path(adminFile)) // it may not be there yet
		a, err := netip.ParseAddrPort(strings.TrimSpace(string(b)))
		if err != nil {
			return false, nil
		}
		x.admin = a
	}
	return x.Live(), nil
}

// waited is how long each of Envoy's threads has waited for a processor (proc(5), schedstat).
func (x *proxy) waited() map[string]time.Duration {
	all := map[string]time.Duration{}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", x.cmd.Process.Pid)) // the pattern is right
	for _, f := range files {
		var ran, waited int64
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		if _, err := fmt.Sscan(string(b), &ran, &waited); err == nil {
			all[f] = time.Duration(waited)
		}
	}
	return all
}

// stop ends Envoy and waits for it, so that its logs are whole.
func (x *proxy) stop() {
	if x.sds != nil {
		defer x.sds.Close()
	}
	if x.cmd == nil || x.exited == nil {
		return
	}
	_ = x.cmd.Process.Signal(syscall.SIGTERM) // it may have exited
	select {
	case <-x.exited:
	case <-time.After(3 * time.Second):
		_ = x.cmd.Process.Kill()
		<-x.exited
	}
}

// left is what the proxy wrote down, with its logs of requests; "": there is none.
func (x *proxy) left(access, upstream string) (observe.Client, error) {
	read := func(path string) []byte {
		b, _ := os.ReadFile(path) // one that is missing was never written
		return b
	}
	l := sidecar.Logs{Access: read(access), Outlier: read(x.path("outlier.log")), NoUpstream: upstream == ""}
	if upstream != "" {
		l.Upstream = read(upstream)
	}
	return x.Left(l)
}
