package istiod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/faildrill/faildrill/harness/xds"
)

// Node is who a proxy says that it is.
type Node struct {
	Name      string // of the workload; "" is client
	Namespace string // "" is default
	IP        string // "" is 127.0.0.1
	Locality  xds.Locality
	Labels    map[string]string
	// Interception is NONE (listeners are bound as they are) or REDIRECT, "", as in a pod.
	Interception string
}

func (n Node) withDefaults() Node {
	for _, f := range []struct {
		field *string
		value string
	}{{&n.Name, "client"}, {&n.Namespace, "default"}, {&n.IP, defaultHost}, {&n.Interception, "REDIRECT"}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	return n
}

// ID is node.id, type~address~workload.namespace~domain: unique for a workload.
func (n Node) ID() string {
	n = n.withDefaults()
	return fmt.Sprintf("sidecar~%s~%s.%s~%s.svc.cluster.local", n.IP, n.Name, n.Namespace, n.Namespace)
}

// Metadata is node.metadata: what istiod reads of it.
func (n Node) Metadata() map[string]any {
	n = n.withDefaults()
	labels := map[string]any{}
	for k, v := range n.Labels {
		labels[k] = v
	}
	return map[string]any{
		"NAMESPACE": n.Namespace, "CLUSTER_ID": "Kubernetes", "INTERCEPTION_MODE": n.Interception,
		"SERVICE_ACCOUNT": n.Name, "ISTIO_VERSION": "1.31.1", "LABELS": labels,
	}
}

func (n Node) message() (*core.Node, error) {
	metadata, err := structpb.NewStruct(n.Metadata())
	if err != nil {
		return nil, err
	}
	n = n.withDefaults()
	return &core.Node{
		Id: n.ID(), Cluster: n.Name + "." + n.Namespace, Metadata: metadata,
		Locality: &core.Locality{Region: n.Locality.Region, Zone: n.Locality.Zone, SubZone: n.Locality.SubZone},
	}, nil
}

// Snapshot is the whole configuration of one proxy, of one push.
type Snapshot struct {
	Version   string // istiod's name of the push
	Clusters  map[string]*cluster.Cluster
	Endpoints map[string]*endpoint.ClusterLoadAssignment // of the EDS clusters, by cluster
	Listeners map[string]*listener.Listener
	Routes    map[string]*route.RouteConfiguration // those that listeners refer to, by name
}

const (
	clusterType  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	endpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	listenerType = "type.googleapis.com/envoy.config.listener.v3.Listener"
	routeType    = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

	maxMessage = 256 << 20 // bytes; thousands of clusters come in one
)

// errMixed: istiod pushed while the parts were asked for.
var errMixed = errors.New("the parts are of different pushes")

// Fetch connects to istiod as the node and returns what it is configured with.
// With until, it waits for a push whose clusters until accepts.
func Fetch(ctx context.Context, addr string, n Node, until func(map[string]*cluster.Cluster) bool) (*Snapshot, error) {
	node, err := n.message()
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.ID(), err)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, fmt.Errorf("connecting to istiod: %w", err)
	}
	defer conn.Close()
	for {
		s, err := fetch(ctx, conn, node, until)
		if errors.Is(err, errMixed) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("asking istiod as %s: %w", node.Id, err)
		}
		return s, nil
	}
}

// fetch opens one stream: clusters first, then what they and the listeners refer to.
func fetch(ctx context.Context, conn *grpc.ClientConn, node *core.Node, until func(map[string]*cluster.Cluster) bool) (*Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{}
	ask := func(url string, names []string) error {
		err := stream.Send(&discovery.DiscoveryRequest{Node: node, TypeUrl: url, ResourceNames: names})
		if errors.Is(err, io.EOF) { // Recv has the reason
			return nil
		}
		return err
	}
	if err := ask(clusterType, nil); err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for s.Clusters == nil || len(missing) > 0 {
		res, err := stream.Recv()
		if err != nil {
			return nil, streamError(ctx, err)
		}
		if err := stream.Send(&discovery.DiscoveryRequest{TypeUrl: res.TypeUrl, VersionInfo: res.VersionInfo, ResponseNonce: res.Nonce,
			ResourceNames: s.names(res.TypeUrl)}); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if s.Clusters != nil && res.VersionInfo != s.Version {
			return nil, errMixed
		}
		delete(missing, res.TypeUrl)
		switch res.TypeUrl {
		case clusterType:
			clusters, err := resources(res, (*cluster.Cluster).GetName)
			if err != nil {
				return nil, err
			}
			if until != nil && !until(clusters) {
				continue
			}
			s.Clusters, s.Version = clusters, res.VersionInfo
			if names := s.names(endpointType); len(names) > 0 {
				missing[endpointType] = true
				if err := ask(endpointType, names); err != nil {
					return nil, err
				}
			}
			missing[listenerType] = true
			if err := ask(listenerType, nil); err != nil {
				return nil, err
			}
		case endpointType:
			if s.Endpoints, err = resources(res, (*endpoint.ClusterLoadAssignment).GetClusterName); err != nil {
				return nil, err
			}
		case listenerType:
			if s.Listeners, err = resources(res, (*listener.Listener).GetName); err != nil {
				return nil, err
			}
			if names := s.names(routeType); len(names) > 0 {
				missing[routeType] = true
				if err := ask(routeType, names); err != nil {
					return nil, err
				}
			}
		case routeType:
			if s.Routes, err = resources(res, (*route.RouteConfiguration).GetName); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// streamError prefers the reason for which the caller gave up.
func streamError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && status.Code(err) != codes.OK {
		return cause
	}
	return err
}

// names lists what is subscribed of a type; nil is everything.
func (s *Snapshot) names(url string) []string {
	var names []string
	switch url {
	case endpointType:
		for name, c := range s.Clusters {
			if c.GetType() == cluster.Cluster_EDS {
				names = append(names, name)
			}
		}
	case routeType:
		found := map[string]bool{}
		for _, l := range s.Listeners {
			for _, chain := range append(slices.Clone(l.FilterChains), l.DefaultFilterChain) {
				for _, f := range chain.GetFilters() {
					m := &hcm.HttpConnectionManager{}
					if f.GetTypedConfig().UnmarshalTo(m) == nil && m.GetRds() != nil {
						found[m.GetRds().RouteConfigName] = true
					}
				}
			}
		}
		names = slices.Collect(maps.Keys(found))
	}
	slices.Sort(names)
	return names
}

// resources unpacks a response by name.
func resources[M any, P interface {
	*M
	proto.Message
}](res *discovery.DiscoveryResponse, name func(P) string) (map[string]P, error) {
	out := map[string]P{}
	for _, any := range res.Resources {
		m := P(new(M))
		if err := any.UnmarshalTo(m); err != nil {
			return nil, err
		}
		out[name(m)] = m
	}
	return out, nil
}
