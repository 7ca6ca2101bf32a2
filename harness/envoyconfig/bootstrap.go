package envoyconfig

import (
	"fmt"
	"net/netip"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/faildrill/faildrill/harness/xds"
)

// BootstrapOptions describe one client's Envoy. Either Files or Istiod says
// where its configuration comes from.
type BootstrapOptions struct {
	Name      string // of the client; with the namespace it has to be unique in a mesh
	Namespace string // "" is "default"
	// ServiceAccount is whose identity the client has; "" is Name.
	ServiceAccount string
	Locality       xds.Locality      // unless Labels carry one
	Labels         map[string]string // of the workload

	Admin netip.AddrPort
	// OutlierLog is the file of the ejections, one JSON object a line; "": none.
	OutlierLog string
	// Mark is the SO_MARK of upstream connections, by which a redirection knows
	// them; 0: none.
	Mark uint32
	// Stats are the ends of the names of the statistics that Envoy keeps; none: all.
	// Those of many clusters take it as long to list as the traffic takes.
	Stats []string

	// Resolver is the DNS server that Envoy asks; unset: those of the machine's resolv.conf.
	Resolver netip.AddrPort

	Files  *Files
	Istiod *Istiod
}

// Files is the built-in control plane: files that are replaced as a whole.
type Files struct {
	Dir       string // of WriteCDS and WriteRDS
	Listeners []*listenerv3.Listener
	SDS       string // as Istiod.SDS
}

// Istiod is a real one.
type Istiod struct {
	Address netip.AddrPort // of its plain-text gRPC port
	// SDS is the path of the socket that hands out certificates. istiod refers
	// to it by name wherever a DestinationRule asks for TLS.
	SDS string
	// InterceptionMode is NONE or REDIRECT; "" is NONE: listeners are bound to
	// the ports of the services.
	InterceptionMode string
	Version          string     // the proxy's release of Istio: "1.31.1"
	NodeIP           netip.Addr // an address of the client; unset: 127.0.0.1
	Domain           string     // "" is cluster.local
}

// The names by which istiod knows its peers in a bootstrap.
const (
	xdsCluster = "xds"
	sdsCluster = "sds-grpc"
	clusterID  = "Kubernetes" // of the mesh; istiod's default
)

const controlPlaneConnectTimeout = time.Second

// The socket option that marks a connection (Linux: SOL_SOCKET, SO_MARK).
const (
	solSocket = 1
	soMark    = 36
)

// Bootstrap is the file that Envoy starts from (envoy -c).
func Bootstrap(o BootstrapOptions) *bootstrapv3.Bootstrap {
	out := &bootstrapv3.Bootstrap{
		Node:                   node(&o),
		Admin:                  &bootstrapv3.Admin{Address: address(o.Admin.Addr().String(), uint32(o.Admin.Port()))},
		DynamicResources:       &bootstrapv3.Bootstrap_DynamicResources{},
		StaticResources:        &bootstrapv3.Bootstrap_StaticResources{},
		ClusterManager:         &bootstrapv3.ClusterManager{UpstreamBindConfig: marked(o.Mark)},
		TypedDnsResolverConfig: resolver(0, o.Resolver),
	}
	if o.OutlierLog != "" {
		out.ClusterManager.OutlierDetection = &bootstrapv3.ClusterManager_OutlierDetection{EventLogPath: o.OutlierLog}
	}
	if len(o.Stats) > 0 {
		out.StatsConfig = keptStats(o.Stats)
	}
	if f := o.Files; f != nil {
		out.DynamicResources.CdsConfig = fileSource(f.Dir, CDSFile(f.Dir))
		out.StaticResources.Listeners = f.Listeners
	}
	if i := o.Istiod; i != nil {
		out.DynamicResources.AdsConfig = &corev3.ApiConfigSource{
			ApiType: corev3.ApiConfigSource_GRPC, TransportApiVersion: corev3.ApiVersion_V3, SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: xdsCluster}}}},
		}
		out.DynamicResources.CdsConfig, out.DynamicResources.LdsConfig = adsSource(), adsSource()
		out.StaticResources.Clusters = []*clusterv3.Cluster{
			controlPlane(xdsCluster, address(i.Address.Addr().String(), uint32(i.Address.Port()))),
		}
	}
	if path := sdsPath(&o); path != "" {
		out.StaticResources.Clusters = append(out.StaticResources.Clusters, controlPlane(sdsCluster, address(path, 0)))
	}
	return out
}

func sdsPath(o *BootstrapOptions) string {
	switch {
	case o.Istiod != nil:
		return o.Istiod.SDS
	case o.Files != nil:
		return o.Files.SDS
	}
	return ""
}

// keptStats keeps the statistics whose names end so.
func keptStats(ends []string) *metricsv3.StatsConfig {
	list := &matcherv3.ListStringMatcher{}
	for _, e := range ends {
		list.Patterns = append(list.Patterns, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: e}})
	}
	return &metricsv3.StatsConfig{StatsMatcher: &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_InclusionList{InclusionList: list}}}
}

// node tells istiod whose proxy asks.
// pilot/pkg/model/context.go: ParseServiceNodeWithMetadata.
func node(o *BootstrapOptions) *corev3.Node {
	namespace := o.Namespace
	if namespace == "" {
		namespace = "default"
	}
	out := &corev3.Node{Id: o.Name + "." + namespace, Cluster: o.Name + "." + namespace, Locality: locality(o.Locality)}
	i := o.Istiod
	if i == nil {
		return out
	}
	ip, domain, mode, account := i.NodeIP, i.Domain, i.InterceptionMode, o.ServiceAccount
	if !ip.IsValid() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if domain == "" {
		domain = "cluster.local"
	}
	if mode == "" {
		mode = "NONE"
	}
	if account == "" {
		account = o.Name
	}
	out.Id = fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.%s", ip, o.Name, namespace, namespace, domain)
	labels := map[string]*structpb.Value{}
	for k, v := range o.Labels {
		labels[k] = structpb.NewStringValue(v)
	}
	out.Metadata = &structpb.Struct{Fields: map[string]*structpb.Value{
		"NAMESPACE":         structpb.NewStringValue(namespace),
		"CLUSTER_ID":        structpb.NewStringValue(clusterID),
		"INTERCEPTION_MODE": structpb.NewStringValue(mode),
		"SERVICE_ACCOUNT":   structpb.NewStringValue(account),
		"LABELS":            structpb.NewStructValue(&structpb.Struct{Fields: labels}),
	}}
	if i.Version != "" {
		out.Metadata.Fields["ISTIO_VERSION"] = structpb.NewStringValue(i.Version)
	}
	return out
}

// controlPlane is a cluster of one gRPC server.
func controlPlane(name string, a *corev3.Address) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                          name,
		ClusterDiscoveryType:          &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:                durationpb.New(controlPlaneConnectTimeout),
		TypedExtensionProtocolOptions: http2(0),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: a}}}},
		}}},
	}
}

// marked makes every upstream connection carry the mark from before it connects.
func marked(mark uint32) *corev3.BindConfig {
	if mark == 0 {
		return nil
	}
	return &corev3.BindConfig{
		SourceAddress: &corev3.SocketAddress{Address: "0.0.0.0", PortSpecifier: &corev3.SocketAddress_PortValue{}},
		SocketOptions: []*corev3.SocketOption{{
			Level: solSocket, Name: soMark, State: corev3.SocketOption_STATE_PREBIND,
			Value: &corev3.SocketOption_IntValue{IntValue: int64(mark)},
		}},
	}
}

// fileSource reads a file whenever something in its folder is renamed.
func fileSource(dir, path string) *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
			Path: path, WatchedDirectory: &corev3.WatchedDirectory{Path: dir},
		}},
		ResourceApiVersion:  corev3.ApiVersion_V3,
		InitialFetchTimeout: durationpb.New(0),
	}
}
