package envoyconfig

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/faildrill/faildrill/harness/istio"
	"github.com/faildrill/faildrill/harness/istiod"
	"github.com/faildrill/faildrill/harness/needs"
	"github.com/faildrill/faildrill/harness/scenario"
	"github.com/faildrill/faildrill/harness/schedule"
)

// tlsRules are the tls blocks that istiod is asked about; each has a host of its own.
var tlsRules = []struct{ location, entry, endpoint, tls string }{
	{"MESH_EXTERNAL", "", "", ""},
	{"MESH_EXTERNAL", "", "", "{mode: DISABLE}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, sni: a.example}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, subjectAltNames: [a.example, b.example]}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, sni: a.example, subjectAltNames: [a.example]}"},
	{"MESH_EXTERNAL", "subjectAltNames: [c.example],", "", "{mode: SIMPLE}"},
	{"MESH_EXTERNAL", "subjectAltNames: [c.example],", "", "{mode: SIMPLE, sni: a.example}"},
	{"MESH_EXTERNAL", "subjectAltNames: [c.example],", ", serviceAccount: x", "{mode: SIMPLE, subjectAltNames: [d.example]}"},
	{"MESH_EXTERNAL", "subjectAltNames: [c.example],", ", serviceAccount: x", "{mode: SIMPLE, sni: a.example}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, caCertificates: /p/ca.pem}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, insecureSkipVerify: true}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, insecureSkipVerify: true, sni: a.example}"},
	{"MESH_EXTERNAL", "", "", "{mode: SIMPLE, credentialName: c}"},
	{"MESH_EXTERNAL", "", "", "{mode: MUTUAL, clientCertificate: /p/c.pem, privateKey: /p/c.key}"},
	{"MESH_EXTERNAL", "", "", "{mode: MUTUAL, clientCertificate: /p/c.pem, privateKey: /p/c.key, caCertificates: /p/ca.pem, sni: a.example}"},
	{"MESH_EXTERNAL", "", "", "{mode: ISTIO_MUTUAL}"},
	{"MESH_EXTERNAL", "subjectAltNames: [c.example],", ", serviceAccount: x", "{mode: ISTIO_MUTUAL}"},
	{"MESH_EXTERNAL", "subjectAltNames: [c.example],", "", "{mode: ISTIO_MUTUAL, sni: a.example, subjectAltNames: [b.example]}"},
	{"MESH_INTERNAL", "", "", ""},
	{"MESH_INTERNAL", "", ", serviceAccount: x", ""},
	{"MESH_INTERNAL", "", ", labels: {security.istio.io/tlsMode: istio}", ""},
	{"MESH_INTERNAL", "", ", serviceAccount: x, labels: {security.istio.io/tlsMode: disabled}", ""},
	{"MESH_INTERNAL", "", ", serviceAccount: x", "{mode: DISABLE}"},
	{"MESH_INTERNAL", "", ", serviceAccount: x", "{mode: SIMPLE}"},
	{"MESH_INTERNAL", "", ", serviceAccount: x", "{mode: ISTIO_MUTUAL}"},
}

// What istiod sends of TLS is what the translation says.
func TestTLSOfIstiod(t *testing.T) {
	path := needs.Istiod(t).Path
	var text strings.Builder
	for i, r := range tlsRules {
		host := string(rune('a'+i)) + ".com"
		text.WriteString("---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + host + ", namespace: default}\nspec: {hosts: [" + host + "], location: " + r.location +
			", resolution: DNS, " + r.entry + " ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: x.example" + r.endpoint + "}, {address: y.example}]}\n")
		if r.tls != "" {
			text.WriteString("---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " + host + ", namespace: default}\nspec: {host: " + host + ", trafficPolicy: {tls: " + r.tls + "}}\n")
		}
	}
	in, err := scenario.Load(scenario.Files{Stdin: strings.NewReader(text.String())}, []string{"-"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var docs []schedule.Document
	for _, d := range in[0].Documents {
		docs = append(docs, schedule.Document{Kind: d.Kind, Namespace: d.Namespace, Name: d.Name, YAML: d.YAML})
	}
	is, err := istiod.Start(ctx, istiod.Options{Binary: path, Dir: t.TempDir(), Documents: docs})
	if err != nil {
		t.Fatal(err)
	}
	defer is.Stop()
	sent := clusters(ctx, t, is.GRPCAddr(), len(tlsRules))
	p, err := istio.ParseProfile("1.31")
	if err != nil {
		t.Fatal(err)
	}
	tr := istio.Translate(in[0].Resources, istio.Client{Namespace: "default"}, istio.Mesh{}, p)
	if n := len(tr.Config.Clusters); n != len(tlsRules) {
		t.Fatalf("the translation has %d clusters, want %d", n, len(tlsRules))
	}
	for i := range tr.Config.Clusters {
		c := &tr.Config.Clusters[i]
		rule := tlsRules[c.Name[len("outbound|80||")]-'a']
		got := sent[c.Name]
		if got == nil {
			t.Errorf("%+v: istiod sends no cluster", rule)
			continue
		}
		if diff := cmp.Diff(ofTLS(t, got), ofTLS(t, Cluster(c)), protocmp.Transform()); diff != "" {
			t.Errorf("%+v (-istiod +predicted):\n%s", rule, diff)
		}
	}
}

// ofTLS is the part of a cluster that TLS is about.
func ofTLS(t *testing.T, c *clusterv3.Cluster) *clusterv3.Cluster {
	t.Helper()
	out := &clusterv3.Cluster{TransportSocket: c.TransportSocket, TransportSocketMatches: c.TransportSocketMatches}
	var o httpv3.HttpProtocolOptions
	if a := c.TypedExtensionProtocolOptions[httpProtocolOptions]; a != nil {
		if err := a.UnmarshalTo(&o); err != nil {
			t.Fatal(err)
		}
	}
	out.TypedExtensionProtocolOptions = map[string]*anypb.Any{"names": packed(&httpv3.HttpProtocolOptions{UpstreamHttpProtocolOptions: o.UpstreamHttpProtocolOptions})}
	for _, l := range c.GetLoadAssignment().GetEndpoints() {
		for _, e := range l.LbEndpoints {
			mode := e.GetMetadata().GetFilterMetadata()[socketMatch]
			m := &clusterv3.Cluster_TransportSocketMatch{Name: e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()}
			if mode != nil {
				m.Match = proto.Clone(mode).(*structpb.Struct)
			}
			out.TransportSocketMatches = append(out.TransportSocketMatches, m)
		}
	}
	return out
}

// clusters are what istiod sends to a sidecar once it has all of them.
func clusters(ctx context.Context, t *testing.T, addr string, want int) map[string]*clusterv3.Cluster {
	t.Helper()
	if _, err := netip.ParseAddrPort(addr); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := structpb.NewStruct(map[string]any{"NAMESPACE": "default", "CLUSTER_ID": "Kubernetes", "INTERCEPTION_MODE": "NONE", "ISTIO_VERSION": "1.31.1"})
	if err != nil {
		t.Fatal(err)
	}
	const clusterType = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	r := &discoveryv3.DiscoveryRequest{TypeUrl: clusterType, Node: &corev3.Node{Id: "sidecar~127.0.0.1~sleep.default~default.svc.cluster.local", Metadata: meta}}
	for {
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
		res, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]*clusterv3.Cluster{}
		for _, a := range res.Resources {
			var c clusterv3.Cluster
			if err := a.UnmarshalTo(&c); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(c.Name, "outbound|80||") {
				out[c.Name] = &c
			}
		}
		if len(out) >= want {
			return out
		}
		r = &discoveryv3.DiscoveryRequest{TypeUrl: clusterType, VersionInfo: res.VersionInfo, ResponseNonce: res.Nonce}
	}
}
