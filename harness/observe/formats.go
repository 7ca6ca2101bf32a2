package observe

// AccessLog is the JSON format of the log that has one line for each request, for
// json_format of a FileAccessLog and for the mesh configuration of istiod.
//
// Source: Envoy's documentation of access log operators. COMMON_DURATION counts
// from the first byte of the request; a point that was not reached is null.
var AccessLog = map[string]string{
	"start":         "%START_TIME(%s.%9f)%",
	"end":           "%EMIT_TIME(%s.%9f)%",
	"request":       "%REQ(X-FAILDRILL-REQUEST)%",
	"status":        "%RESPONSE_CODE%",
	"flags":         "%RESPONSE_FLAGS%",
	"details":       "%RESPONSE_CODE_DETAILS%",
	"host":          "%UPSTREAM_HOST%",
	"hostName":      "%UPSTREAM_HOST_NAME%",
	"cluster":       "%UPSTREAM_CLUSTER_RAW%",
	"attempts":      "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
	"failure":       "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	"connection":    "%UPSTREAM_CONNECTION_ID%",
	"connectBegin":  "%COMMON_DURATION(DS_RX_BEG:US_CX_BEG:ns)%",
	"sendBegin":     "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:ns)%",
	"responseBegin": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ns)%",
}

// UpstreamLog is the JSON format of the router's upstream_log, which has one line
// for each attempt. Start and end are the attempt's, and durations count from its
// start. The attempt count is always 0 there, and the details are not set.
var UpstreamLog = map[string]string{
	"start":         "%START_TIME(%s.%9f)%",
	"end":           "%EMIT_TIME(%s.%9f)%",
	"request":       "%REQ(X-FAILDRILL-REQUEST)%",
	"status":        "%RESPONSE_CODE%",
	"flags":         "%RESPONSE_FLAGS%",
	"host":          "%UPSTREAM_HOST%",
	"hostName":      "%UPSTREAM_HOST_NAME%",
	"cluster":       "%UPSTREAM_CLUSTER_RAW%",
	"failure":       "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	"connection":    "%UPSTREAM_CONNECTION_ID%",
	"connectBegin":  "%COMMON_DURATION(DS_RX_BEG:US_CX_BEG:ns)%",
	"sendBegin":     "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:ns)%",
	"responseBegin": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ns)%",
}
