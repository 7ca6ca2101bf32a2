package schedule_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
	"github.com/faildrill/faildrill/harness/xds"
)

// load reads Istio YAML or a scenario.
func load(t testing.TB, text string) *scenario.Input {
	t.Helper()
	name := filepath.Join(t.TempDir(), "drill.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := scenario.Load(scenario.Disk(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return in[0]
}

func fixture(t testing.TB, path string) *scenario.Input {
	t.Helper()
	in, err := scenario.Load(scenario.Disk(), []string{path})
	if err != nil {
		t.Fatal(err)
	}
	return in[0]
}

func compile(t testing.TB, in *scenario.Input) *schedule.Compiled {
	t.Helper()
	d, err := schedule.New(in, schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d.Compile()
}

const recipe = "fixtures/recipes/external-failover"

var invalidPort = "scenarios/failover/external-failover-invalid-port.yaml"

var byText = cmpopts.EquateComparable(netip.Addr{})

func TestSaveAndRead(t *testing.T) {
	for _, in := range []string{invalidPort, "scenarios/failover/region-heals.yaml", "scenarios/locality/distribute.yaml", "scenarios/retries/on-503.yaml"} {
		s := compile(t, fixture(t, in)).Schedule
		var b, again bytes.Buffer
		if err := s.Save(&b); err != nil {
			t.Fatal(err)
		}
		got, err := schedule.Read(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, got, byText, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s: saved - read +\n%s", in, d)
		}
		if err := got.Save(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Errorf("%s: saving what was read gives other bytes: %v", in, err)
		}
	}
}

func TestReadRefusesNonsense(t *testing.T) {
	good := compile(t, fixture(t, invalidPort)).Schedule
	for _, c := range []struct {
		name   string
		change func(*schedule.Schedule)
		want   string
	}{
		{"another schema", func(s *schedule.Schedule) { s.Schema = "v0" }, `schema "v0"`},
		{"no configuration", func(s *schedule.Schedule) { s.Configs = nil }, "0 configurations"},
		{"no documents", func(s *schedule.Schedule) { s.Documents = s.Documents[:1] }, "1 sets of documents"},
		{"a configuration for nobody", func(s *schedule.Schedule) { s.Configs[1] = nil }, "configuration 1 is for 0 clients"},
		{"no time between requests", func(s *schedule.Schedule) { s.Clients[0].Load.Every = 0 }, "cannot be sent"},
		{"fewer than no requests", func(s *schedule.Schedule) { s.Clients[0].Load.Count = -1 }, "cannot be sent"},
		{"no time at all", func(s *schedule.Schedule) { s.Duration = 0 }, "lasts 0s"},
		{"more than a day", func(s *schedule.Schedule) { s.Duration = trace.Sec(25 * time.Hour) }, "lasts 25h"},
		{"a scale of 0", func(s *schedule.Schedule) { s.Scale = 0 }, "scale 0"},
		{"a step of no configuration", func(s *schedule.Schedule) { s.Steps[0].Config = 2 }, "configuration 2 of 2"},
		{"an unknown kind", func(s *schedule.Schedule) { s.Steps[0].Kind = "nap" }, `unknown kind "nap"`},
		{"a fault of nobody", func(s *schedule.Schedule) { s.Steps[0].Kind = schedule.KindFault }, "fault of no upstream"},
		{"a fault of a stranger", func(s *schedule.Schedule) {
			s.Steps[0] = schedule.Step{Kind: schedule.KindFault, Fault: &schedule.Fault{Upstream: 2}}
		}, "fault of no upstream"},
		{"steps out of order", func(s *schedule.Schedule) {
			s.Steps = append(s.Steps, schedule.Step{At: 1, Kind: schedule.KindHeal})
		}, "before the one ahead of it"},
		{"ticks without end", func(s *schedule.Schedule) { cluster(s).OutlierDetection.Interval = 0 }, "interval of 0s"},
		{"ticks beyond number", func(s *schedule.Schedule) { cluster(s).OutlierDetection.Interval = 1 }, "interval of 1ns"},
		{"a far priority", func(s *schedule.Schedule) { cluster(s).Localities[0].Priority = 1 << 31 }, "priority 2147483648"},
		{"names that are asked for all the time", func(s *schedule.Schedule) { cluster(s).DNS = &xds.DNS{} }, "asked for every 0s"},
		{"a TTL of the past", func(s *schedule.Schedule) { s.Upstreams[0].TTL = -1 }, "upstream 0: a TTL of -1ns"},
		{"an unknown answer", func(s *schedule.Schedule) {
			s.Steps[0] = schedule.Step{Kind: schedule.KindFault, Fault: &schedule.Fault{Behaviour: schedule.Answer, Answer: "MAYBE", DNS: "x"}}
		}, `unknown answer "MAYBE"`},
		{"a DNS fault of no name", func(s *schedule.Schedule) {
			s.Steps[0] = schedule.Step{Kind: schedule.KindFault, Fault: &schedule.Fault{Behaviour: schedule.Addresses}}
		}, "no name"},
		{"a fault with a TTL of the past", func(s *schedule.Schedule) {
			s.Steps[0] = schedule.Step{Kind: schedule.KindFault, Fault: &schedule.Fault{Behaviour: schedule.Addresses, DNS: "x", TTL: -1}}
		}, "TTL of -1ns"},
		{"no overprovisioning", func(s *schedule.Schedule) { cluster(s).OverprovisioningFactor = 0 }, "overprovisioning"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := good.Save(&b); err != nil {
				t.Fatal(err)
			}
			var s schedule.Schedule
			if err := json.Unmarshal(b.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
			c.change(&s)
			b.Reset()
			if err := s.Save(&b); err != nil {
				t.Fatal(err)
			}
			if _, err := schedule.Read(&b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := schedule.Read(strings.NewReader(`{"schema"`)); err == nil {
		t.Error("half a file is read without an error")
	}
}

func cluster(s *schedule.Schedule) *xds.Cluster { return &s.Configs[0][0].Clusters[0] }

func TestSchedules(t *testing.T) {
	s := compile(t, fixture(t, invalidPort)).Schedule
	l := s.Clients[0].Load
	if l.Host != "mydb.com" || l.Port != 80 || l.Path != "/" || l.Count != 10 || l.Due(3) != trace.Sec(6*time.Second) || !l.KeepAlive {
		t.Errorf("load: %+v", l)
	}
	if len(s.Steps) != 1 || s.Steps[0].Kind != schedule.KindConfig || s.Steps[0].Config != 1 || s.Steps[0].Name != "east on port 81" {
		t.Errorf("steps: %+v", s.Steps)
	}
	if got := s.Configs[1][0].Clusters[0].Localities[0].Endpoints[0].Port; got != 81 {
		t.Errorf("after the step the endpoint is on port %d; want 81", got)
	}
	before := s.Steps[0].At - 1
	if !slices.Contains(s.Observe, before) || !slices.Contains(s.Observe, s.Duration) || !slices.Contains(s.Observe, trace.Sec(19*time.Second)) {
		t.Errorf("endpoints are observed at %v; want just before the step, at 19s and at the end", s.Observe)
	}
	if u := s.Upstreams[0]; !u.Listens(80) || u.Listens(81) || len(u.IPs) != 1 {
		t.Errorf("east: %+v", u)
	}
}

func TestResolve(t *testing.T) {
	in := load(t, `
apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: resolve}
spec:
  duration: 10s
  upstreams:
  - {name: east, address: East.example., ports: [80], addresses: 3}
  - {name: west, address: 2001:db8::1, ports: [80, 8080]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints: [{address: east.example, locality: us-east1}, {address: "2001:DB8::1", locality: us-west}]
`)
	s := compile(t, in).Schedule
	ip := func(texts ...string) (out []netip.Addr) {
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(text))
		}
		return out
	}
	for address, want := range map[string][]netip.Addr{
		"east.example":  ip("198.18.0.1", "198.18.0.2", "198.18.0.3"),
		"EAST.example.": ip("198.18.0.1", "198.18.0.2", "198.18.0.3"),
		"2001:DB8::1":   ip("2001:db8::1"),
		"10.1.2.3":      ip("10.1.2.3"),
		"north.example": nil,
	} {
		if got := s.Resolve(address); !slices.Equal(got, want) {
			t.Errorf("%s resolves to %v; want %v", address, got, want)
		}
	}
	for address, want := range map[string]int32{"198.18.0.3": 0, "2001:db8::1": 1, "10.1.2.3": -1, "198.18.0.4": -1} {
		if got := s.UpstreamAt(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is upstream %d; want %d", address, got, want)
		}
	}
	if u := s.Upstreams[1]; !u.Listens(8080) || u.Listens(81) {
		t.Errorf("west listens on %v", u.Ports)
	}
}

func TestObjectsOfOneLineKeepTheirText(t *testing.T) {
	in := load(t, `{"apiVersion":"v1","kind":"List","items":[`+
		`{"apiVersion":"networking.istio.io/v1","kind":"ServiceEntry","metadata":{"name":"a"},"spec":{"hosts":["mydb.com"],"ports":[{"number":80,"name":"http","protocol":"HTTP"}],"resolution":"DNS","endpoints":[{"address":"e.x"}]}},`+
		`{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"b"},"spec":{"host":"mydb.com"}}]}`)
	ds, err := schedule.Drills(in, schedule.Options{}, nil)
	if err != nil || len(ds) == 0 {
		t.Fatalf("%d drills: %v", len(ds), err)
	}
	for _, doc := range ds[0].Compile().Schedule.Documents[0] {
		if !strings.Contains(doc.YAML, doc.Kind) || !strings.Contains(doc.YAML, `"`+doc.Name+`"`) {
			t.Errorf("%s %s is written as %s", doc.Kind, doc.Name, doc.YAML)
		}
	}
}

func TestFaultWords(t *testing.T) {
	for _, c := range []struct {
		f    schedule.Fault
		want string
	}{
		{schedule.Fault{Behaviour: schedule.Status, Status: 503}, "answers 503"},
		{schedule.Fault{Behaviour: schedule.Hang, Hang: "headers"}, "hangs before the headers"},
		{schedule.Fault{Behaviour: schedule.Hang, Hang: "body"}, "hangs in the body"},
		{schedule.Fault{Behaviour: schedule.Delay, Delay: trace.Sec(time.Second)}, "answers late by 1s"},
		{schedule.Fault{Behaviour: schedule.Answer, Answer: "NXDOMAIN"}, "resolves to nothing (NXDOMAIN)"},
		{schedule.Fault{Behaviour: schedule.Answer, Answer: "timeout"}, "does not resolve (the DNS does not answer)"},
		{schedule.Fault{Behaviour: schedule.Addresses, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}}, "resolves to 10.0.0.1, 10.0.0.2"},
	} {
		if got := schedule.FaultWords(&c.f); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// fill sets every number, flag and text under v, and gives every pointer, slice
// and map something.
func fill(v reflect.Value, path string, times map[string]reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, times)
	case reflect.Slice:
		if v.Type().Elem() == reflect.TypeFor[netip.Addr]() {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path, times)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), path+"."+f.Name, times)
			}
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		if v.Type() == reflect.TypeFor[trace.Sec]() || v.Type() == reflect.TypeFor[time.Duration]() {
			v.SetInt(int64(40 * time.Second))
			times[path] = v
			return
		}
		v.SetInt(40)
	case reflect.Int, reflect.Int32:
		v.SetInt(40)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(40)
	case reflect.Float64:
		v.SetFloat(40)
	}
}

// Scaled divides every time of the schedule, but for those that the machine
// takes, and nothing else. A field that is added to any of the types has to be
// decided on here.
func TestScaledDividesEveryTime(t *testing.T) {
	kept := []string{".Upstreams.Latency"}
	var s, same schedule.Schedule
	times := map[string]reflect.Value{}
	fill(reflect.ValueOf(&s).Elem(), "", times)
	fill(reflect.ValueOf(&same).Elem(), "", map[string]reflect.Value{})
	s.Scale, same.Scale = 1, 1
	fast := s.Scaled(4)
	if d := cmp.Diff(s, same, byText); d != "" {
		t.Errorf("the schedule itself was changed:\n%s", d)
	}
	if fast.Scale != 4 {
		t.Errorf("scale %v; want 4", fast.Scale)
	}
	for path, v := range times {
		v.SetInt(v.Int() / 4)
		if slices.Contains(kept, path) {
			v.SetInt(v.Int() * 4)
		}
	}
	s.Scale = 4
	if d := cmp.Diff(&s, fast, byText); d != "" {
		t.Errorf("a time was forgotten, or more than a time was divided (want - got +):\n%s", d)
	}
	if len(times) < 26 {
		t.Errorf("only %d times were found: %v", len(times), times)
	}
}

func TestScaledKeepsTheOrderOfTies(t *testing.T) {
	in := load(t, ties)
	s := compile(t, in).Schedule
	for _, n := range []float64{3, 7, 9, 13, 60, 1000} {
		fast := s.Scaled(n)
		l, step := &fast.Clients[0].Load, fast.Steps[0].At
		if l.Due(10) < step || l.Due(9) >= step {
			t.Errorf("scale %v: requests due at %v and %v, the step at %v; the second is due with the step, and comes after it", n, l.Due(9).D(), l.Due(10).D(), step.D())
		}
	}
	if s.Scaled(1) != s {
		t.Error("a scale of 1 makes another schedule")
	}
}

const ties = `
apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: ties}
spec:
  duration: 40s
  clients: [{name: a, locality: us-east1, traffic: {every: 2s, start: 1s}}]
  upstreams: [{name: east, address: east.x}, {name: west, address: west.x}]
  timeline:
  - {at: 21s, fault: {upstream: east, refuse: true}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mydb}
spec:
  hosts: [mydb.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  endpoints: [{address: east.x, locality: us-east1}, {address: west.x, locality: us-west}]
`

func TestMeshReachesTheTranslation(t *testing.T) {
	in := load(t, strings.Replace(ties, "  duration: 40s", "  duration: 40s\n  mesh: {connectTimeout: 3s, defaultRetryAttempts: 0}", 1))
	c := compile(t, in)
	if got := cluster(c.Schedule).ConnectTimeout; got != 3*time.Second {
		t.Errorf("connect timeout %v; want 3s", got)
	}
	if r := c.Schedule.Configs[0][0].VirtualHosts[0].Routes[0].Retry; r != nil && r.NumRetries != 0 {
		t.Errorf("retries: %+v; want none", r)
	}
}

// The same reaches a control plane, spelled as in Istio's MeshConfig.
func TestMeshConfig(t *testing.T) {
	in := load(t, strings.Replace(ties, "  duration: 40s", "  duration: 40s\n  mesh: {connectTimeout: 3s, localityFailover: false, failover: [{from: a, to: b}], defaultRetryAttempts: 5}", 1))
	want := map[string]any{
		"connectTimeout":         "3s",
		"localityLbSetting":      map[string]any{"enabled": false, "failover": []any{map[string]any{"from": "a", "to": "b"}}},
		"defaultHttpRetryPolicy": map[string]any{"attempts": 5},
	}
	if d := cmp.Diff(want, compile(t, in).Schedule.MeshConfig); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// A DNS fault names an upstream or its DNS name; upstreams in its addresses stand
// for all of theirs, on the ports of those that they stand in for.
func TestDNSFaults(t *testing.T) {
	in := load(t, strings.Replace(strings.Replace(ties, "{name: west, address: west.x}", "{name: west, address: west.x, addresses: 2, ttl: 5s}, {name: spare, address: 192.0.2.7}", 1),
		"  - {at: 21s, fault: {upstream: east, refuse: true}}", `  - {at: 1s, fault: {dns: east, answer: SERVFAIL}}
  - {at: 2s, fault: {dns: WEST.x., addresses: [spare, 192.0.2.9, west], for: 3s}}
  - {at: 3s, fault: {name: at once, dns: west, addresses: [east], ttl: 0s}}`, 1))
	s := compile(t, in).Schedule
	ip := netip.MustParseAddr
	want := []schedule.Fault{
		{Name: "east-servfail", DNS: "east.x", Behaviour: schedule.Answer, Answer: "SERVFAIL"},
		{
			Name: "WEST.x.-addresses", Upstream: 1, DNS: "west.x", Behaviour: schedule.Addresses, For: trace.Sec(3 * time.Second), TTL: trace.Sec(5 * time.Second),
			Addresses: []netip.Addr{ip("192.0.2.7"), ip("192.0.2.9"), ip("198.18.1.1"), ip("198.18.1.2")},
		},
		{Name: "at once", Upstream: 1, DNS: "west.x", Behaviour: schedule.Addresses, Addresses: []netip.Addr{ip("198.18.0.1")}},
	}
	for i, st := range s.Steps {
		if d := cmp.Diff(&want[i], st.Fault, byText); d != "" {
			t.Errorf("step %d (-want +got)\n%s", i, d)
		}
	}
	if u := s.Upstreams; len(u[2].Ports) != 1 || u[2].Ports[0] != 80 || u[2].TTL != 0 || u[0].TTL != trace.Sec(30*time.Second) || u[1].TTL != trace.Sec(5*time.Second) {
		t.Errorf("upstreams: got %+v; want spare on port 80, and ttls of 30s, 5s and none", u)
	}
}
