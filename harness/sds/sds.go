// Package sds hands out certificates to proxies, as the agent beside a sidecar
// does: Envoy's secret discovery service on one listener.
//
//	secrets := sds.Secrets{
//	        "file-root:system": sds.CA(ca.PEM()),
//	        "default":          sds.Certificate(cert.Chain, cert.Key),
//	}
//	s := sds.Serve(ln, secrets)  // ln: a UNIX socket, the cluster sds-grpc of the bootstrap
//	defer s.Close()
//	s.Unknown()                  // names that were asked for and answered by nothing
//
// A proxy asks for each secret on a stream of its own. The secrets do not change.
//
// It leaves out delta streams and rotation.
package sds

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
)

const typeURL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

// version is that of every answer: the secrets do not change.
const version = "1"

// Secrets are what is handed out, by the name that is asked for.
type Secrets map[string]*tlsv3.Secret

// CA is a secret with certificates to verify others with, as PEM.
func CA(pem []byte) *tlsv3.Secret {
	return &tlsv3.Secret{Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline(pem)}}}
}

// Certificate is a secret with a certificate and its key, as PEM.
func Certificate(chain, key []byte) *tlsv3.Secret {
	return &tlsv3.Secret{Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inline(chain), PrivateKey: inline(key)}}}
}

func inline(data []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: data}}
}

// A Server answers until it is closed. Its methods are safe for concurrent use.
type Server struct {
	secretv3.UnimplementedSecretDiscoveryServiceServer

	secrets Secrets
	grpc    *grpc.Server
	done    chan struct{}

	mu       sync.Mutex
	unknown  []string
	rejected []string
}

// Serve answers on the listener, which it closes in the end. The secrets are not
// to be changed.
func Serve(ln net.Listener, secrets Secrets) *Server {
	s := &Server{secrets: secrets, grpc: grpc.NewServer(), done: make(chan struct{})}
	secretv3.RegisterSecretDiscoveryServiceServer(s.grpc, s)
	go func() {
		defer close(s.done)
		// The error only ever says that the listener was closed, by us.
		_ = s.grpc.Serve(ln)
	}()
	return s
}

// Close ends every stream, and waits for its goroutines.
func (s *Server) Close() {
	s.grpc.Stop()
	<-s.done
}

// Unknown are the names that were asked for in vain. Envoy waits for such a
// secret for 15 s, for those of the mesh without end.
func (s *Server) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.unknown)
}

// Rejected is what proxies had against secrets that they got.
func (s *Server) Rejected() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rejected)
}

// StreamSecrets answers the first request for each set of names; those after it
// say whether the answer was accepted.
func (s *Server) StreamSecrets(stream secretv3.SecretDiscoveryService_StreamSecretsServer) error {
	for n := 1; ; n++ {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a request for secrets: %w", err)
		}
		if r.ErrorDetail != nil {
			s.note(&s.rejected, fmt.Sprintf("%v: %s", r.ResourceNames, r.ErrorDetail.Message))
		}
		if r.ResponseNonce != "" {
			continue
		}
		answer, err := s.answer(r.ResourceNames)
		if err != nil {
			return err
		}
		if len(answer.Resources) == 0 {
			continue
		}
		answer.Nonce = fmt.Sprint(n)
		if err := stream.Send(answer); err != nil {
			return fmt.Errorf("sending secrets: %w", err)
		}
	}
}

func (s *Server) answer(names []string) (*discoveryv3.DiscoveryResponse, error) {
	out := &discoveryv3.DiscoveryResponse{VersionInfo: version, TypeUrl: typeURL}
	for _, name := range names {
		secret := s.secrets[name]
		if secret == nil {
			s.note(&s.unknown, name)
			continue
		}
		resource, err := anypb.New(&tlsv3.Secret{Name: name, Type: secret.Type})
		if err != nil {
			return nil, fmt.Errorf("packing the secret %s: %w", name, err)
		}
		out.Resources = append(out.Resources, resource)
	}
	return out, nil
}

func (s *Server) note(list *[]string, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(*list, text) {
		*list = append(*list, text)
	}
}
