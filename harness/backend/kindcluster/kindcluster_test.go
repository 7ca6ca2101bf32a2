package kindcluster

import (
	"net/netip"
	"testing"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/xds"
)

// playable is a schedule that the cluster can play.
func playable(t *testing.T) *schedule.Schedule {
	t.Helper()
	p, err := istio.ParseProfile("istio=1.31,envoy=1.40")
	if err != nil {
		t.Fatal(err)
	}
	return &schedule.Schedule{
		Profile: p, Scale: 1,
		Clients:   []schedule.Client{{Name: "sleep", Namespace: "default", Load: schedule.Load{URL: "http://mydb.com/"}}},
		Upstreams: []schedule.Upstream{{Name: "east", Address: "east.example", IPs: []netip.Addr{netip.MustParseAddr("198.18.0.1")}, Ports: []uint32{80}}},
		Documents: [][]schedule.Document{{{Kind: "ServiceEntry", Namespace: "default", Name: "mydb"}}},
		Configs:   [][]xds.Config{{{}}},
	}
}

// What is missing is named, each once.
func TestMissing(t *testing.T) {
	b := Backend{istio: "1.31.0", envoy: "1.40.0"}
	for feature, change := range map[string]func(*schedule.Schedule){
		"": func(s *schedule.Schedule) {
			s.Upstreams[0].Address, s.Steps = "198.18.0.1", faults(schedule.Addresses, schedule.Blackhole)
		},
		"Envoy 1.36.4":         func(s *schedule.Schedule) { s.Profile.Envoy = "1.36.4" },
		"Istio 1.19":           func(s *schedule.Schedule) { s.Profile.Istio = "1.19" },
		"scaled configuration": func(s *schedule.Schedule) { s.Scale = 4 },
		"mesh configuration":   func(s *schedule.Schedule) { s.MeshConfig = map[string]any{"connectTimeout": "1s"} },
		"configuration of the root namespace": func(s *schedule.Schedule) {
			s.Documents[0][0].Namespace, s.Clients[0].Namespace = "istio-system", "istio-system"
		},
		"several namespaces": func(s *schedule.Schedule) { s.Documents[0][0].Namespace = "weather" },
		"https clients":      func(s *schedule.Schedule) { s.Clients[0].Load.URL = "https://mydb.com/" },
		"IPv6": func(s *schedule.Schedule) {
			s.Upstreams[0].IPs = append(s.Upstreams[0].IPs, netip.MustParseAddr("2001:db8::1"))
		},
		"credentialName": func(s *schedule.Schedule) { speakTLS(s, &xds.TLS{CA: "mine-cacert"}) },
		"identities": func(s *schedule.Schedule) {
			speakTLS(s, &xds.TLS{CA: xds.MeshRoot, SANs: []string{"spiffe://cluster.local/ns/a/sa/b"}})
		},
	} {
		s := playable(t)
		change(s)
		ms := b.Missing(s)
		if feature == "" && len(ms) > 0 || feature != "" && (len(ms) != 1 || ms[0].Feature != feature || ms[0].Why == "") {
			t.Errorf("want %q missing, got %+v", feature, ms)
		}
	}
}

// speakTLS has the client's requests go to a cluster that begins TLS.
func speakTLS(s *schedule.Schedule, t *xds.TLS) {
	const name = "outbound|80||mydb.com"
	s.Clients[0].Load.Host, s.Clients[0].Load.Port, s.Clients[0].Load.Path = "mydb.com", 80, "/"
	s.Configs = [][]xds.Config{{{
		VirtualHosts: []xds.VirtualHost{{Port: 80, Domains: []string{"mydb.com"}, Routes: []xds.Route{{Cluster: name}}}},
		Clusters:     []xds.Cluster{{Name: name, TLS: t, Localities: []xds.LocalityEndpoints{{Endpoints: []xds.Endpoint{{Address: "east.example", Port: 80}}}}}},
	}}}
}

func faults(behaviours ...string) []schedule.Step {
	var steps []schedule.Step
	for _, b := range behaviours {
		steps = append(steps, schedule.Step{Kind: schedule.KindFault, Fault: &schedule.Fault{Behaviour: b}})
	}
	return steps
}

// A drill is predicted with what plays, unless it is about a release that nobody measured.
func TestLive(t *testing.T) {
	for _, c := range []struct{ istio, envoy, from, want string }{
		{"1.31.0", "1.40.0", "istio=1.31,envoy=1.39.3", "1.31 1.40.0"},
		{"1.31.0", "1.40.0", "istio=1.31,envoy=1.40", "1.31 1.40"},
		{"1.31.0", "1.40.0", "istio=1.31,envoy=1.36", "1.31 1.36"}, // it is about that Envoy
		{"1.31.0", "1.40.0", "1.19", "1.19 1.27"},                  // and it about that Istio
		{"1.31.0", "1.39.1", "1.31", "1.31 1.39"},
		{"1.30.2", "1.38.1", "1.31", "1.30.2 1.38.1"},
	} {
		p, err := istio.ParseProfile(c.from)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Backend{istio: c.istio, envoy: c.envoy}.Live(&schedule.Drill{Profile: p})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Profile.Istio + " " + d.Profile.Envoy; got != c.want {
			t.Errorf("%s on Istio %s with Envoy %s: played with %s, want %s", c.from, c.istio, c.envoy, got, c.want)
		}
	}
}
