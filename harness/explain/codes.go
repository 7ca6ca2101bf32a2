package explain

// Codes of the causes. They are stable: scripts match on them.
const (
	CodeNoOutlierDetection      = "no-outlier-detection"
	CodePortLevelSettings       = "port-level-settings"
	CodeEjectionBudget          = "maxEjectionPercent"
	CodeGatewayErrorsOnly       = "gateway-errors-only"
	CodeNoDetector              = "no-detector"
	CodeThresholdNotReached     = "threshold-not-reached"
	CodeSplitLocalErrors        = "split-local-errors"
	CodeNoTimeout               = "no-timeout"
	CodeConnectTimeout          = "connect-timeout"
	CodePanic                   = "panic"
	CodeRetriesStrike           = "retries-strike"
	CodeRetriesHide             = "retries-hide"
	CodeRoundRobinLock          = "round-robin-lock"
	CodeDistributeOneRegion     = "distribute-one-region"
	CodeEndpointWithoutLocality = "endpoint-without-locality"
	CodeFailoverFrom            = "failover-from"
	CodeTLSNames                = "tls-name-not-verified"
	CodeTLSPassThrough          = "tls-pass-through"
	CodeReturnCost              = "return-cost"
	CodeRejected                = "rejected"
	CodeCrash                   = "crashes-istiod"
)

// cause is what is true of a cause whatever the drill; its messages quote it.
type cause struct {
	code  string
	why   string // a clause that messages end or go on with
	since string // the release since which it is so, "" when all that are known
	field string // as Istio's API has it: OutlierDetection.max_ejection_percent
	fix   string // what usually helps
}

// causes are in the order of the codes.
var causes = []cause{
	{
		CodeNoOutlierDetection, "a failing endpoint is never taken out", "",
		"TrafficPolicy.outlier_detection", "a block with maxEjectionPercent 100",
	},
	{
		CodePortLevelSettings, "an entry for a port inherits nothing from the policy around it", "",
		"TrafficPolicy.port_level_settings", "the blocks of the policy again, in the entry",
	},
	{
		CodeEjectionBudget, "since Envoy 1.28 (Istio 1.20) the first ejection has to fit too", "Envoy 1.28 (Istio 1.20)",
		"OutlierDetection.max_ejection_percent", "100, which fits however many addresses a name resolves to",
	},
	{
		CodeGatewayErrorsOnly, "502, 503 and 504 are counted, 500 and 501 are not", "",
		"OutlierDetection.consecutive_gateway_errors", "consecutive5xxErrors above 0: it counts every 5xx",
	},
	{
		CodeNoDetector, "no failure is counted, and nothing is ever ejected", "",
		"OutlierDetection.consecutive_5xx_errors", "consecutive5xxErrors above 0",
	},
	{
		CodeThresholdNotReached, "a good answer in between begins the count anew", "",
		"OutlierDetection.consecutive_5xx_errors", "a threshold that the host reaches between two good answers",
	},
	{
		CodeSplitLocalErrors, "with splitExternalLocalOriginErrors every connection that is made begins the count of local errors anew, so that requests in turn which connect and then fail count 1 at most", "",
		"OutlierDetection.split_external_local_origin_errors", "consecutiveLocalOriginFailures 1, or no split",
	},
	{
		CodeNoTimeout, "a host that accepts requests and never answers is charged by nothing else, and stays in", "",
		"HTTPRoute.timeout", "a timeout above the slowest good answer",
	},
	{
		CodeConnectTimeout, "a request that ends while it waits for its connection charges nobody; only those that wait when the connect timer fires do, and sparse traffic has none", "",
		"ConnectionPoolSettings.TCPSettings.connect_timeout", "a connectTimeout of half the route's timeout, or less",
	},
	{
		CodePanic, "with fewer healthy hosts than that, requests go to the ejected ones too", "",
		"OutlierDetection.min_health_percent", "0, which switches panic off",
	},
	{
		CodeRetriesStrike, "every attempt is charged, so that the retries of one request are strikes of their own", "",
		"HTTPRetry.retry_on", "retrying answers less often, or a threshold above what one request can strike",
	},
	{
		CodeRetriesHide, "the clients saw none of it", "",
		"HTTPRoute.retries", "nothing; it says what the retries are worth",
	},
	{
		CodeRoundRobinLock, "a retry takes a turn, so that the dead one of n hosts is the first pick of every (n-1)-th request, of two hosts of each", "",
		"LoadBalancerSettings.simple", "LEAST_REQUEST, or ejecting the host",
	},
	{
		CodeDistributeOneRegion, "the endpoints of other regions are taken out of the cluster, and nothing can fail over to them", "",
		"LocalityLoadBalancerSetting.distribute", "no distribute: localities then fail over in order",
	},
	{
		CodeEndpointWithoutLocality, "it ranks with the other regions", "",
		"WorkloadEntry.locality", "the locality that it is in",
	},
	{
		CodeFailoverFrom, "it fails over to every other region alike", "",
		"LocalityLoadBalancerSetting.Failover.from", "the client's own region in from",
	},
	{
		CodeTLSNames, "a certificate without a name that is expected fails the handshake, which is charged and retried like a refused connection", "Istio 1.21",
		"ClientTLSSettings.subject_alt_names", "a name of each endpoint's certificate in subjectAltNames",
	},
	{
		CodeTLSPassThrough, "the proxy passes connections through and sees no answers: refused connections and connect timeouts are charged, a 5xx inside is not", "",
		"ServicePort.protocol", "protocol HTTP, with TLS begun by the proxy (trafficPolicy.tls, targetPort)",
	},
	{
		CodeReturnCost, "a host is let back at the first tick after baseEjectionTime times the number of its ejections, broken or not, and another ejection within 1s of that reaches the workers 1s late", "",
		"OutlierDetection.base_ejection_time", "retries, or a longer baseEjectionTime",
	},
	{
		CodeRejected, "istiod refuses the object, and what was there before stays in force", "",
		"", "the value that validation accepts",
	},
	{
		CodeCrash, "istiod itself dies on it", "Istio 1.30",
		"LocalityLoadBalancerSetting.failover_priority", "resolution STATIC, or failover instead of failoverPriority",
	},
}

func causeOf(code string) cause {
	for _, c := range causes {
		if c.code == code {
			return c
		}
	}
	panic("explain: no cause " + code) // a programming error: the table and the codes disagree
}

func why(code string) string   { return causeOf(code).why }
func since(code string) string { return causeOf(code).since }

// Codes lists the codes of all causes.
func Codes() []string {
	var out []string
	for _, c := range causes {
		out = append(out, c.code)
	}
	return out
}
