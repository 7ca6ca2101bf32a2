package observe_test

import (
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/observe"
	"github.com/faildrill/faildrill/harness/trace"
)

// A host that /clusters does not list for a while has left and come back: between
// two readings, and before the first attempt on it.
func TestMembers(t *testing.T) {
	_, in := load(t, "testdata/1.40-timeout.txtar")
	before := observe.Merge(in)
	var host int32 = -1
	var first trace.Attempt // the first on the host that is used late only
	for _, a := range before.Attempts {
		if a.Host != before.Attempts[0].Host {
			host, first = a.Host, a
			break
		}
	}
	if host < 0 {
		t.Fatal("one host served everything")
	}
	address := before.Hosts[host].Address
	// The stored readings leave out those that say nothing new: these two do.
	reading := func(at time.Duration, without string) observe.Poll {
		p := observe.Poll{At: in.Origin.Add(at), Counters: map[string]int64{}}
		for name, n := range in.Clients[0].Polls[0].Counters {
			if without == "" || !strings.Contains(name, "::"+without+"::") {
				p.Counters[name] = n
			}
		}
		return p
	}
	gone, back := 4*time.Second, first.At.D()+10*time.Millisecond
	in.Clients[0].Polls = []observe.Poll{reading(3*time.Second, ""), reading(gone, address), reading(back, "")}
	var got []trace.Change
	for _, c := range observe.Merge(in).Changes {
		if c.Event == trace.Added || c.Event == trace.Removed {
			got = append(got, c)
		}
	}
	if len(got) != 2 || got[0].Event != trace.Removed || got[1].Event != trace.Added || got[0].Host != host || got[1].Host != host {
		t.Fatalf("got %+v", got)
	}
	if want := trace.Sec(gone); got[0].At != want {
		t.Errorf("removed at %v, want %v", got[0].At.D(), want.D())
	}
	if got[1].At != first.At-1 {
		t.Errorf("added at %v, want just before %v", got[1].At.D(), first.At.D())
	}
	// A cluster that was built anew is another one.
	in.Clients[0].Built = append(in.Clients[0].Built,
		observe.Built{At: in.Origin.Add(gone), Cluster: before.Hosts[host].Cluster}, observe.Built{At: in.Origin.Add(back), Cluster: before.Hosts[host].Cluster})
	for _, c := range observe.Merge(in).Changes {
		if c.Event == trace.Added || c.Event == trace.Removed {
			t.Errorf("%+v of a cluster that was built anew", c)
		}
	}
}
