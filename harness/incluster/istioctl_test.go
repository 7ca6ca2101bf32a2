package incluster

import (
	"maps"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/sidecar"
	"github.com/faildrill/faildrill/harness/trace"
)

// Where an endpoint is is kept for who reads the stored run; one that is at home needs none.
func TestElsewhere(t *testing.T) {
	v := &view{text: "ENDPOINT             STATUS      OUTLIER CHECK     CLUSTER\n172.18.0.5:80   HEALTHY   OK   outbound|80||mydb.com\n10.10.0.1:80   HEALTHY   OK   outbound|80||mydb.com\n"}
	home := func(at string) string {
		if at == "172.18.0.5:80" {
			return "198.18.0.1:80"
		}
		return at
	}
	got := map[string]string{}
	v.elsewhere(home, got)
	if want := map[string]string{"198.18.0.1:80": "172.18.0.5:80"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What a host was for an instant while istioctl looked is not held against the table.
func TestMoved(t *testing.T) {
	origin := time.Unix(1000, 0)
	v := &view{x: &client{Proxy: &sidecar.Proxy{Client: 1}}, from: origin.Add(5 * time.Second), to: origin.Add(6 * time.Second)}
	at := func(s float64, client int32, event string) []trace.Change {
		return []trace.Change{{At: trace.Sec(s * 1e9), Client: client, Event: event}}
	}
	for _, c := range []struct {
		name    string
		changes []trace.Change
		moved   bool
	}{
		{"nothing", nil, false},
		{"a return while it looked", at(5.5, 1, trace.Returned), true},
		{"an ejection just before, by a log that is off", at(4.95, 1, trace.Ejected), true},
		{"one long before", at(3, 1, trace.Ejected), false},
		{"one after", at(7, 1, trace.Returned), false},
		{"another client's", at(5.5, 0, trace.Returned), false},
		{"an ejection that was refused", at(5.5, 1, trace.OverflowEvent), false},
	} {
		if got := v.moved(c.changes, origin); got != c.moved {
			t.Errorf("%s: %v, want %v", c.name, got, c.moved)
		}
	}
}
