package xds

// TLS is how the proxy begins TLS to the hosts of a cluster: its transport
// socket (extensions.transport_sockets.tls.v3.UpstreamTlsContext), and the two
// options beside it that depend on the request. Certificates are named, as the
// proxy asks for them by SDS.
type TLS struct {
	// SNI is the server name that is sent; "": none, or with AutoSNI the Host of the request.
	SNI string `json:"sni,omitempty"`
	// AutoSNI is upstream_http_protocol_options.auto_sni.
	AutoSNI bool `json:"autoSNI,omitempty"`
	// AutoSANValidation is upstream_http_protocol_options.auto_san_validation: the
	// Host of the request has to be a name of the certificate.
	AutoSANValidation bool `json:"autoSANValidation,omitempty"`
	// SANs are match_subject_alt_names, exact: one of them has to be a name of the certificate. None: any name does.
	SANs []string `json:"sans,omitempty"`
	// CA is the secret with the certificates that are trusted; "": nothing is verified, names neither.
	CA string `json:"ca,omitempty"`
	// Certificate is the secret with the client's own certificate; "": it has none.
	Certificate string `json:"certificate,omitempty"`
	// Match is set when the socket stands in transport_socket_matches: it is for
	// endpoints with TLSMode istio, and the others get plain text.
	Match bool `json:"match,omitempty"`
}

// The secrets of the mesh: the workload's own certificate, and the CAs of the mesh.
const (
	MeshCertificate = "default"
	MeshRoot        = "ROOTCA"
)

// What the names begin with of secrets that are files: the agent beside the proxy reads them.
const (
	FileRoot = "file-root:" // CAs
	FileCert = "file-cert:" // the chain, a tilde, and the key
	// SystemRoot are the CAs of the operating system.
	SystemRoot = FileRoot + "system"
)

// TLSModeIstio is the TLSMode of an endpoint behind a sidecar.
const TLSModeIstio = "istio"

// For is the TLS that an endpoint of that TLSMode meets; nil: plain text.
func (t *TLS) For(mode string) *TLS {
	if t == nil || t.Match && mode != TLSModeIstio {
		return nil
	}
	return t
}
