package envoyconfig

import (
	"fmt"
	"net/netip"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// ListenerOptions describe the listener of one HTTP port.
type ListenerOptions struct {
	Address netip.AddrPort
	Routes  string // name of the route configuration
	Dir     string // where WriteRDS puts it

	AccessLog   Log // one line a request
	UpstreamLog Log // one line an attempt; Envoy writes it when the attempt ends
}

// Log is a file of JSON lines. Format has Envoy's command operators by key; no
// path: no log.
type Log struct {
	Path   string
	Format map[string]string
}

// Listener takes requests like istiod's for an HTTP port without interception,
// with the router for its only filter. The port of the Host header counts for
// nothing because of the route configuration (Routes).
// pilot/pkg/networking/core/listener.go: buildSidecarOutboundHTTPListenerOpts.
func Listener(o ListenerOptions) *listenerv3.Listener {
	name := fmt.Sprintf("%s_%d", o.Address.Addr(), o.Address.Port())
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix: "outbound_" + name + ";",
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			RouteConfigName: o.Routes, ConfigSource: fileSource(o.Dir, RDSFile(o.Dir, o.Routes)),
		}},
		HttpFilters: []*hcmv3.HttpFilter{{
			Name:       "envoy.filters.http.router",
			ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(&routerv3.Router{UpstreamLog: fileLog(o.UpstreamLog)})},
		}},
		AccessLog:                    fileLog(o.AccessLog),
		UseRemoteAddress:             wrapperspb.Bool(false),
		GenerateRequestId:            wrapperspb.Bool(false), // the load says who a request is
		NormalizePath:                wrapperspb.Bool(true),
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
		Proxy_100Continue:            true,
		StreamIdleTimeout:            durationpb.New(0),
	}
	return &listenerv3.Listener{
		Name:    name,
		Address: address(o.Address.Addr().String(), uint32(o.Address.Port())),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(manager)},
		}}}},
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
	}
}

func fileLog(l Log) []*accesslogv3.AccessLog {
	if l.Path == "" {
		return nil
	}
	fields := map[string]*structpb.Value{}
	for k, v := range l.Format {
		fields[k] = structpb.NewStringValue(v)
	}
	return []*accesslogv3.AccessLog{{
		Name: "envoy.access_loggers.file",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(&filelogv3.FileAccessLog{
			Path: l.Path,
			AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: fields}},
			}},
		})},
	}}
}
