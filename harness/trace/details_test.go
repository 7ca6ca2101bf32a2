package trace

import "testing"

// Response code details as 1.36.2 and 1.40.0 log them (10.2 to 10.5).
func TestDetails(t *testing.T) {
	const before, after = "upstream_reset_before_response_started{", "upstream_reset_after_response_started{"
	for _, c := range []struct {
		flags string
		last  Result
		want  string
	}{
		{"-", Answered, "via_upstream"},
		{"URX", Answered, "via_upstream"}, // a 503 whose retries are used up
		{"UO", Answered, "via_upstream"},  // a 503 whose retry the breaker refused
		{"UO", Overflow, before + "overflow}"},
		{"URX,UF", Refused, before + "remote_connection_failure|delayed_connect_error:_Connection_refused}"},
		{"UO,UF", Refused, before + "remote_connection_failure|delayed_connect_error:_Connection_refused}"},
		{"UF", ConnectTimeout, before + "connection_timeout}"},
		{"UC", Reset, before + "connection_termination}"},
		{"UC", Answered, after + "connection_termination}"},
		{"UR", Reset, before + "remote_reset}"},
		{"UPE", Reset, before + "protocol_error}"}, // X55
		{"UT", Timeout, "response_timeout"},
		{"UT", Cancelled, "response_timeout"},
		{"UT", Answered, "response_timeout"}, // after the headers, or in the back-off after a 503
		{"UT", PerTryTimeout, "upstream_per_try_timeout"},
		{"URX,UT", PerTryTimeout, "upstream_per_try_timeout"},
		{"UH", Answered, "no_healthy_upstream"}, // while retrying
		{"DC", Cancelled, "downstream_remote_disconnect"},
		{"UMSDR", Cancelled, "upstream_max_stream_duration_reached"},
	} {
		var f Flags
		if err := f.UnmarshalText([]byte(c.flags)); err != nil {
			t.Fatal(err)
		}
		r := Request{Flags: f, Done: 7}
		if got := r.Details(&Attempt{Result: c.last, Done: 7}); got != c.want {
			t.Errorf("%s, %v: got %s, want %s", c.flags, c.last, got, c.want)
		}
	}
	r := Request{Flags: FlagUT, Done: 9}
	if got := r.Details(&Attempt{Result: PerTryTimeout, Done: 7}); got != "response_timeout" {
		t.Errorf("the route timeout in the back-off after a per-try timeout: %s", got)
	}
	for f, want := range map[Flags]string{FlagNR: "route_not_found", FlagNC: "cluster_not_found", FlagUH: "no_healthy_upstream", 0: ""} {
		r := Request{Flags: f}
		if got := r.Details(nil); got != want {
			t.Errorf("%v without an attempt: got %q, want %q", f, got, want)
		}
	}
}
