package istio

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// destinationRule is ValidateDestinationRule.
func (v validator) destinationRule(dr *networking.DestinationRule) {
	if err := wildcardHost(dr.Host); err != nil {
		v.refuse("spec.host", "%v", err)
	}
	v.trafficPolicy("spec.trafficPolicy", dr.TrafficPolicy)
	seen := map[string]bool{}
	for i, s := range dr.Subsets {
		field := indexed("spec.subsets", i)
		if s == nil {
			v.refuse(field, "the subset is null")
			continue
		}
		if seen[s.Name] {
			v.refuse(field+".name", "subset %q is there twice", s.Name)
		}
		seen[s.Name] = true
		if !isDNSLabel(s.Name) {
			v.refuse(field+".name", "%q is not a subset name", s.Name)
		}
		v.labels(field+".labels", s.Labels)
		v.trafficPolicy(field+".trafficPolicy", s.TrafficPolicy)
	}
	v.exportTo(dr.ExportTo, false, dr.WorkloadSelector != nil)
	for _, k := range sortedKeys(dr.WorkloadSelector.GetMatchLabels()) {
		if k == "" || strings.Contains(k+dr.WorkloadSelector.MatchLabels[k], "*") {
			v.refuse("spec.workloadSelector.matchLabels", "%q: keys are not empty, and there are no wildcards", k)
		}
	}
	if dr.WorkloadSelector != nil && len(dr.WorkloadSelector.MatchLabels) == 0 {
		v.warn("spec.workloadSelector", "without labels it selects every workload of the namespace")
	}
}

func (v validator) trafficPolicy(field string, p *networking.TrafficPolicy) {
	if p == nil {
		return
	}
	if p.LoadBalancer == nil && p.ConnectionPool == nil && p.OutlierDetection == nil && p.Tls == nil &&
		p.PortLevelSettings == nil && p.Tunnel == nil && p.ProxyProtocol == nil && p.RetryBudget == nil {
		v.refuse(field, "the traffic policy is empty")
		return
	}
	if p.Tunnel != nil && p.ProxyProtocol != nil {
		v.refuse(field, "tunnel and proxyProtocol exclude each other")
		return
	}
	v.blocks(field, p.ConnectionPool, p.LoadBalancer, p.OutlierDetection, p.Tls)
	for i, e := range p.PortLevelSettings {
		at := indexed(field+".portLevelSettings", i)
		switch {
		case e == nil:
			v.refuse(at, "the entry is null")
			continue
		case e.Port == nil:
			v.refuse(at, "the entry names no port")
		}
		if e.LoadBalancer == nil && e.ConnectionPool == nil && e.OutlierDetection == nil && e.Tls == nil {
			v.refuse(at, "the entry sets nothing")
		}
		v.blocks(at, e.ConnectionPool, e.LoadBalancer, e.OutlierDetection, e.Tls)
	}
}

func (v validator) blocks(field string, cp *networking.ConnectionPoolSettings, lb *networking.LoadBalancerSettings,
	od *networking.OutlierDetection, tls *networking.ClientTLSSettings,
) {
	v.outlierDetection(field+".outlierDetection", od)
	v.connectionPool(field+".connectionPool", cp)
	v.loadBalancer(field+".loadBalancer", lb, od != nil)
	v.tls(field+".tls", tls)
}

func (v validator) outlierDetection(field string, od *networking.OutlierDetection) {
	if od == nil {
		return
	}
	v.duration(field+".baseEjectionTime", od.BaseEjectionTime)
	v.duration(field+".interval", od.Interval)
	v.percent(field+".maxEjectionPercent", od.MaxEjectionPercent)
	v.percent(field+".minHealthPercent", od.MinHealthPercent)
	if od.ProtoReflect().Has(od.ProtoReflect().Descriptor().Fields().ByName("consecutive_errors")) {
		v.warn(field+".consecutiveErrors", "deprecated and ignored; consecutive5xxErrors or consecutiveGatewayErrors does it")
	}
	if !od.SplitExternalLocalOriginErrors && od.ConsecutiveLocalOriginFailures.GetValue() > 0 {
		v.refuse(field+".consecutiveLocalOriginFailures", "it needs splitExternalLocalOriginErrors: true")
	}
}

func (v validator) connectionPool(field string, cp *networking.ConnectionPoolSettings) {
	if cp == nil {
		return
	}
	if cp.Http == nil && cp.Tcp == nil {
		v.refuse(field, "the connection pool sets nothing")
	}
	if h := cp.Http; h != nil {
		at := field + ".http"
		v.notNegative(at+".http1MaxPendingRequests", h.Http1MaxPendingRequests)
		v.notNegative(at+".http2MaxRequests", h.Http2MaxRequests)
		v.notNegative(at+".maxRequestsPerConnection", h.MaxRequestsPerConnection)
		v.notNegative(at+".maxRetries", h.MaxRetries)
		v.notNegative(at+".maxConcurrentStreams", h.MaxConcurrentStreams)
		v.duration(at+".idleTimeout", h.IdleTimeout)
		if h.UseClientProtocol && h.H2UpgradePolicy == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
			v.refuse(at+".useClientProtocol", "it excludes h2UpgradePolicy: UPGRADE")
		}
		if k := h.Http2KeepAlive; k != nil {
			if k.Interval == nil || k.Timeout == nil {
				v.refuse(at+".http2KeepAlive", "it needs both interval and timeout")
			}
			v.duration(at+".http2KeepAlive.interval", k.Interval)
			v.duration(at+".http2KeepAlive.timeout", k.Timeout)
		}
	}
	if c := cp.Tcp; c != nil {
		at := field + ".tcp"
		v.notNegative(at+".maxConnections", c.MaxConnections)
		v.duration(at+".connectTimeout", c.ConnectTimeout)
		v.duration(at+".maxConnectionDuration", c.MaxConnectionDuration)
		if c.IdleTimeout.AsDuration().Milliseconds() != 0 { // 0 switches it off
			v.duration(at+".idleTimeout", c.IdleTimeout)
		}
		v.duration(at+".tcpKeepalive.time", c.TcpKeepalive.GetTime())
		v.duration(at+".tcpKeepalive.interval", c.TcpKeepalive.GetInterval())
	}
}

func (v validator) loadBalancer(field string, lb *networking.LoadBalancerSettings, outlier bool) {
	if lb == nil {
		return
	}
	if hash := lb.GetConsistentHash(); hash != nil {
		at := field + ".consistentHash"
		if c := hash.GetHttpCookie(); c != nil && c.Name == "" {
			v.refuse(at+".httpCookie", "the cookie has no name")
		}
		if m := hash.GetMaglev(); m != nil && (m.TableSize >= 5000011 || !isPrime(m.TableSize)) {
			v.refuse(at+".maglev.tableSize", "%d is not a prime below 5000011", m.TableSize)
		}
	}
	if lb.LocalityLbSetting != nil && lb.ZoneAwareLbSetting != nil {
		v.refuse(field+".zoneAwareLbSetting", "localityLbSetting and zoneAwareLbSetting exclude each other")
	}
	v.locality(field+".localityLbSetting", lb.LocalityLbSetting, outlier)
	if w := lb.Warmup; w != nil {
		if w.Duration == nil {
			v.refuse(field+".warmup", "it needs a duration")
		}
		v.duration(field+".warmup.duration", w.Duration)
		if w.MinimumPercent.GetValue() > 100 {
			v.refuse(field+".warmup.minimumPercent", "%v is more than 100", w.MinimumPercent.Value)
		}
		if w.Aggression != nil && w.Aggression.Value <= 0 {
			v.refuse(field+".warmup.aggression", "%v is not positive", w.Aggression.Value)
		}
	}
}

// locality is pkg/config/validation/agent/validation.go: ValidateLocalityLbSetting.
func (v validator) locality(field string, l *networking.LocalityLoadBalancerSetting, outlier bool) {
	if l == nil {
		return
	}
	if len(l.Distribute) > 0 && len(l.Failover) > 0 {
		v.refuse(field, "distribute and failover exclude each other")
		return
	}
	if len(l.Failover) > 0 {
		for i, p := range l.FailoverPriority {
			if p == labelRegion || p == labelZone || p == labelSubZone {
				v.refuse(indexed(field+".failoverPriority", i), "%s and failover exclude each other", p)
				return
			}
		}
	}
	from := overlap{}
	for i, d := range l.Distribute {
		at := indexed(field+".distribute", i)
		if err := from.add(d.GetFrom()); err != "" {
			v.refuse(at+".from", "%s", err)
		}
		// istiod visits the map in any order, so an overlap is found sooner or
		// later; sorted, * comes before what it covers.
		to, total := overlap{}, uint32(0)
		for _, pattern := range sortedKeys(d.GetTo()) {
			percent := d.To[pattern]
			if percent < 1 || percent > 100 {
				v.refuse(at+".to."+pattern, "%d is not in 1 to 100", percent)
			}
			total += percent
			if err := to.add(pattern); err != "" {
				v.refuse(at+".to."+pattern, "%s", err)
			}
		}
		if total != 100 {
			v.refuse(at+".to", "the percentages add up to %d, not 100", total)
		}
	}
	if (len(l.Failover) > 0 || len(l.FailoverPriority) > 0) && !outlier {
		v.warn(field, "without outlierDetection beside it, failover does nothing")
	}
	for i, f := range l.Failover {
		at := indexed(field+".failover", i)
		switch both := f.GetFrom() + f.GetTo(); {
		case f.GetFrom() == f.GetTo():
			v.refuse(at, "from and to are both %q; they have to differ", f.GetFrom())
		case strings.Contains(both, "/"):
			v.refuse(at, "failover is between regions; a zone cannot be named")
		case strings.Contains(both, "*"):
			v.refuse(at, "failover is between regions; there are no wildcards")
		}
	}
}

// overlap finds localities that cover others, in the order in which they are
// added. Validation lets a wildcard follow what it covers, so that the rules of a
// distribute can end in one for all other localities.
type overlap []string

func (o *overlap) add(pattern string) string {
	if n := strings.Count(pattern, "*"); n > 1 || n == 1 && !strings.HasSuffix(pattern, "*") {
		return "only one * at the end is allowed in " + pattern
	}
	if slices.Contains(strings.SplitN(pattern, "/", 3), "") {
		return "locality " + quote(pattern) + " has an empty part"
	}
	for _, have := range *o {
		if covers(have, pattern) || !strings.HasSuffix(pattern, "*") && covers(pattern, have) {
			return pattern + " overlaps with " + have
		}
	}
	*o = append(*o, pattern)
	return ""
}

// covers reports whether every locality of b is one of a.
func covers(a, b string) bool {
	x, y := strings.SplitN(a, "/", 3), strings.SplitN(b, "/", 3)
	for i := range 3 {
		switch {
		case i >= len(x) || x[i] == "*":
			return true
		case i >= len(y) || x[i] != y[i]:
			return false
		}
	}
	return true
}

// tls is pkg/config/validation/agent/validation.go: ValidateTLS.
func (v validator) tls(field string, s *networking.ClientTLSSettings) {
	if s == nil {
		return
	}
	simple, mutual := s.Mode == networking.ClientTLSSettings_SIMPLE, s.Mode == networking.ClientTLSSettings_MUTUAL
	if s.InsecureSkipVerify.GetValue() {
		if (simple || mutual) && (s.CaCertificates != "" || len(s.SubjectAltNames) > 0) || simple && s.CredentialName != "" {
			v.refuse(field+".insecureSkipVerify", "it excludes everything that certificates would be verified with")
		}
	}
	if (simple || mutual) && s.CredentialName != "" {
		if s.ClientCertificate != "" || s.PrivateKey != "" || s.CaCertificates != "" || s.CaCrl != "" {
			v.refuse(field+".credentialName", "it excludes certificates from files")
		}
		return
	}
	if mutual && s.ClientCertificate == "" {
		v.refuse(field, "mode MUTUAL needs a clientCertificate")
	}
	if mutual && s.PrivateKey == "" {
		v.refuse(field, "mode MUTUAL needs a privateKey")
	}
}

func isPrime(n uint64) bool {
	if n < 4 {
		return n != 0 // as Envoy and Istio have it
	}
	if n%2 == 0 {
		return false
	}
	for f := uint64(3); f*f <= n; f += 2 {
		if n%f == 0 {
			return false
		}
	}
	return true
}
