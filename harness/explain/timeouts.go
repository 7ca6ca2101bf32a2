package explain

import (
	"fmt"
	"time"

	"github.com/faildrill/faildrill/harness/istio"
)

// noTimeout: an upstream that accepts requests and never answers is charged by
// nothing but a timeout (router.cc: onResponseTimeout).
func noTimeout(s *site, d *drill) []Finding {
	if s.route == nil || s.route.Timeout > 0 || s.route.Retry != nil && s.route.Retry.PerTryTimeout > 0 || s.cluster.OutlierDetection == nil {
		return nil
	}
	vs, path := s.routePath("timeout")
	unanswered := 0
	if d != nil {
		if unanswered = d.uncharged(s); unanswered == 0 {
			return nil
		}
	} else if vs == nil {
		return nil // nobody wrote a route; every such service would be told
	}
	r, field := vs, path
	if r == nil {
		r, field = s.service(), "spec.http[0].timeout"
	}
	if r == nil {
		return nil
	}
	f := finding(CodeNoTimeout, SeverityInfo, r, field)
	f.Default = "none"
	f.Message = "the route has no timeout: " + why(CodeNoTimeout)
	if d == nil {
		return []Finding{f}
	}
	f.Message += fmt.Sprintf("; %s here", plural(unanswered, "request was given up unanswered and uncharged", "requests were given up unanswered and uncharged"))
	for _, t := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second} {
		if t <= 2*d.slowest(s) {
			continue // it would cut off good answers too
		}
		if vs != nil {
			f.edits = append(f.edits, set(vs, path, length(t)))
		} else {
			f.edits = append(f.edits, newRoute(s, "timeout", length(t)))
		}
	}
	return []Finding{f}
}

// connectTimeout: a route timeout that fires while the request still waits for
// its connection charges nobody (upstream_request.cc; measured X50).
func connectTimeout(s *site, d *drill) []Finding {
	if s.route == nil || s.route.Timeout == 0 || s.cluster.ConnectTimeout < s.route.Timeout || s.cluster.OutlierDetection == nil {
		return nil
	}
	uncharged := 0
	if d != nil {
		if uncharged = d.uncharged(s); uncharged == 0 {
			return nil
		}
	}
	const block = "connectionPool.tcp.connectTimeout"
	r, path := s.policyPath(block)
	if r == nil {
		r, path = s.service(), "spec.trafficPolicy."+block
	} else if use, ok := s.t.Use(s.cluster.Name, istio.PartConnectionPool); ok {
		r, path = use.Resource, use.Path+".tcp.connectTimeout"
	}
	if r == nil {
		return nil
	}
	f := finding(CodeConnectTimeout, SeverityWarning, r, path)
	now := length(s.cluster.ConnectTimeout)
	words := "connectTimeout " + now
	if !r.Has(path) {
		f.Default = now
		words = "connectTimeout (not set, default " + now + ")"
	}
	f.Message = fmt.Sprintf("%s is not below the route's timeout %s: %s", words, length(s.route.Timeout), why(CodeConnectTimeout))
	if uncharged > 0 {
		f.Message += fmt.Sprintf("; %s here", plural(uncharged, "request ended so", "requests ended so"))
	}
	f.firstWillDo = true
	// Half of it leaves the other half for the retry on another host.
	for _, part := range []time.Duration{2, 4, 10} {
		to := (s.route.Timeout / part).Truncate(time.Millisecond)
		if to <= 0 {
			continue
		}
		if r.Kind == "DestinationRule" {
			f.edits = append(f.edits, set(r, path, length(to)))
		} else {
			f.edits = append(f.edits, newRule(s, block, length(to)))
		}
	}
	return []Finding{f}
}
