package sds

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// serve is a server on a UNIX socket, and a client of it.
func serve(t *testing.T, secrets Secrets) (*Server, secretv3.SecretDiscoveryService_StreamSecretsClient) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sds.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(ln, secrets)
	t.Cleanup(s.Close)
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	stream, err := secretv3.NewSecretDiscoveryServiceClient(conn).StreamSecrets(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s, stream
}

func ask(t *testing.T, stream secretv3.SecretDiscoveryService_StreamSecretsClient, r *discoveryv3.DiscoveryRequest) {
	t.Helper()
	r.Node, r.TypeUrl = &corev3.Node{Id: "sidecar"}, typeURL
	if err := stream.Send(r); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, stream secretv3.SecretDiscoveryService_StreamSecretsClient) (*discoveryv3.DiscoveryResponse, []*tlsv3.Secret) {
	t.Helper()
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var out []*tlsv3.Secret
	for _, r := range res.Resources {
		var secret tlsv3.Secret
		if err := r.UnmarshalTo(&secret); err != nil {
			t.Fatal(err)
		}
		out = append(out, &secret)
	}
	return res, out
}

func TestSecrets(t *testing.T) {
	s, stream := serve(t, Secrets{
		"file-root:system":    CA([]byte("roots")),
		"file-root:/p":        CA([]byte("other roots")),
		"file-cert:/p/c~/p/k": Certificate([]byte("chain"), []byte("key")),
	})
	ask(t, stream, &discoveryv3.DiscoveryRequest{ResourceNames: []string{"file-root:system"}})
	res, got := get(t, stream)
	if len(got) != 1 || got[0].Name != "file-root:system" || string(got[0].GetValidationContext().GetTrustedCa().GetInlineBytes()) != "roots" {
		t.Fatalf("got %v", got)
	}
	if res.Nonce == "" || res.VersionInfo == "" || res.TypeUrl != typeURL {
		t.Errorf("got %v", res)
	}
	// An ACK is answered by nothing: the next answer is that to the next question.
	ask(t, stream, &discoveryv3.DiscoveryRequest{ResourceNames: []string{"file-root:system"}, VersionInfo: res.VersionInfo, ResponseNonce: res.Nonce})
	// Neither is an unknown name.
	ask(t, stream, &discoveryv3.DiscoveryRequest{ResourceNames: []string{"default"}})
	ask(t, stream, &discoveryv3.DiscoveryRequest{ResourceNames: []string{"file-cert:/p/c~/p/k", "ROOTCA"}})
	second, got := get(t, stream)
	if len(got) != 1 || got[0].Name != "file-cert:/p/c~/p/k" {
		t.Fatalf("got %v", got)
	}
	cert := got[0].GetTlsCertificate()
	if string(cert.GetCertificateChain().GetInlineBytes()) != "chain" || string(cert.GetPrivateKey().GetInlineBytes()) != "key" {
		t.Errorf("got %v", cert)
	}
	if second.Nonce == res.Nonce {
		t.Errorf("two answers have the nonce %s", res.Nonce)
	}
	if got := s.Unknown(); !slices.Equal(got, []string{"default", "ROOTCA"}) {
		t.Errorf("unknown: got %v", got)
	}
	if got := s.Rejected(); len(got) != 0 {
		t.Errorf("rejected: got %v", got)
	}
	// A NACK is noted once, however often it comes.
	for range 2 {
		ask(t, stream, &discoveryv3.DiscoveryRequest{
			ResourceNames: []string{"file-cert:/p/c~/p/k"}, ResponseNonce: second.Nonce, ErrorDetail: &status.Status{Message: "no key"},
		})
	}
	ask(t, stream, &discoveryv3.DiscoveryRequest{ResourceNames: []string{"file-root:/p"}})
	if _, got := get(t, stream); len(got) != 1 || got[0].Name != "file-root:/p" {
		t.Fatalf("got %v", got)
	}
	if got := s.Rejected(); !slices.Equal(got, []string{"[file-cert:/p/c~/p/k]: no key"}) {
		t.Errorf("rejected: got %v", got)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream goes on after its end")
	}
}

func TestCloseEndsStreams(t *testing.T) {
	s, stream := serve(t, Secrets{"default": CA(nil)})
	ask(t, stream, &discoveryv3.DiscoveryRequest{ResourceNames: []string{"default"}})
	get(t, stream)
	s.Close()
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream goes on")
	}
	s.Close() // again
}
