package trace

// Details are what Envoy logs as %RESPONSE_CODE_DETAILS% for the request; last is
// its last attempt, nil if it had none. The empty string: the trace does not tell.
//
// Sources: the reference, sections 10.2 to 10.5; envoy/stream_info/stream_info.h,
// ResponseCodeDetailValues; source/common/router/router.cc, onUpstreamReset.
func (r *Request) Details(last *Attempt) string {
	switch {
	case r.Flags&FlagNR != 0:
		return "route_not_found"
	case r.Flags&FlagNC != 0:
		return "cluster_not_found"
	case r.Flags&FlagUH != 0:
		return "no_healthy_upstream"
	case r.Flags&FlagUMSDR != 0:
		return "upstream_max_stream_duration_reached"
	case r.Flags&FlagDC != 0:
		return "downstream_remote_disconnect"
	case last == nil:
		return ""
	case r.Flags&FlagUT != 0:
		// A route timeout may end the wait for a retry, long after the attempt.
		if last.Result == PerTryTimeout && last.Done == r.Done {
			return "upstream_per_try_timeout"
		}
		return "response_timeout"
	}
	switch last.Result {
	case Answered:
		if reason := resetReason(r.Flags); reason != "" {
			return "upstream_reset_after_response_started{" + reason + "}"
		}
		return "via_upstream"
	case Refused:
		return "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
	case ConnectTimeout:
		return "upstream_reset_before_response_started{connection_timeout}"
	case Reset:
		return "upstream_reset_before_response_started{" + resetReason(r.Flags) + "}"
	case Overflow:
		return "upstream_reset_before_response_started{overflow}"
	}
	return ""
}

// resetReason is why a stream ended, in the words of resetReasonToString
// (source/common/http/utility.cc), with underscores.
func resetReason(f Flags) string {
	switch {
	case f&FlagUC != 0:
		return "connection_termination"
	case f&FlagUR != 0:
		return "remote_reset"
	case f&FlagUPE != 0:
		return "protocol_error"
	case f&FlagLR != 0:
		return "local_reset"
	}
	return ""
}
