package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/observe"
)

// Proxy is one Envoy. Its methods may be called from several goroutines.
type Proxy struct {
	Name   string // of its client
	Client int
	// Ask asks its admin interface for a path.
	Ask func(path string) (Answer, error)
	// Home is the schedule's address for one that the proxy knows, host:port; nil: the same.
	Home func(address string) string
	// NameOf is the schedule's name for one that the proxy has for a host; nil: the same.
	NameOf func(name string) string
	// Silent says of an error of Ask whose it is; nil: in a few words.
	Silent func(error) error
	// Log is the end of Envoy's own log; nil: it is not to be had.
	Log func() string
	// Waited is how long each of its threads has been ready to run and did not, since
	// it began; nil: nobody counts that.
	Waited func() map[string]time.Duration

	mu    sync.Mutex // guards what follows
	polls []observe.Poll
	built map[observe.Built]bool
	busy  []observe.Busy
	waits []observe.Wait
	marks map[int]mark
}

// mark is what a proxy has taken and refused.
type mark struct{ taken, refused int64 }

// Answer is what the admin interface said, and when, by this process's clock, as
// near to the proxy as somebody looked.
type Answer struct {
	Body []byte
	At   time.Time
	Took time.Duration
}

// Get asks the admin interface, and remembers how long that took.
func (x *Proxy) Get(path string) ([]byte, error) {
	a, err := x.get(path)
	return a.Body, err
}

func (x *Proxy) get(path string) (Answer, error) {
	a, err := x.Ask(path)
	if err == nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.busy = append(x.busy, observe.Busy{End: a.At, For: a.Took})
	}
	return a, err
}

func (x *Proxy) silent(err error) error {
	if x.Silent == nil {
		return fmt.Errorf("asking the proxy of %s: %w", x.Name, err)
	}
	return x.Silent(err)
}

// Live reports whether Envoy says that it takes requests.
func (x *Proxy) Live() bool {
	b, err := x.Get("/ready")
	return err == nil && bytes.HasPrefix(b, []byte("LIVE"))
}

// Release is the proxy's own, 1.40.0 (envoy.admin.v3.ServerInfo: a hash, the release, and how it was built).
func (x *Proxy) Release() (string, error) {
	b, err := x.Get("/server_info")
	if err != nil {
		return "", x.silent(err)
	}
	var info struct{ Version string }
	if err := json.Unmarshal(b, &info); err != nil {
		return "", x.silent(err)
	}
	parts := strings.Split(info.Version, "/")
	if len(parts) < 2 {
		return "", x.silent(fmt.Errorf("its version is %q", info.Version))
	}
	release, _, _ := strings.Cut(parts[1], "-") // 1.36.2-dev is of the same line
	return release, nil
}

// stats reads the counters and gauges whose names match.
func (x *Proxy) stats(filter string) (map[string]int64, error) {
	b, err := x.Get("/stats?filter=" + filter)
	return observe.Stats(b), err
}

// Updates is how many updates of its configuration Envoy has taken and refused,
// and whether a cluster still warms.
func (x *Proxy) Updates() (taken, refused int64, warming bool, err error) {
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

// Reconnected waits until the proxy has been told everything anew since a step's mark, as
// a control plane does that it has just connected to, and is connected. Who that is, istiod
// does not say to a proxy.
func (x *Proxy) Reconnected(ctx context.Context, await Await, step int, quiet time.Duration) error {
	if err := x.TakenSince(ctx, await, step, quiet); err != nil {
		return err
	}
	return await(ctx, "was connected to its control plane", func() (bool, error) {
		m, err := x.stats(`^control_plane\.connected_state$`)
		return err == nil && m["control_plane.connected_state"] == 1, nil // one that does not answer is busy
	})
}

// Await polls until done says so, or says why that will never be. The words complete a sentence:
// the Envoy of sleep WHAT.
type Await func(ctx context.Context, what string, done func() (bool, error)) error

// Taken waits until the proxy has taken more updates than before, no cluster warms,
// and that has been so for a while; what it refuses is a *backend.RejectedError.
func (x *Proxy) Taken(ctx context.Context, await Await, before, refused int64, quiet time.Duration) error {
	last, since := int64(-1), time.Now()
	err := await(ctx, "had taken its configuration", func() (bool, error) {
		now, no, warming, err := x.Updates()
		if err != nil {
			return false, nil // it starts, or is busy
		}
		if no > refused {
			return false, x.Refused()
		}
		if now != last || warming {
			last, since = now, time.Now()
		}
		return now > before && !warming && time.Since(since) >= quiet, nil
	})
	if err != nil {
		return err
	}
	return x.Dump()
}

// Mark notes what the proxy has taken before a step hands it a configuration.
func (x *Proxy) Mark(step int) error {
	taken, refused, _, err := x.Updates()
	if err != nil {
		return x.silent(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.marks == nil {
		x.marks = map[int]mark{}
	}
	x.marks[step] = mark{taken, refused}
	return nil
}

// TakenSince is Taken since a step's mark. Where there is none, the step handed nothing over.
func (x *Proxy) TakenSince(ctx context.Context, await Await, step int, quiet time.Duration) error {
	x.mu.Lock()
	m, ok := x.marks[step]
	x.mu.Unlock()
	if !ok {
		return nil
	}
	return x.Taken(ctx, await, m.taken, m.refused, quiet)
}

// Refused is the error of a proxy that refuses its configuration.
func (x *Proxy) Refused() error {
	reason, err := x.reason()
	switch {
	case err != nil:
		reason = err.Error()
	case reason == "" && x.Log != nil:
		reason = x.Log()
	}
	return &backend.RejectedError{By: "Envoy", Reason: reason}
}

// reason is why Envoy refused its configuration, in its words.
func (x *Proxy) reason() (string, error) {
	b, err := x.Get("/config_dump")
	if err != nil {
		return "", err
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
	if err := json.Unmarshal(b, &doc); err != nil {
		return "", err
	}
	visit(doc)
	return strings.Join(reasons, "; "), nil
}

// Dump notes when each cluster was built.
func (x *Proxy) Dump() error {
	b, err := x.Get("/config_dump?resource=dynamic_active_clusters")
	if err != nil {
		return err
	}
	built, err := observe.ConfigDump(b)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.built == nil {
		x.built = map[observe.Built]bool{}
	}
	for _, e := range built {
		x.built[e] = true
	}
	return nil
}

// dumpPath is where a proxy tells its whole configuration.
const dumpPath = "/config_dump?include_eds"

// Last keeps what the proxy says at the end, as evidence. What it does not answer is left out.
func (x *Proxy) Last(sink backend.Sink) {
	for name, path := range map[string]string{"config_dump.json": dumpPath, "clusters.txt": "/clusters", "stats.txt": "/stats?usedonly"} {
		if b, err := x.Get(path); err == nil {
			sink.Evidence(backend.ClientFile(x.Name, name), b)
		}
	}
}

// Built is when each cluster was built, as far as somebody looked.
func (x *Proxy) Built() []observe.Built {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []observe.Built
	for b := range x.built {
		all = append(all, b)
	}
	return all
}

// pollFilter are the counters that no log has.
const pollFilter = `outlier_detection.ejections_(overflow|active|enforced_total|detected)|membership_|upstream_cx_connect_(fail|timeout)$|upstream_rq_(total|retry|pending_overflow|retry_overflow)$`

// Watch reads the counters now and then until the context is done, those of each host, too, if it is told to.
func (x *Proxy) Watch(ctx context.Context, every time.Duration, hosts bool) {
	t := time.NewTicker(every)
	defer t.Stop()
	waited := x.waiting()
	for {
		x.poll(hosts)
		waited()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// waiting notes, each time it is called, how long the thread that had to wait most has
// waited for a processor since the last time.
func (x *Proxy) waiting() func() {
	if x.Waited == nil {
		return func() {}
	}
	last, at := x.Waited(), time.Now()
	return func() {
		now, end := x.Waited(), time.Now()
		most := time.Duration(0)
		for thread, waited := range now {
			most = max(most, waited-last[thread])
		}
		if most > 0 {
			x.mu.Lock()
			x.waits = append(x.waits, observe.Wait{End: end, For: most, Of: end.Sub(at)})
			x.mu.Unlock()
		}
		last, at = now, end
	}
}

func (x *Proxy) poll(hosts bool) {
	counters := map[string]int64{}
	if hosts {
		if b, err := x.Get("/clusters"); err == nil {
			for k, v := range observe.Clusters(b) {
				counters[x.homeOfCounter(k)] = v
			}
		}
	}
	// The clusters' counters come last: what they count has no line in a log, and is
	// looked for before the reading.
	a, err := x.get("/stats?filter=" + pollFilter + "&usedonly")
	if err != nil {
		return // it is busy, or has died: whoever waits for it says so
	}
	maps.Copy(counters, observe.Stats(a.Body))
	poll := observe.Poll{At: a.At, Counters: counters}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.polls = append(x.polls, poll)
}

// home is an address of the schedule.
func (x *Proxy) home(address string) string {
	if x.Home == nil {
		return address
	}
	return x.Home(address)
}

// homeOfCounter is a counter's name, CLUSTER::ADDRESS::WHAT, with an address of the schedule.
func (x *Proxy) homeOfCounter(name string) string {
	parts := strings.Split(name, "::")
	if len(parts) != 3 {
		return name
	}
	parts[1] = x.home(parts[1])
	return strings.Join(parts, "::")
}

// Logs are what a proxy wrote down.
type Logs struct {
	Access   []byte
	Upstream []byte // the router's upstream log
	Outlier  []byte
	// NoUpstream says that there is no upstream log, rather than an empty one.
	NoUpstream bool
}

// Left is what is known of the proxy at the end, with addresses of the schedule.
func (x *Proxy) Left(l Logs) (observe.Client, error) {
	c := observe.Client{UpstreamLog: !l.NoUpstream, Built: observe.Together(x.Built())}
	var errs [3]error
	c.Access, errs[0] = observe.Access(l.Access)
	c.Upstream, errs[1] = observe.Upstream(l.Upstream)
	c.Outlier, errs[2] = observe.Outlier(l.Outlier)
	for _, log := range [][]observe.Line{c.Access, c.Upstream} {
		for i := range log {
			log[i].Host = x.home(log[i].Host)
			if x.NameOf != nil {
				log[i].HostName = x.NameOf(log[i].HostName)
			}
		}
	}
	for i := range c.Outlier {
		c.Outlier[i].Host = x.home(c.Outlier[i].Host)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c.Polls, c.Busy, c.Waits = x.polls, x.busy, x.waits
	return c, errors.Join(errs[:]...)
}
