package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/engine"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
	"github.com/faildrill/faildrill/harness/trace"
)

// httpsRecipe is the external failover of istio.io with TLS that the proxy
// begins. The upstreams have certificates for their own names.
const httpsRecipe = `
apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: https}
spec:
  duration: 1800ms
  profile: PROFILE
  clients:
  - {name: sleep, locality: us-east1, traffic: {url: "http://mydb.com/", every: 300ms}}
  upstreams:
  - {name: east, address: dynamodb.us-east-1.amazonaws.com, ports: PORTS, tls: {clientCertificate: WANTED}}
  - {name: west, address: dynamodb.us-west-1.amazonaws.com, ports: [443], tls: {clientCertificate: WANTED}}
  timeline: [TIMELINE]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: external-svc-dns}
spec:
  hosts: [mydb.com]
  location: MESH_EXTERNAL
  resolution: DNS
  subjectAltNames: [ENTRYNAMES]
  ports: [{number: 80, name: http-port, protocol: HTTP, targetPort: 443}]
  endpoints:
  - {address: dynamodb.us-east-1.amazonaws.com, locality: us-east1}
  - {address: dynamodb.us-west-1.amazonaws.com, locality: us-west}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: mydynamodb}
spec:
  host: mydb.com
  trafficPolicy:
    tls: {TLS}
    loadBalancer:
      simple: ROUND_ROBIN
      localityLbSetting: {enabled: true, failover: [{from: us-east1, to: us-west}]}
    outlierDetection: {consecutive5xxErrors: 1, interval: 15s, baseEjectionTime: 1m MEP}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mydb}
spec: {hosts: [mydb.com], http: [{REWRITE route: [{destination: {host: mydb.com}}]}]}
`

// compile makes a schedule of a scenario.
func compile(t *testing.T, text string) *schedule.Schedule {
	t.Helper()
	in, err := scenario.Load(scenario.Files{Stdin: strings.NewReader(text)}, []string{"-"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := schedule.New(in[0], schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d.Compile().Schedule
}

// settled begins the load and the faults two seconds later: what was measured is of
// clusters that had been there for longer than a merge window.
func settled(s *schedule.Schedule) *schedule.Schedule {
	const by = trace.Sec(2 * time.Second)
	for i := range s.Steps {
		if s.Steps[i].At > 0 {
			s.Steps[i].At += by
		}
	}
	for i := range s.Clients {
		s.Clients[i].Load.Start += by
	}
	s.Duration += by
	return s
}

// answers is what the client gets, request by request.
func answers(tr *trace.Trace) string {
	var out []string
	for _, r := range tr.Requests {
		word := fmt.Sprint(r.Status)
		if r.Flags != 0 {
			word += " " + r.Flags.String()
		}
		if r.Upstream >= 0 {
			word += " " + tr.Run.Upstreams[r.Upstream]
		}
		out = append(out, word)
	}
	return strings.Join(out, ", ")
}

const (
	failsOver   = "200 east, 503 east, 200 west, 200 west, 200 west, 200 west"
	allEast     = "200 east, 200 east, 200 east, 200 east, 200 east, 200 east"
	allWest     = "200 west, 200 west, 200 west, 200 west, 200 west, 200 west"
	neverLeaves = "503 URX,UF, 503 URX,UF, 503 URX,UF, 503 URX,UF, 503 URX,UF, 503 URX,UF"
	// That west is out reaches the workers a second after it happened.
	noneLeft  = "503 URX,UF, 503 URX,UF, 503 URX,UF, 503 URX,UF, 503 UH, 503 UH"
	westFails = "200 east, 503 east, 503 URX,UF, 503 URX,UF, 503 URX,UF, 503 URX,UF"

	east = "dynamodb.us-east-1.amazonaws.com"
	west = "dynamodb.us-west-1.amazonaws.com"
	both = "subjectAltNames: [" + east + ", " + west + "]"
)

// The table of the HTTPS recipe, as measured on Envoy 1.40.0 and, where the
// behaviour was compared, 1.36.2, behind istiod of the 1.31 branch. "East
// answers 503" begins with the second request.
func TestHTTPSRecipeMeasured(t *testing.T) {
	for _, c := range []struct {
		name     string
		tls      string // beside mode SIMPLE
		noMEP    bool
		names    string // subjectAltNames of the ServiceEntry
		rewrite  string
		timeline string // for both runs
		ports    string // of east
		healthy  string
		broken   string // when east answers 503; "" was not measured
	}{
		{name: "as published", noMEP: true, healthy: neverLeaves, broken: neverLeaves},
		{name: "published + mep", healthy: noneLeft, broken: noneLeft},
		{name: "sni", tls: "sni: " + east, healthy: allEast, broken: failsOver},
		{name: "sni + subjectAltNames", tls: "sni: " + east + ", " + both, healthy: allEast, broken: failsOver},
		{name: "subjectAltNames of both", tls: both, healthy: allEast, broken: failsOver},
		{name: "subjectAltNames of east only", tls: "subjectAltNames: [" + east + "]", healthy: allEast, broken: westFails},
		{name: "subjectAltNames with a wildcard", tls: "subjectAltNames: ['*.amazonaws.com']", healthy: noneLeft},
		{name: "subjectAltNames of the ServiceEntry", names: east + ", " + west, healthy: noneLeft, broken: noneLeft},
		{name: "subjectAltNames of the ServiceEntry + sni", names: east + ", " + west, tls: "sni: " + east, healthy: allEast, broken: failsOver},
		{name: "right CA and nothing else", tls: "caCertificates: /p/ca.pem", healthy: noneLeft},
		{name: "right CA + both names", tls: "caCertificates: /p/ca.pem, " + both, healthy: allEast, broken: failsOver},
		{name: "right CA + sni", tls: "caCertificates: /p/ca.pem, sni: " + east, healthy: allEast},
		{
			name: "wrong CA + both names", tls: "caCertificates: /p/ca.pem, " + both, healthy: noneLeft,
			timeline: "{at: 0s, fault: {upstream: east, tls: unknownIssuer}}, {at: 0s, fault: {upstream: west, tls: unknownIssuer}}",
		},
		{name: "insecureSkipVerify", tls: "insecureSkipVerify: true", healthy: allEast, broken: failsOver},
		{name: "insecureSkipVerify with sni", tls: "insecureSkipVerify: true, sni: " + east, healthy: allEast},
		{name: "rewrite.authority", rewrite: "rewrite: {authority: " + east + "}", healthy: allEast, broken: westFails},
		{
			name: "plaintext in east", tls: "sni: " + east + ", " + both, healthy: allWest,
			timeline: "{at: 0s, fault: {upstream: east, tls: plaintext}}",
		},
		{name: "port of east closed", tls: "sni: " + east + ", " + both, ports: "[80]", healthy: allWest},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, envoy := range []string{"1.36.2", "1.40.0"} {
				run := func(want, timeline string) {
					t.Helper()
					s := compile(t, recipe(envoy, "SIMPLE", c.tls, c.names, c.rewrite, timeline, c.ports, c.noMEP, "none"))
					if got := answers(engine.Play(settled(s))); got != want {
						t.Errorf("Envoy %s, %s:\n got %s\nwant %s", envoy, timeline, got, want)
					}
				}
				run(c.healthy, c.timeline)
				if c.broken != "" {
					run(c.broken, strings.TrimPrefix(c.timeline+", {at: 100ms, fault: {upstream: east, status: 503}}", ", "))
				}
			}
		})
	}
}

func recipe(envoy, mode, tls, names, rewrite, timeline, ports string, noMEP bool, wanted string) string {
	mep := ", maxEjectionPercent: 100"
	if noMEP {
		mep = ""
	}
	if tls != "" {
		tls = ", " + tls
	}
	if rewrite != "" {
		rewrite += ","
	}
	if ports == "" {
		ports = "[443]"
	}
	return strings.NewReplacer("PROFILE", `"istio=1.31,envoy=`+envoy+`"`, "{TLS}", "{mode: "+mode+tls+"}", "ENTRYNAMES", names, "REWRITE", rewrite,
		"TIMELINE", timeline, "PORTS", ports, " MEP", mep, "WANTED", wanted).Replace(httpsRecipe)
}

// Three requests of the published recipe: nine connects fail, each is charged and
// detected, and none is enforced.
func TestPublishedFailureMeasured(t *testing.T) {
	s := compile(t, recipe("1.40.0", "SIMPLE", "", "", "", "", "", true, "none"))
	s.Clients[0].Load.Count = 3
	tr := engine.Play(s)
	overflow := 0
	for _, c := range tr.Changes {
		if c.Event == trace.OverflowEvent && c.Cause == "consecutive_5xx" {
			overflow++
		}
	}
	if overflow != 9 || len(tr.Attempts) != 9 {
		t.Errorf("got %d attempts and %d ejections that did not fit, want 9 and 9", len(tr.Attempts), overflow)
	}
	for _, a := range tr.Attempts {
		if a.Result != trace.Refused || !a.Charged || !strings.Contains(a.Reason, "Host") || tr.UpstreamOf(a.Host) != 0 {
			t.Errorf("got %+v", a)
		}
	}
}

// A client certificate that is missing shows after the handshake: the connection
// breaks, nothing is retried, and the host is charged once a request.
func TestClientCertificateMeasured(t *testing.T) {
	const files = ", clientCertificate: /p/c.pem, privateKey: /p/c.key"
	for _, c := range []struct{ name, mode, tls, timeline, want string }{
		{"MUTUAL", "MUTUAL", "sni: " + east + files, "", allEast},
		{"SIMPLE towards it", "SIMPLE", "sni: " + east, "", "503 UC, 503 UC, 503 UC, 503 UC, 503 UC, 503 UH"},
		{"from a moment on", "SIMPLE", "sni: " + east, "{at: 400ms, fault: {upstream: east, tls: clientCertificateRequired}}", "200 east, 200 east, 503 UC, 200 west, 200 west, 200 west"},
	} {
		wanted := "required"
		if c.timeline != "" {
			wanted = "none"
		}
		tr := engine.Play(settled(compile(t, recipe("1.40.0", c.mode, c.tls, "", "", c.timeline, "", false, wanted))))
		if got := answers(tr); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		for _, a := range tr.Attempts {
			if a.Result == trace.Reset && (a.N != 1 || !a.Charged || !strings.Contains(a.Reason, "client certificate")) {
				t.Errorf("%s: got %+v", c.name, a)
			}
		}
	}
}

const mesh = `
apiVersion: faildrill.dev/v1alpha1
kind: Scenario
metadata: {name: mesh}
spec:
  duration: 1800ms
  clients: [{name: sleep, locality: us-east1, traffic: {url: "http://httpbin.example/", every: 300ms}}]
  upstreams:
  - {name: east, address: 10.0.0.1, ports: [80] TLS}
  - {name: west, address: 10.0.0.2, ports: [80] TLS}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: httpbin}
spec:
  hosts: [httpbin.example]
  location: MESH_INTERNAL
  resolution: STATIC
  subjectAltNames: [NAMES]
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, locality: us-east1 BEHIND}
  - {address: 10.0.0.2, locality: us-west1 BEHIND}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: httpbin}
spec: {host: httpbin.example, trafficPolicy: {MODE outlierDetection: {consecutive5xxErrors: 1, maxEjectionPercent: 100}}}
`

// The table of mutual TLS inside the mesh.
func TestMeshTLSMeasured(t *testing.T) {
	const (
		httpbin = "spiffe://cluster.local/ns/default/sa/httpbin"
		server  = ", tls: {names: [" + httpbin + "], clientCertificate: required}"
		mutual  = "tls: {mode: ISTIO_MUTUAL},"
		account = ", serviceAccount: httpbin"
	)
	for _, c := range []struct{ name, mode, names, behind, tls, want string }{
		{"ISTIO_MUTUAL without names", mutual, "", "", server, allEast},
		{"ISTIO_MUTUAL, the ServiceEntry has the identity", mutual, httpbin, "", server, allEast},
		{"ISTIO_MUTUAL, another identity", mutual, "spiffe://cluster.local/ns/default/sa/other", "", server, noneLeft},
		{"by itself, endpoints with a service account", "", "", account, server, allEast},
		{"by itself, endpoints with the label", "", "", ", labels: {security.istio.io/tlsMode: istio}", server, allEast},
		{"by itself, neither", "", "", "", server, "400 east, 400 east, 400 east, 400 east, 400 east, 400 east"},
		{"the server that is expected", mutual, httpbin, "", "", allEast},
		{"the server that is expected, by itself", "", "", account, "", allEast},
		{"plain text on both sides", "", "", "", "", allEast},
	} {
		tr := engine.Play(compile(t, strings.NewReplacer("MODE", c.mode, "NAMES", c.names, " BEHIND", c.behind, " TLS", c.tls).Replace(mesh)))
		if got := answers(tr); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// Connections that were made before a certificate changed are closed with the
// restart, and the next handshake meets the new one; healed, it works again.
func TestTLSFaultBegins(t *testing.T) {
	for _, fault := range []string{"expired", "wrongName", "unknownIssuer", "plaintext"} {
		timeline := "{at: 100ms, fault: {upstream: east, tls: " + fault + ", for: 400ms}}"
		s := compile(t, strings.Replace(recipe("1.40.0", "SIMPLE", both, "", "", timeline, "", true, "none"), "simple: ROUND_ROBIN", "simple: RANDOM", 1))
		for _, cs := range s.Configs {
			for i := range cs[0].Clusters {
				cs[0].Clusters[i].OutlierDetection = nil // so that it is used again
			}
		}
		tr := engine.Play(s)
		if got, want := answers(tr), "200 east, 503 URX,UF, 200 east, 200 east, 200 east, 200 east"; got != want {
			t.Errorf("%s:\n got %s\nwant %s", fault, got, want)
		}
		if !slices.ContainsFunc(tr.Attempts, func(a trace.Attempt) bool { return a.Reason != "" && a.At > 1e8 && a.At < 5e8 }) {
			t.Errorf("%s: no attempt says why", fault)
		}
	}
}

// A hello waits as long as the connect may take, and is answered when the server goes on.
func TestPauseHoldsHandshakes(t *testing.T) {
	for name, c := range map[string]struct {
		heal   time.Duration
		result trace.Result
	}{"answered": {1500 * time.Millisecond, trace.Answered}, "given up": {4 * time.Second, trace.ConnectTimeout}} {
		s := compile(t, recipe("1.40.0", "SIMPLE", "sni: "+east+", "+both, "", "",
			"{at: 0s, fault: {name: still, upstream: east, pause: true}}, {at: 1700ms, heal: still}", "", true, "none"))
		s.Duration, s.Steps[1].At = trace.Sec(10*time.Second), trace.Sec(c.heal)
		s.Configs[0][0].Clusters[0].ConnectTimeout = 2 * time.Second
		tr := engine.Play(s)
		if a := tr.Attempts[0]; a.Result != c.result {
			t.Errorf("%s: got %v after %v", name, a.Result, (a.Done - a.At).D())
		}
	}
}
