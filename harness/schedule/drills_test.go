package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

func drills(t testing.TB, in *scenario.Input, o *schedule.ClientOverride) []*schedule.Drill {
	t.Helper()
	ds, err := schedule.Drills(in, schedule.Options{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// words are the drills as client and what they lose: name, client, the upstreams
// that refuse.
func words(ds []*schedule.Drill) []string {
	var out []string
	for _, d := range ds {
		s := d.Compile().Schedule
		c := s.Clients[0]
		w := d.Name + " | " + c.Name + " in " + c.Namespace + " at " + c.Locality.String() + " |"
		for _, st := range s.Steps {
			w += " " + s.Upstreams[st.Fault.Upstream].Name
		}
		out = append(out, w)
	}
	return out
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want - got +\n%s", d)
	}
}

func TestDrillsOfTheRecipe(t *testing.T) {
	ds := drills(t, fixture(t, recipe), nil)
	same(t, []string{
		"us-east1 loses dynamodb.us-east-1.amazonaws.com | us-east1 in default at us-east1 | us-east-1",
		"us-east1 loses dynamodb.us-west-1.amazonaws.com | us-east1 in default at us-east1 | us-west-1",
		"us-west loses dynamodb.us-east-1.amazonaws.com | us-west in default at us-west | us-east-1",
		"us-west loses dynamodb.us-west-1.amazonaws.com | us-west in default at us-west | us-west-1",
	}, words(ds))
	same(t, []string{
		"a client in region us-east1, namespace default, without labels (--client locality=...,namespace=...,labels=...)",
		"http://mydb.com/, 5 requests and then one every 2s for 2m0s",
		"every endpoint name resolves to one address; what is lost refuses connections",
	}, ds[0].Assumed)
	s := ds[0].Compile().Schedule
	l := s.Clients[0].Load
	before := 0
	for n := range l.Count {
		if l.Due(n) < s.Steps[0].At {
			before++
		}
	}
	if before != 5 || l.Count != 65 || s.Duration.D() != 130*time.Second {
		t.Errorf("%d requests before the loss, %d in all, in %v; want 5 of 65 in 2m10s", before, l.Count, s.Duration.D())
	}
	if f := s.Steps[0].Fault; f.Behaviour != schedule.Refuse || f.Percentage != 100 || !ds[0].Generated {
		t.Errorf("the loss: %+v", f)
	}
}

// entry is a ServiceEntry with these endpoints.
func entry(endpoints ...string) string {
	return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  ports: [{number: 8080, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints:
  - ` + strings.Join(endpoints, "\n  - ")
}

func TestDrillsOfSeveralEndpointsALocality(t *testing.T) {
	ds := drills(t, load(t, entry(
		"{address: e1.x, locality: us-east1/a}",
		"{address: e2.x, locality: us-east1/a}",
		"{address: e3.x, locality: us-east1/b}",
		"{address: W1.x., locality: us-west}",
		"{address: w2.x, locality: us-west}",
		"{address: z.x, locality: z-east}",
	)), nil)
	got := words(ds)
	if len(got) != 3*(6+2) {
		t.Fatalf("%d drills; want 24: three clients lose six endpoints and two localities\n%s", len(got), strings.Join(got, "\n"))
	}
	same(t, []string{
		"us-east1 loses e1.x | us-east1 in default at us-east1 | e1",
		"us-east1 loses e2.x | us-east1 in default at us-east1 | e2",
		"us-east1 loses e3.x | us-east1 in default at us-east1 | e3",
		"us-east1 loses W1.x. | us-east1 in default at us-east1 | w1",
		"us-east1 loses w2.x | us-east1 in default at us-east1 | w2",
		"us-east1 loses z.x | us-east1 in default at us-east1 | z",
		"us-east1 loses locality us-east1/a (2 endpoints) | us-east1 in default at us-east1 | e1 e2",
		"us-east1 loses locality us-west (2 endpoints) | us-east1 in default at us-east1 | w1 w2",
	}, got[:8])
	if u := ds[0].Compile().Schedule.Clients[0].Load.URL; u != "http://mydb.com:8080/" {
		t.Errorf("the URL is %s", u)
	}
}

func TestDrillsWithoutLocality(t *testing.T) {
	ds := drills(t, load(t, entry("{address: a.x}", "{address: b.x}")), nil)
	same(t, []string{
		"a client loses a.x | client in default at  | a",
		"a client loses b.x | client in default at  | b",
	}, words(ds))
	same(t, "a client without a locality, because no endpoint has one (--client locality=...)", ds[0].Assumed[0])
}

// Losing all that there is teaches nothing about failover.
func TestALocalityThatHoldsAllIsNotLost(t *testing.T) {
	ds := drills(t, load(t, entry("{address: a.x, locality: us-east1}", "{address: b.x, locality: us-east1}")), nil)
	same(t, []string{"us-east1 loses a.x | us-east1 in default at us-east1 | a", "us-east1 loses b.x | us-east1 in default at us-east1 | b"}, words(ds))
}

func TestDrillsOfAnotherClient(t *testing.T) {
	ds := drills(t, fixture(t, recipe), &schedule.ClientOverride{Locality: "eu/eu-1", Namespace: "shop", Labels: map[string]string{"app": "web"}})
	same(t, []string{
		"eu/eu-1 loses dynamodb.us-east-1.amazonaws.com | client in shop at eu/eu-1 | us-east-1",
		"eu/eu-1 loses dynamodb.us-west-1.amazonaws.com | client in shop at eu/eu-1 | us-west-1",
	}, words(ds))
	c := ds[0].Compile().Schedule.Clients[0]
	same(t, map[string]string{"app": "web"}, c.Labels)
	same(t, xds.Locality{Region: "eu", Zone: "eu-1"}, c.Locality)
	if strings.Contains(strings.Join(ds[0].Assumed, " "), "a client in region") {
		t.Errorf("a client that was given is said to be assumed: %q", ds[0].Assumed)
	}
}

func TestDrillsFollowTheProfile(t *testing.T) {
	p, err := istio.ParseProfile("1.19")
	if err != nil {
		t.Fatal(err)
	}
	ds, err := schedule.Drills(fixture(t, recipe), schedule.Options{Profile: &p, Seed: 7}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ds[0].Profile != p || ds[0].Compile().Schedule.Seed != 7 {
		t.Errorf("profile %v, seed %d", ds[0].Profile, ds[0].Seed)
	}
}

func TestThereIsNoDrillOfARuleAlone(t *testing.T) {
	if ds := drills(t, fixture(t, "fixtures/recipes/forecast-mtls"), nil); len(ds) != 0 {
		t.Errorf("got %v", words(ds))
	}
}
