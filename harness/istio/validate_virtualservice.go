package istio

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

func quote(s string) string { return strconv.Quote(s) }

// virtualService is ValidateVirtualService, for the mesh gateway and HTTP.
func (v validator) virtualService(vs *networking.VirtualService) {
	mesh := len(vs.Gateways) == 0 || slices.Equal(vs.Gateways, []string{"mesh"})
	if len(vs.Hosts) == 0 && len(vs.Gateways)+len(vs.Tls)+len(vs.Tcp) > 0 {
		v.refuse("spec", "a VirtualService without hosts is a delegate, which has http routes only")
	}
	valid := true
	for i, h := range vs.Hosts {
		field := indexed("spec.hosts", i)
		switch err := wildcardHost(h); {
		case err != nil && !isIP(h):
			v.refuse(field, "%v", err)
			valid = false
		case h == "*" && mesh:
			v.refuse(field, "host * is not allowed in a VirtualService for the mesh gateway")
			valid = false
		}
	}
	for i, h := range vs.Hosts {
		for _, other := range vs.Hosts[:i] {
			if valid && (hostCovers(other, h) || hostCovers(h, other)) {
				v.refuse(indexed("spec.hosts", i), "%s overlaps with %s", h, other)
			}
		}
	}
	if len(vs.Http)+len(vs.Tls)+len(vs.Tcp) == 0 {
		v.refuse("spec", "a VirtualService needs http, tls or tcp routes")
	}
	for i, h := range vs.Http {
		v.httpRoute(indexed("spec.http", i), h, len(vs.Hosts) == 0)
	}
	v.exportTo(vs.ExportTo, false, false)
}

// httpRoute is pkg/config/validation/virtualservice.go: validateHTTPRoute.
func (v validator) httpRoute(field string, h *networking.HTTPRoute, delegate bool) {
	if h == nil {
		v.refuse(field, "the route is null")
		return
	}
	switch {
	case h.Delegate != nil && delegate:
		v.refuse(field+".delegate", "a delegate cannot delegate")
	case h.Delegate != nil:
		if h.Redirect != nil || h.Route != nil {
			v.refuse(field+".delegate", "it excludes route and redirect")
		}
	case h.Redirect != nil && (len(h.Route) > 0 || h.Fault != nil || h.Rewrite != nil || h.DirectResponse != nil):
		v.refuse(field+".redirect", "it excludes route, directResponse, fault and rewrite")
	case h.DirectResponse != nil && (len(h.Route) > 0 || h.Fault != nil || h.Rewrite != nil):
		v.refuse(field+".directResponse", "it excludes route, fault and rewrite")
	case h.Redirect == nil && h.DirectResponse == nil && len(h.Route) == 0:
		v.refuse(field, "the route leads nowhere; it needs route, redirect or directResponse")
	}
	if h.Mirror != nil && len(h.Mirrors) > 0 {
		v.refuse(field+".mirror", "it excludes mirrors")
	}
	v.duration(field+".timeout", h.Timeout)
	v.retries(field+".retries", h.Retries)
	v.destinations(field, h)
	for i, m := range h.Match {
		v.match(indexed(field+".match", i), m)
	}
}

func (v validator) destinations(field string, h *networking.HTTPRoute) {
	total := int32(0)
	for i, d := range h.Route {
		at := indexed(field+".route", i)
		if d.GetDestination() == nil {
			v.refuse(at, "it has no destination")
			continue
		}
		dest := at + ".destination"
		if err := wildcardHost(d.Destination.Host); err != nil {
			v.refuse(dest+".host", "%v", err)
		} else if d.Destination.Host == "*" {
			v.refuse(dest+".host", "a destination is one host")
		}
		if s := d.Destination.Subset; s != "" && !isDNSLabel(s) {
			v.refuse(dest+".subset", "%q is not a subset name", s)
		}
		if p := d.Destination.Port; p != nil {
			v.port(dest+".port.number", p.Number)
		}
		v.notNegative(at+".weight", d.Weight)
		total += d.Weight
	}
	if len(h.Route) > 1 && total == 0 {
		v.refuse(field+".route", "no destination has a weight")
	}
}

func (v validator) match(field string, m *networking.HTTPMatchRequest) {
	if m == nil {
		return
	}
	if m.Port != 0 {
		v.port(field+".port", m.Port)
	}
	v.labels(field+".sourceLabels", m.SourceLabels)
	if u, ok := m.Uri.GetMatchType().(*networking.StringMatch_Regex); ok {
		if u.Regex == "" || len(u.Regex) > 1024 {
			v.refuse(field+".uri.regex", "it has %d characters; expected 1 to 1024", len(u.Regex))
		} else if _, err := regexp.Compile(u.Regex); err != nil {
			v.refuse(field+".uri.regex", "%v", err)
		}
	}
}

// retries is pkg/config/validation/agent/validation.go: ValidateHTTPRetry.
func (v validator) retries(field string, r *networking.HTTPRetry) {
	if r == nil {
		return
	}
	v.notNegative(field+".attempts", r.Attempts)
	if r.Attempts == 0 && (r.PerTryTimeout != nil || r.RetryOn != "" || r.RetryRemoteLocalities != nil) {
		v.refuse(field+".attempts", "0 switches retries off, so the other fields make no sense")
	}
	v.duration(field+".perTryTimeout", r.PerTryTimeout)
	v.duration(field+".backoff", r.Backoff)
	if r.RetryOn == "" {
		return
	}
	for _, c := range strings.Split(r.RetryOn, ",") {
		n, _ := strconv.Atoi(c)
		if !isStatusCode(n) && !slices.Contains(retryConditions, c) {
			v.refuse(field+".retryOn", "%q is neither a condition nor a status code; expected some of %s", c, strings.Join(retryConditions, ", "))
		}
	}
}

// retryConditions are the names that istiod lets through to Envoy.
var retryConditions = []string{
	"5xx", "cancelled", "connect-failure", "deadline-exceeded", "envoy-ratelimited", "gateway-error", "http3-post-connect-failure",
	"internal", "refused-stream", "reset", "reset-before-request", "resource-exhausted", "retriable-4xx", "retriable-headers",
	retriableStatusCodes, "unavailable",
}
