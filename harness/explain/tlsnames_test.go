package explain_test

import (
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/explain"
	"github.com/faildrill/faildrill/harness/istio"
)

// The published HTTPS recipe needs both changes, and each of them has a cause.
func TestHTTPSRecipe(t *testing.T) {
	d := scene(t, inputs(t, "scenarios/tls/external-failover-https.yaml")[0], "")
	cs := d.causes()
	if len(cs) != 2 || cs[0].Code != explain.CodeTLSNames || cs[1].Code != explain.CodeEjectionBudget || cs[0].Default != "mydb.com" ||
		!strings.Contains(cs[0].Message, "TLS expects the request's Host (mydb.com) in certificates, and those of dynamodb.us-east-1.amazonaws.com, dynamodb.us-west-1.amazonaws.com lack it") {
		t.Fatalf("got %+v", cs)
	}
	if f := cs[0].Fix; f == nil || len(f.Edits) != 2 || !f.Confirmed {
		t.Errorf("the fix is %+v", f)
	}
	repaired(t, d)
}

// A certificate that has the name is nobody's fault, and what a fault shows is
// not what the configuration should expect.
func TestNamesThatVerify(t *testing.T) {
	for _, path := range []string{"scenarios/tls/external-failover-https-fixed.yaml", "scenarios/tls/unknown-issuer.yaml", "scenarios/tls/expired-certificate.yaml"} {
		d := scene(t, inputs(t, path)[0], "")
		if c, ok := cause(d, explain.CodeTLSNames); ok {
			t.Errorf("%s: %+v", path, c)
		}
	}
	const rules = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [HOST]
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}]
  endpoints: [{address: a.example}, {address: b.example}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db}
spec: {host: HOST, trafficPolicy: {tls: {mode: SIMPLE MORE}, outlierDetection: {maxEjectionPercent: 100}}}
`
	for _, c := range []struct{ release, host, more, want string }{
		{"1.31", "mydb.com", "", "[a.example, b.example]"},
		{"1.31", "a.example", "", "[a.example, b.example]"},
		{"1.31", "mydb.com", ", subjectAltNames: [other]", ""}, // written by somebody who knows
		{"1.31", "mydb.com", ", sni: a.example", ""},
		{"1.31", "mydb.com", ", insecureSkipVerify: true", ""},
		{"1.20", "mydb.com", "", ""},
		{"1.31", "'*.my.com'", "", ""},
	} {
		p, err := istio.ParseProfile(c.release)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range explain.Lint(load(t, strings.NewReplacer("HOST", c.host, " MORE", c.more).Replace(rules)), p) {
			if f.Code == explain.CodeTLSNames {
				got = strings.TrimPrefix(f.Fix, "spec.trafficPolicy.tls.subjectAltNames: ")
			}
		}
		if got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}
