package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/observe"
)

// envoy is an admin interface by path, without what follows the question mark.
type envoy map[string]string

func (e envoy) ask(path string) (Answer, error) {
	path, _, _ = strings.Cut(path, "?")
	text, ok := e[path]
	if !ok {
		return Answer{}, fmt.Errorf("no page %s", path)
	}
	return Answer{Body: []byte(text), At: time.Now()}, nil
}

func await(ctx context.Context, _ string, done func() (bool, error)) error {
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// A proxy has taken its configuration when more updates are counted and nothing warms; what
// it refuses is told in its words.
func TestTaken(t *testing.T) {
	e := envoy{"/config_dump": `{"configs": [{"dynamic_listeners": [{"error_state": {"details": "no such filter "}}]}]}`}
	x := &Proxy{Name: "sleep", Ask: e.ask}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	e["/stats"] = "cluster_manager.cds.update_success: 2\ncluster_manager.warming_clusters: 1\n"
	if err := x.Taken(ctx, await, 1, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cluster warms: got %v", err)
	}
	e["/stats"] = "cluster_manager.cds.update_success: 2\ncluster_manager.warming_clusters: 0\n"
	if err := x.Taken(t.Context(), await, 1, 0, time.Millisecond); err != nil {
		t.Errorf("got %v", err)
	}
	e["/stats"] += "listener_manager.lds.update_rejected: 1\n"
	var rejected *backend.RejectedError
	if err := x.Taken(t.Context(), await, 2, 0, 0); !errors.As(err, &rejected) || rejected.Reason != "no such filter" {
		t.Errorf("got %v", err)
	}
	e["/config_dump"], x.Log = "{}", func() string { return "the end of its log" }
	if err := x.Refused(); !errors.As(err, &rejected) || rejected.Reason != "the end of its log" {
		t.Errorf("got %v", err)
	}
}

// What a proxy writes down has its own addresses; a trace has the schedule's.
func TestHome(t *testing.T) {
	const where, home = "172.18.0.3:80", "198.18.0.1:80"
	e := envoy{"/stats": "", "/clusters": "c::" + where + "::cx_connect_fail::3\n"}
	x := &Proxy{
		Ask: e.ask, NameOf: strings.ToLower,
		Home: func(a string) string {
			if a == where {
				return home
			}
			return a
		},
	}
	x.poll(true)
	line := `{"request": "0", "start": "1.000000000", "end": "1.100000000", "host": "` + where + `", "hostName": "EAST", "status": 200, "cluster": "c"}` + "\n"
	event := `{"timestamp": "2026-01-01T00:00:00.000Z", "cluster_name": "c", "upstream_url": "` + where + `", "action": "EJECT", "type": "CONSECUTIVE_5XX", "num_ejections": 1, "enforced": true}` + "\n"
	c, err := x.Left(Logs{Access: []byte(line), Upstream: []byte(line), Outlier: []byte(event)})
	if err != nil {
		t.Fatal(err)
	}
	if !c.UpstreamLog || len(c.Access) != 1 || len(c.Upstream) != 1 || len(c.Outlier) != 1 || len(c.Polls) != 1 || len(c.Busy) == 0 {
		t.Fatalf("got %+v", c)
	}
	for _, l := range []observe.Line{c.Access[0], c.Upstream[0]} {
		if l.Host != home || l.HostName != "east" {
			t.Errorf("got %+v", l)
		}
	}
	if c.Outlier[0].Host != home {
		t.Errorf("got %+v", c.Outlier[0])
	}
	if n := c.Polls[0].Counters["c::"+home+"::cx_connect_fail"]; n != 3 {
		t.Errorf("got %v", c.Polls[0].Counters)
	}
	if c, err := x.Left(Logs{NoUpstream: true}); err != nil || c.UpstreamLog {
		t.Errorf("got %+v, %v", c, err)
	}
}

// Clusters of one response are told as such, whatever was asked meanwhile.
func TestLeftTellsResponses(t *testing.T) {
	const first, second = "2026-01-01T00:00:00.100Z", "2026-01-01T00:00:00.160Z"
	cluster := func(name, at string) string {
		return fmt.Sprintf(`{"cluster": {"name": %q}, "last_updated": %q}`, name, at)
	}
	e := envoy{}
	x := &Proxy{Ask: e.ask}
	for _, of := range []string{first, "2026-01-01T00:00:09.000Z"} { // that of a changes
		e["/config_dump"] = `{"configs": [` + cluster("b", second) + `, ` + cluster("a", of) + `]}`
		if err := x.Dump(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := x.Left(Logs{})
	if err != nil || len(c.Built) != 3 {
		t.Fatalf("got %+v, %v", c.Built, err)
	}
	for _, b := range c.Built {
		if late := b.Own().Sub(b.At); late != map[string]time.Duration{"a": 0, "b": 60 * time.Millisecond}[b.Cluster] {
			t.Errorf("%+v: %v", b, late)
		}
	}
}

// What a proxy waited for a processor is counted from one look to the next.
func TestWaits(t *testing.T) {
	main, worker := 7*time.Second, time.Duration(0)
	x := &Proxy{Ask: envoy{}.ask, Waited: func() map[string]time.Duration {
		return map[string]time.Duration{"main": main, "worker": worker}
	}}
	look := x.waiting()
	look() // what it waited before nobody knows when
	main, worker = main+30*time.Millisecond, worker+20*time.Millisecond
	look()
	look() // nothing since
	c, err := x.Left(Logs{})
	if err != nil || len(c.Waits) != 1 || c.Waits[0].For != 30*time.Millisecond || c.Waits[0].Of <= 0 {
		t.Errorf("got %+v, %v", c.Waits, err)
	}
}
