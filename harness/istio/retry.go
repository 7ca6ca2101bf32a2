package istio

import (
	"slices"
	"strconv"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/faildrill/faildrill/harness/xds"
)

// Envoy's and Istio's defaults of a retry policy.
const (
	defaultRetries           = 2
	hostSelectionAttempts    = 5
	previousPrioritiesUpdate = 2
	defaultBackOff           = 25 * time.Millisecond
	maxBackOffFactor         = 10 // the longest back-off, in base intervals
	retriableStatusCodes     = "retriable-status-codes"
)

var defaultRetryOn = []string{"connect-failure", "refused-stream", "unavailable", "cancelled", retriableStatusCodes}

// retryPolicy maps the retries of a route; nil is the mesh's policy. hashed says
// that the one destination has a consistent hash.
// Rule: RuleRetries, pilot/pkg/networking/core/route/retry/retry.go: ConvertPolicy.
func (t *translator) retryPolicy(in *networking.HTTPRetry, hashed bool) *xds.RetryPolicy {
	if in == nil && t.mesh.DefaultRetryAttempts != nil {
		in = &networking.HTTPRetry{Attempts: int32(*t.mesh.DefaultRetryAttempts)}
	}
	// Rule: RuleDefaultRetries: every route without a policy of its own gets two retries on another host.
	out := &xds.RetryPolicy{
		RetryOn:                  slices.Clone(defaultRetryOn),
		NumRetries:               defaultRetries,
		BackOffBase:              defaultBackOff,
		BackOffMax:               maxBackOffFactor * defaultBackOff,
		PreviousHosts:            !hashed, // Rule: RuleRetryHashKeepsHost
		HostSelectionMaxAttempts: hostSelectionAttempts,
	}
	// Rule: RuleNo503Retry.
	if !t.v.has(RuleNo503Retry) {
		out.RetriableStatusCodes = []uint32{503}
	}
	if in == nil {
		return out
	}
	if in.Attempts <= 0 {
		return nil
	}
	out.NumRetries = uint32(in.Attempts)
	if in.RetryOn != "" {
		out.RetryOn, out.RetriableStatusCodes = parseRetryOn(in.RetryOn)
	}
	if in.PerTryTimeout != nil {
		out.PerTryTimeout = in.PerTryTimeout.AsDuration()
	}
	if in.RetryRemoteLocalities.GetValue() {
		out.PreviousPriorities = previousPrioritiesUpdate
	}
	// Rule: RuleRetryIgnorePreviousHosts.
	if in.RetryIgnorePreviousHosts != nil && t.v.has(RuleRetryIgnorePreviousHosts) {
		out.PreviousHosts = in.RetryIgnorePreviousHosts.Value
	}
	// Rule: RuleRetryBackoff. Envoy rounds a base below a millisecond up to one.
	if in.Backoff != nil && t.v.has(RuleRetryBackoff) {
		out.BackOffBase = max(in.Backoff.AsDuration(), time.Millisecond)
		out.BackOffMax = maxBackOffFactor * out.BackOffBase
	}
	return out
}

// parseRetryOn tells status codes from the names of conditions.
// retry.go: parseRetryOn; the keyword for codes is added when it is missing.
func parseRetryOn(text string) (conditions []string, codes []uint32) {
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if n, err := strconv.Atoi(part); err == nil && isStatusCode(n) {
			codes = append(codes, uint32(n))
		} else {
			conditions = append(conditions, part)
		}
	}
	named := slices.ContainsFunc(conditions, func(c string) bool { return strings.Contains(c, retriableStatusCodes) })
	if len(codes) > 0 && !named {
		conditions = append(conditions, retriableStatusCodes)
	}
	return conditions, codes
}

// isStatusCode reports whether net/http has a text for the code, which is what
// istiod asks; the package itself would be too heavy here.
func isStatusCode(n int) bool {
	switch {
	case n >= 100 && n <= 103, n >= 200 && n <= 208, n == 226,
		n >= 300 && n <= 308 && n != 306,
		n >= 400 && n <= 418, n >= 421 && n <= 426, n == 428, n == 429, n == 431, n == 451,
		n >= 500 && n <= 508, n == 510, n == 511:
		return true
	}
	return false
}
