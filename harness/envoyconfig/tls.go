//lint:file-ignore SA1019 istiod sends match_subject_alt_names, which Envoy calls deprecated

package envoyconfig

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	rawv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/faildrill/faildrill/harness/xds"
)

// Names that istiod gives to what belongs to TLS.
const (
	tlsSocket       = "envoy.transport_sockets.tls"
	plainSocket     = "envoy.transport_sockets.raw_buffer"
	socketMatch     = "envoy.transport_socket_match" // metadata of an endpoint
	tlsModeKey      = "tlsMode"
	tlsModeDisabled = "disabled"
	inMeshALPN      = "istio"
)

// setTLS adds the transport socket, and the HTTP options that go with it.
// pilot/pkg/networking/core/cluster_tls.go: applyUpstreamTLSSettings.
func setTLS(out *clusterv3.Cluster, t *xds.TLS) {
	if t == nil {
		return
	}
	socket := &corev3.TransportSocket{Name: tlsSocket, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(tlsContext(t))}}
	if !t.Match {
		out.TransportSocket = socket
		return
	}
	out.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{
		{Name: tlsModeKey + "-" + xds.TLSModeIstio, Match: tlsModeStruct(xds.TLSModeIstio), TransportSocket: socket},
		{
			Name: tlsModeKey + "-" + tlsModeDisabled, Match: &structpb.Struct{},
			TransportSocket: &corev3.TransportSocket{Name: plainSocket, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(&rawv3.RawBuffer{})}},
		},
	}
}

func tlsContext(t *xds.TLS) *tlsv3.UpstreamTlsContext {
	common := &tlsv3.CommonTlsContext{TlsParams: &tlsv3.TlsParameters{
		TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
	}}
	if t.Certificate != "" {
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{secret(t.Certificate)}
	}
	if t.Certificate == xds.MeshCertificate {
		common.AlpnProtocols = []string{inMeshALPN}
	}
	if t.CA == "" {
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{}
	} else {
		validation := &tlsv3.CertificateValidationContext{}
		for _, name := range t.SANs {
			validation.MatchSubjectAltNames = append(validation.MatchSubjectAltNames, &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Exact{Exact: name},
			})
		}
		common.ValidationContextType = &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext: validation, ValidationContextSdsSecretConfig: secret(t.CA),
			},
		}
	}
	return &tlsv3.UpstreamTlsContext{CommonTlsContext: common, Sni: t.SNI}
}

// secret asks for a certificate at the socket of the agent. Those of the mesh are
// waited for without a limit, others as long as Envoy waits by itself.
// pkg/model/authentication.go: ConstructSdsSecretConfig.
func secret(name string) *tlsv3.SdsSecretConfig {
	source := &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: &corev3.ApiConfigSource{
			ApiType: corev3.ApiConfigSource_GRPC, TransportApiVersion: corev3.ApiVersion_V3, SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: sdsCluster},
			}}},
		}},
		ResourceApiVersion: corev3.ApiVersion_V3,
	}
	if name == xds.MeshCertificate || name == xds.MeshRoot {
		source.InitialFetchTimeout = durationpb.New(0)
	}
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: source}
}

// autoNames adds what TLS takes from the request's Host.
func autoNames(o *httpv3.HttpProtocolOptions, t *xds.TLS) {
	if t != nil && (t.AutoSNI || t.AutoSANValidation) {
		o.UpstreamHttpProtocolOptions = &corev3.UpstreamHttpProtocolOptions{AutoSni: t.AutoSNI, AutoSanValidation: t.AutoSANValidation}
	}
}

// setTLSMode tells which transport socket is for the endpoint.
func setTLSMode(out *endpointv3.LbEndpoint, mode string) {
	if mode != "" {
		out.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{socketMatch: tlsModeStruct(mode)}}
	}
}

func tlsModeStruct(mode string) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{tlsModeKey: structpb.NewStringValue(mode)}}
}
