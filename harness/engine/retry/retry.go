// Package retry decides whether a request is tried again, and when.
//
//	s := retry.Start(policy)                        // policy nil: never
//	switch s.Decide(retry.ConnectFailure, 0) {
//	case retry.Again:      wait := retry.BackOff(policy, s.Retries(), draw)
//	case retry.Exhausted:  // flag URX
//	case retry.No:
//	}
//
// Rules: Envoy's documentation of the router's x-envoy-retry-on conditions;
// source/common/router/retry_state_impl.cc. Not here: gRPC statuses in
// trailers, rate-limited back-off, hedging.
package retry

import (
	"time"

	"github.com/faildrill/faildrill/harness/xds"
)

// Failure is how the last attempt ended, as far as the conditions care.
type Failure uint8

// The failures that conditions tell apart.
const (
	Response       Failure = iota // an answer; its status decides
	ConnectFailure                // no connection, a timeout of the connect included
	ResetFailure                  // the stream was reset after the request was sent
	PerTryTimeout                 // counts as a reset by the local side
	OverflowFailure
)

// Decision is what happens next.
type Decision uint8

// The decisions.
const (
	No        Decision = iota // not retriable
	Again                     // after the back-off
	Exhausted                 // retriable, but no retry is left: flag URX
)

// State is the retry state of one request.
type State struct {
	policy *xds.RetryPolicy
	left   uint32
	done   uint32
}

// Start begins a request under the policy; nil means no retries.
func Start(p *xds.RetryPolicy) State {
	s := State{policy: p}
	if p != nil {
		s.left = p.NumRetries
	}
	return s
}

// Policy is what Start was given.
func (s *State) Policy() *xds.RetryPolicy { return s.policy }

// Retries is how many retries were granted so far.
func (s *State) Retries() uint32 { return s.done }

// Decide is asked once after each attempt, after outlier detection has been
// charged. The status matters for Response only.
//
// Rule: RuleRetryLimit.
func (s *State) Decide(f Failure, status int) Decision {
	if s.policy == nil || !Retriable(s.policy, f, status) {
		return No
	}
	if s.left == 0 {
		return Exhausted
	}
	s.left--
	s.done++
	return Again
}

// Retriable reports whether one of the policy's conditions meets the failure.
//
// Rule: RuleOverflowNoRetry.
func Retriable(p *xds.RetryPolicy, f Failure, status int) bool {
	if f == OverflowFailure {
		return false
	}
	for _, on := range p.RetryOn {
		if f == Response {
			if onResponse(p, on, status) {
				return true
			}
		} else if onReset(on, f) {
			return true
		}
	}
	return false
}

// Rule: RuleRetryOnResponse.
func onResponse(p *xds.RetryPolicy, on string, status int) bool {
	switch on {
	case "5xx":
		return status >= 500 && status < 600
	case "gateway-error":
		return status >= 502 && status <= 504
	case "retriable-4xx":
		return status == 409
	case "retriable-status-codes":
		for _, c := range p.RetriableStatusCodes {
			if int(c) == status {
				return true
			}
		}
	}
	return false
}

// Rule: RuleRetryOnReset.
func onReset(on string, f Failure) bool {
	switch on {
	case "5xx", "gateway-error", "reset":
		return true // any reset, those without an answer included
	case "connect-failure":
		return f == ConnectFailure
	case "reset-before-request":
		return f == ConnectFailure
	}
	return false
}

// BackOff is the wait before the n-th retry, n from 1: evenly drawn below base,
// 2 base, 4 base, ..., at most the maximum, in whole milliseconds.
//
// Rule: RuleBackOff.
func BackOff(p *xds.RetryPolicy, n uint32, draw uint64) time.Duration {
	w := Window(p, n)
	if w <= 0 {
		return 0
	}
	return time.Duration(draw%uint64(w)) * time.Millisecond
}

// Window is the number of whole milliseconds from which the n-th back-off is drawn.
func Window(p *xds.RetryPolicy, n uint32) int64 {
	d := p.BackOffBase
	for i := uint32(1); i < n && d < p.BackOffMax; i++ {
		d *= 2
	}
	return min(d, p.BackOffMax).Milliseconds()
}
