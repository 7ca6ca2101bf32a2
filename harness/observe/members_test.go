package observe_test

import (
	"strings"
	"testing"

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
	polls := in.Clients[0].Polls
	gone, back := -1, -1
	for i := 1; i < len(polls); i++ {
		at := trace.Sec(polls[i].At.Sub(in.Origin))
		if at >= first.At {
			back = i
			break
		}
		if gone < 0 {
			gone = i
		}
		for name := range polls[i].Counters {
			if strings.Contains(name, "::"+address+"::") {
				delete(polls[i].Counters, name)
			}
		}
	}
	if gone < 0 || back <= gone {
		t.Fatalf("no reading before %v", first.At.D())
	}
	var got []trace.Change
	for _, c := range observe.Merge(in).Changes {
		if c.Event == trace.Added || c.Event == trace.Removed {
			got = append(got, c)
		}
	}
	if len(got) != 2 || got[0].Event != trace.Removed || got[1].Event != trace.Added || got[0].Host != host || got[1].Host != host {
		t.Fatalf("got %+v", got)
	}
	if want := trace.Sec(polls[gone].At.Sub(in.Origin)); got[0].At != want {
		t.Errorf("removed at %v, want %v", got[0].At.D(), want.D())
	}
	if got[1].At != first.At-1 {
		t.Errorf("added at %v, want just before %v", got[1].At.D(), first.At.D())
	}
	// A cluster that was built anew is another one.
	in.Clients[0].Built = append(in.Clients[0].Built,
		observe.Built{At: polls[gone].At, Cluster: before.Hosts[host].Cluster}, observe.Built{At: polls[back].At, Cluster: before.Hosts[host].Cluster})
	for _, c := range observe.Merge(in).Changes {
		if c.Event == trace.Added || c.Event == trace.Removed {
			t.Errorf("%+v of a cluster that was built anew", c)
		}
	}
}
