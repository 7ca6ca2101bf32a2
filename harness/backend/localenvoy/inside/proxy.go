package inside

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/faildrill/faildrill/harness/envoyconfig"
	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/sds"
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
	p      *player
	name   string // of its client
	client int
	dir    string
	net    clientNet
	admin  netip.AddrPort

	sds    *sds.Server
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // why it exited; set before exited is closed

	mu    sync.Mutex // guards what follows
	polls []observe.Poll
	built map[observe.Built]bool
	busy  []observe.Busy
}

func (p *player) newProxy(client int) (*proxy, error) {
	net, err := p.place.client()
	if err != nil {
		return nil, err
	}
	x := &proxy{
		p: p, name: p.s.Clients[client].Name, client: client, dir: p.path(fmt.Sprintf("client-%d", client)), net: net,
		admin: net.admin(), built: map[observe.Built]bool{},
	}
	if err := os.MkdirAll(x.dir, 0o755); err != nil {
		return nil, err
	}
	return x, p.certificates.serve(p, x)
}

func (x *proxy) path(name string) string { return x.dir + "/" + name }

// start starts Envoy with the bootstrap. Its access log of a mesh goes to its
// standard output, which it opens a second time: both have to append.
func (x *proxy) start(o envoyconfig.BootstrapOptions) error {
	c := &x.p.s.Clients[x.client]
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
			return fmt.Errorf("%v passed before the Envoy of %s %s; the end of its log: %s", readyWithin, x.name, what, x.tail())
		case <-t.C:
		}
	}
}

// death says how Envoy died before something had come about, in one sentence.
func (x *proxy) death(before string) error {
	return fmt.Errorf("the Envoy of %s died before %s (%v); the end of its log: %s", x.name, before, x.err, x.tail())
}

// silent is the error of an admin interface that did not answer; of an Envoy that is dead, its death.
func (x *proxy) silent(err error) error {
	select {
	case <-x.exited:
		return x.death("the drill was over")
	case <-time.After(lookTwice):
		return fmt.Errorf("asking the Envoy of %s: %w", x.name, err)
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

// get asks the admin interface.
func (x *proxy) get(path string) ([]byte, error) {
	begin := time.Now()
	defer func() {
		end := time.Now()
		x.mu.Lock()
		defer x.mu.Unlock()
		x.busy = append(x.busy, observe.Busy{End: end, For: end.Sub(begin)})
	}()
	r, err := adminClient.Get("http://" + x.admin.String() + path)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, r.Status, bytes.TrimSpace(b))
	}
	return b, err
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
	b, err := x.get("/ready")
	return err == nil && bytes.HasPrefix(b, []byte("LIVE")), nil
}

// stats reads the counters and gauges whose names match.
func (x *proxy) stats(filter string) (map[string]int64, error) {
	b, err := x.get("/stats?filter=" + filter)
	return observe.Stats(b), err
}

// updates is how many updates of its configuration Envoy has taken and refused,
// and whether a cluster still warms.
func (x *proxy) updates() (taken, refused int64, warming bool, err error) {
	m, err := x.stats(`update_(success|rejected)$|warming_clusters$`)
	for name, n := range m {
		switch {
		case strings.HasSuffix(name, ".update_success"):
			taken += n
		case strings.HasSuffix(name, ".update_rejected"):
			refused += n
		case strings.HasSuffix(name, "warming_clusters"):
			warming = warming || n > 0
		}
	}
	return taken, refused, warming, err
}

// reason is why Envoy refused its configuration, in its words.
func (x *proxy) reason() string {
	b, err := x.get("/config_dump")
	if err != nil {
		return err.Error()
	}
	var reasons []string
	var visit func(any)
	visit = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				visit(e)
			}
		case map[string]any:
			if e, ok := v["error_state"].(map[string]any); ok {
				if d, ok := e["details"].(string); ok {
					reasons = append(reasons, strings.TrimSpace(d))
				}
			}
			for _, e := range v {
				visit(e)
			}
		}
	}
	var doc any
	if json.Unmarshal(b, &doc) == nil {
		visit(doc)
	}
	if len(reasons) == 0 {
		return x.tail()
	}
	return strings.Join(reasons, "; ")
}

// dump notes when each cluster was built.
func (x *proxy) dump() error {
	b, err := x.get("/config_dump?resource=dynamic_active_clusters")
	if err != nil {
		return err
	}
	built, err := observe.ConfigDump(b)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range built {
		x.built[e] = true
	}
	return nil
}

// pollFilter are the counters that no log has.
const pollFilter = `outlier_detection.ejections_(overflow|active|enforced_total|detected)|membership_|upstream_cx_connect_(fail|timeout)$|upstream_rq_(total|retry|pending_overflow|retry_overflow)$`

// watch reads the counters now and then until the context is done.
func (x *proxy) watch(ctx context.Context, every time.Duration, hosts bool) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		x.poll(hosts)
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

func (x *proxy) poll(hosts bool) {
	m, err := x.stats(pollFilter + "&usedonly")
	if err != nil {
		return // it is busy, or has died: whoever waits for it says so
	}
	poll := observe.Poll{At: time.Now(), Counters: m}
	if hosts {
		if b, err := x.get("/clusters"); err == nil {
			for k, v := range observe.Clusters(b) {
				poll.Counters[x.p.homeOfCounter(k)] = v
			}
			poll.At = time.Now()
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.polls = append(x.polls, poll)
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

// left is what the proxy wrote down about one client.
func (x *proxy) left(access, upstream string) (observe.Client, error) {
	c := observe.Client{UpstreamLog: upstream != ""}
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil // nothing was ever written
		}
		return b
	}
	var errs [3]error
	c.Access, errs[0] = observe.Access(read(access))
	if upstream != "" {
		c.Upstream, errs[1] = observe.Upstream(read(upstream))
	}
	c.Outlier, errs[2] = observe.Outlier(read(x.path("outlier.log")))
	x.p.bringHome(&c)
	x.mu.Lock()
	defer x.mu.Unlock()
	c.Polls, c.Busy = x.polls, x.busy
	for b := range x.built {
		c.Built = append(c.Built, b)
	}
	return c, errors.Join(errs[:]...)
}
