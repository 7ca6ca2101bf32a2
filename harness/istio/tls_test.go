package istio

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/xds"
)

// What istiod of the 1.31 branch sends for each block, and what earlier releases do.
func TestOriginatedTLS(t *testing.T) {
	const svc = "outbound|80||svc.com"
	both := []string{"a.example", "b.example"}
	for _, c := range []struct {
		release, block string
		want           *xds.TLS
	}{
		{"1.31", "{}", nil}, // the mode that comes first is DISABLE
		{"1.31", "{mode: DISABLE}", nil},
		{"1.31", "{mode: SIMPLE}", &xds.TLS{AutoSNI: true, AutoSANValidation: true, CA: "file-root:system"}},
		{"1.31", "{mode: SIMPLE, sni: a.example}", &xds.TLS{SNI: "a.example", CA: "file-root:system"}},
		{"1.31", "{mode: SIMPLE, subjectAltNames: [a.example, b.example]}", &xds.TLS{AutoSNI: true, SANs: both, CA: "file-root:system"}},
		{"1.31", "{mode: SIMPLE, sni: a.example, subjectAltNames: [a.example, b.example]}", &xds.TLS{SNI: "a.example", SANs: both, CA: "file-root:system"}},
		{"1.31", "{mode: SIMPLE, caCertificates: /p/ca.pem}", &xds.TLS{AutoSNI: true, AutoSANValidation: true, CA: "file-root:/p/ca.pem"}},
		{"1.31", "{mode: SIMPLE, insecureSkipVerify: true}", &xds.TLS{AutoSNI: true}},
		{"1.31", "{mode: SIMPLE, insecureSkipVerify: true, sni: a.example}", &xds.TLS{SNI: "a.example"}},
		{"1.31", "{mode: SIMPLE, credentialName: c}", nil},
		{"1.31", "{mode: SIMPLE, credentialName: configmap://c}", &xds.TLS{AutoSNI: true, AutoSANValidation: true, CA: "configmap://c-cacert"}},
		{
			"1.31", "{mode: MUTUAL, clientCertificate: /p/c.pem, privateKey: /p/c.key, caCertificates: /p/ca.pem, sni: a.example}",
			&xds.TLS{SNI: "a.example", CA: "file-root:/p/ca.pem", Certificate: "file-cert:/p/c.pem~/p/c.key"},
		},
		{"1.31", "{mode: ISTIO_MUTUAL}", &xds.TLS{SNI: "outbound_.80_._.svc.com", CA: "ROOTCA", Certificate: "default"}},
		{
			"1.31", "{mode: ISTIO_MUTUAL, sni: a.example, subjectAltNames: [b.example]}",
			&xds.TLS{SNI: "a.example", SANs: []string{"b.example"}, CA: "ROOTCA", Certificate: "default"},
		},
		{"1.20", "{mode: SIMPLE}", &xds.TLS{}},
		{"1.20", "{mode: SIMPLE, subjectAltNames: [a.example]}", &xds.TLS{}},
		{"1.20", "{mode: SIMPLE, caCertificates: /p/ca.pem, subjectAltNames: [a.example, b.example]}", &xds.TLS{CA: "file-root:/p/ca.pem", SANs: both}},
		{"1.21", "{mode: SIMPLE}", &xds.TLS{AutoSNI: true, AutoSANValidation: true, CA: "file-root:system"}},
	} {
		tr := translate(t, c.release, ruleYAML("d", "tls: "+c.block))
		if diff := cmp.Diff(c.want, cluster(t, tr, svc).TLS); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.release, c.block, diff)
		}
		for _, n := range tr.NotModelled {
			t.Errorf("%s %s: %s", c.release, c.block, n)
		}
	}
	crl := translate(t, "1.31", ruleYAML("d", "tls: {mode: SIMPLE, caCrl: /p/crl}"))
	if len(crl.NotModelled) != 1 || !crl.NotModelled[0].Decides {
		t.Errorf("caCrl: got %v", crl.NotModelled)
	}
	for release, want := range map[string]bool{"1.31": true, "1.13": false} {
		tr := Translate(read(t, "in.yaml", twoRegions+`---
kind: DestinationRule
metadata: {name: d}
spec: {host: svc.com, workloadSelector: {matchLabels: {app: a}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: c}}}
`), Client{Namespace: "default", Labels: map[string]string{"app": "a"}}, Mesh{}, profile(t, release))
		got := cluster(t, tr, svc).TLS
		if (got != nil) != want || got != nil && (got.CA != "c-cacert" || got.Certificate != "c") {
			t.Errorf("%s: a secret and a selector: got %+v", release, got)
		}
	}
}

const internalServices = `
kind: ServiceEntry
metadata: {name: svc, namespace: apps}
spec:
  hosts: [svc.com]
  location: MESH_INTERNAL
  resolution: STATIC
  subjectAltNames: [own.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, serviceAccount: b}
  - {address: 10.0.0.2, serviceAccount: a, labels: {security.istio.io/tlsMode: disabled}}
  - {address: 10.0.0.3, labels: {security.istio.io/tlsMode: istio}}
  - {address: 10.0.0.4}
`

// The identities and modes of endpoints; measured where the mesh decides by itself.
func TestMeshTLS(t *testing.T) {
	names := []string{"own.example", "spiffe://cluster.local/ns/apps/sa/a", "spiffe://cluster.local/ns/apps/sa/b"}
	mesh := xds.TLS{SNI: "outbound_.80_._.svc.com", SANs: names, CA: "ROOTCA", Certificate: "default"}
	matched := mesh
	matched.Match = true
	rule := "---\nkind: DestinationRule\nmetadata: {name: d, namespace: apps}\nspec: {host: svc.com, trafficPolicy: {tls: {mode: "
	passthrough := "---\nkind: DestinationRule\nmetadata: {name: d, namespace: apps}\nspec: {host: svc.com, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}\n"
	for _, c := range []struct {
		name, text string
		want       *xds.TLS
		modes      string
	}{
		{"by itself", internalServices, &matched, "istio - istio -"},
		{"a DNS cluster", strings.Replace(internalServices, "STATIC", "DNS", 1), &matched, "istio - istio -"},
		{"outside the mesh", strings.Replace(internalServices, "MESH_INTERNAL", "MESH_EXTERNAL", 1), nil, "istio - istio -"},
		{"ISTIO_MUTUAL", internalServices + rule + "ISTIO_MUTUAL}}}", &mesh, "istio - istio -"},
		{"DISABLE", internalServices + rule + "DISABLE}}}", nil, "- - - -"},
		{"passthrough", internalServices + passthrough, nil, ""},
		{"SIMPLE", internalServices + rule + "SIMPLE}}}", &xds.TLS{AutoSNI: true, AutoSANValidation: true, SANs: names, CA: "file-root:system"}, "- - - -"},
		{"SIMPLE with names", internalServices + rule + "SIMPLE, subjectAltNames: [x]}}}", &xds.TLS{AutoSNI: true, SANs: []string{"x"}, CA: "file-root:system"}, "- - - -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := Translate(read(t, "in.yaml", c.text), Client{Namespace: "apps"}, Mesh{}, profile(t, "1.31"))
			got := cluster(t, tr, "outbound|80||svc.com")
			if diff := cmp.Diff(c.want, got.TLS); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var modes []string
			for _, l := range got.Localities {
				for _, e := range l.Endpoints {
					if e.TLSMode == "" {
						e.TLSMode = "-"
					}
					modes = append(modes, e.TLSMode)
				}
			}
			if got := strings.Join(modes, " "); got != c.modes {
				t.Errorf("modes: got %s, want %s", got, c.modes)
			}
		})
	}
	all := strings.ReplaceAll(strings.Replace(internalServices, "  - {address: 10.0.0.4}\n", "", 1), "disabled", "istio")
	if got := cluster(t, Translate(read(t, "in.yaml", all+passthrough), Client{Namespace: "apps"}, Mesh{TrustDomain: "other"}, profile(t, "1.31")), "outbound|80||svc.com").TLS; got == nil ||
		got.Match || got.SANs[1] != "spiffe://other/ns/apps/sa/a" {
		t.Errorf("passthrough to sidecars only: got %+v", got)
	}
	// Measured: the endpoints are looked at where the subset's own policy says
	// PASSTHROUGH, not where it has that from its rule.
	subsets := strings.Replace(passthrough, "}}}\n", "}}, subsets: [{name: plain}, {name: own, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}]}\n", 1)
	tr := Translate(read(t, "in.yaml", internalServices+subsets), Client{Namespace: "apps"}, Mesh{}, profile(t, "1.31"))
	if got := cluster(t, tr, "outbound|80|plain|svc.com"); got.Type != xds.OriginalDst || got.TLS == nil || got.TLS.Match || got.TLS.SNI != "outbound_.80_.plain_.svc.com" {
		t.Errorf("a subset without a policy: got %+v", got.TLS)
	}
	if got := cluster(t, tr, "outbound|80|own|svc.com").TLS; got != nil {
		t.Errorf("a subset with PASSTHROUGH of its own: got %+v", got)
	}
}

func TestRewriteAuthority(t *testing.T) {
	tr := translate(t, "1.31", `kind: VirtualService
metadata: {name: v}
spec: {hosts: [svc.com], http: [{rewrite: {authority: a.example}, route: [{destination: {host: svc.com}}]}]}`)
	for _, v := range tr.Config.VirtualHosts {
		if v.Port == 80 && v.Routes[0].HostRewrite != "a.example" {
			t.Errorf("got %+v", v.Routes[0])
		}
	}
	if len(tr.NotModelled) != 0 {
		t.Errorf("got %v", tr.NotModelled)
	}
}
