package observe

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/live"
	"github.com/faildrill/faildrill/harness/trace"
)

// A line as Envoy 1.40.0 writes it in the format of the access log.
const answered = `{"attempts":2,"cluster":"outbound|80||mydb.com","connectBegin":2002275011,"connection":3,"details":"via_upstream","end":"1795389819.673980000","failure":null,"flags":"-","host":"198.18.0.2:80","hostName":"198.18.0.2:80","request":"2","responseBegin":2002809364,"sendBegin":2002359747,"start":"1795389817.671003000","status":200}` + "\n"

func TestAccess(t *testing.T) {
	got, err := Access([]byte(answered + "\n" + answered[:40]))
	if err != nil || len(got) != 1 {
		t.Fatalf("%d lines, %v; want one, and the unfinished one left out", len(got), err)
	}
	want := Line{
		Start: time.Unix(1795389817, 671003000), End: time.Unix(1795389819, 673980000), Request: 2, Status: 200, Flags: "-",
		Details: "via_upstream", Host: "198.18.0.2:80", HostName: "198.18.0.2:80", Cluster: "outbound|80||mydb.com", Attempts: 2, Connection: 3,
		ConnectBegin: 2002275011, SendBegin: 2002359747, ResponseBegin: 2002809364,
	}
	if got[0] != want {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

// Round numbers are written with an exponent (1.36.2).
func TestExponents(t *testing.T) {
	got, err := Access([]byte(strings.Replace(answered, "2002359747", "8e+05", 1)))
	if err != nil || got[0].SendBegin != 800*time.Microsecond {
		t.Errorf("%+v %v", got, err)
	}
}

// A refused connect has no points of its own, and a log can break in the middle.
func TestBadLines(t *testing.T) {
	refused := `{"cluster":"c","connectBegin":null,"end":"1.000000001","flags":"UF","host":"198.18.0.1:80","request":"7","responseBegin":null,"sendBegin":null,"start":"1.000000000","status":0}` + "\n"
	got, err := Upstream([]byte(refused))
	if err != nil || got[0].ResponseBegin >= 0 || got[0].SendBegin >= 0 || got[0].ConnectBegin >= 0 {
		t.Errorf("%+v %v", got, err)
	}
	for broken, want := range map[string]string{
		strings.Replace(refused, `"7"`, `null`, 1):                    "line 1: request number",
		strings.Replace(refused, `"1.000000000"`, `"1.5"`, 1):         "line 1: start",
		strings.Replace(refused, `"1.000000001"`, `"x"`, 1):           "line 1: end",
		refused + refused[:20] + "\n":                                 "line 2: ",
		strings.Replace(refused, `"status":0`, `"status":"-"`, 1):     "line 1: ",
		strings.Replace(refused, `"1.000000001"`, `"1.0000000x1"`, 1): "line 1: end",
	} {
		if _, err := Upstream([]byte(broken)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// What the formats write is what the parser reads, and nothing else.
func TestFormatsAreRead(t *testing.T) {
	known := []string{}
	for f := range reflect.TypeFor[Line]().Fields() {
		known = append(known, strings.ToLower(f.Name[:1])+f.Name[1:])
	}
	for name, operator := range AccessLog {
		if !slices.Contains(known, name) {
			t.Errorf("nobody reads %s", name)
		}
		if up, ok := UpstreamLog[name]; ok && up != operator {
			t.Errorf("%s is %s in one log and %s in the other", name, operator, up)
		}
	}
	for _, k := range known {
		if AccessLog[k] == "" {
			t.Errorf("nobody writes %s", k)
		}
	}
	if want := "%REQ(" + strings.ToUpper(live.RequestHeader) + ")%"; AccessLog["request"] != want {
		t.Errorf("got %s, want %s", AccessLog["request"], want)
	}
}

// Lines of Envoy 1.36.2 and 1.40.0; the last two hosts come back from different things.
func TestOutlier(t *testing.T) {
	const log = `{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T18:51:27.675Z","cluster_name":"c","upstream_url":"198.18.0.1:80","action":"EJECT","num_ejections":1,"enforced":true,"eject_consecutive_event":{}}
{"type":"CONSECUTIVE_GATEWAY_FAILURE","timestamp":"2026-11-22T18:51:27Z","secs_since_last_action":"7","cluster_name":"c","upstream_url":"198.18.0.1:80","action":"EJECT","num_ejections":1,"enforced":false,"eject_consecutive_event":{}}
{"type":"SUCCESS_RATE","timestamp":"2026-11-22T18:51:28.001Z","cluster_name":"c","upstream_url":"198.18.0.2:80","action":"EJECT","num_ejections":2,"enforced":true,"eject_success_rate_event":{"host_success_rate":0,"cluster_average_success_rate":80,"cluster_success_rate_ejection_threshold":54}}
{"type":"SUCCESS_RATE_LOCAL_ORIGIN","timestamp":"2026-11-22T18:51:28.001Z","cluster_name":"c","upstream_url":"198.18.0.2:80","action":"EJECT","num_ejections":2,"enforced":true,"eject_success_rate_event":{}}
{"type":"FAILURE_PERCENTAGE","timestamp":"2026-11-22T18:51:28.001Z","cluster_name":"c","upstream_url":"198.18.0.2:80","action":"EJECT","num_ejections":2,"enforced":true,"eject_failure_percentage_event":{"host_success_rate":0}}
{"type":"CONSECUTIVE_LOCAL_ORIGIN_FAILURE","timestamp":"2026-11-22T18:51:28.001Z","cluster_name":"c","upstream_url":"198.18.0.2:80","action":"EJECT","num_ejections":2,"enforced":true,"eject_consecutive_event":{}}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T18:52:02.675Z","secs_since_last_action":"35","cluster_name":"c","upstream_url":"198.18.0.1:80","action":"UNEJECT","num_ejections":1,"enforced":false}
{"type":"DEGRADED","timestamp":"2026-11-22T18:52:03Z","cluster_name":"c","upstream_url":"198.18.0.3:80","action":"EJECT","num_ejections":0,"enforced":true,"eject_consecutive_event":{}}
{"type":"CONSECUTIVE_5XX","timestamp":"2026-11-22T18:52:09Z","cluster_name":"c","upstream_url":"198.18.0.3:80","action":"UNEJECT","num_ejections":0,"enforced":false}
`
	got, err := Outlier([]byte(log))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, e := range got {
		words = append(words, strings.TrimSpace(e.Kind+" "+e.Cause))
	}
	want := []string{
		trace.Ejected + " consecutive_5xx", trace.Detected + " consecutive_gateway_failure", trace.Ejected + " success_rate", trace.Ejected + " local_origin_success_rate",
		trace.Ejected + " failure_percentage", trace.Ejected + " consecutive_local_origin_failure", trace.Returned, trace.Degraded + " degradation", trace.Undegraded,
	}
	if !slices.Equal(words, want) {
		t.Errorf("got  %q\nwant %q", words, want)
	}
	if e := got[0]; e.At.UnixMilli()%1000 != 675 || e.Host != "198.18.0.1:80" || e.Cluster != "c" || e.Ejections != 1 || e.AtTick {
		t.Errorf("got %+v", e)
	}
	if !got[2].AtTick || !got[4].AtTick {
		t.Error("hosts are compared at ticks")
	}
	for _, bad := range []string{"{\"action\":\"EJECT\",\"type\":\"NEW\",\"timestamp\":\"2026-11-22T18:51:27Z\"}\n", "{\"action\":\"SHIFT\",\"timestamp\":\"2026-11-22T18:51:27Z\"}\n", "{\"action\":\"EJECT\"}\n"} {
		if _, err := Outlier([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestPolls(t *testing.T) {
	p := Poll{Counters: Stats([]byte("cluster.outbound|80||mydb.com;.outlier_detection.ejections_overflow: 3\nserver.version: x\n"))}
	for k, v := range Clusters([]byte("outbound|80||mydb.com::198.18.0.1:80::cx_connect_fail::7\noutbound|80||mydb.com::198.18.0.1:80::health_flags::healthy\n")) {
		p.Counters[k] = v
	}
	if n := p.clusterCounter("outbound|80||mydb.com", "outlier_detection.ejections_overflow"); n != 3 {
		t.Errorf("got %d, want 3 under the alternative name", n)
	}
	if n := p.hostCounter("outbound|80||mydb.com", "198.18.0.1:80", "cx_connect_fail"); n != 7 || len(p.Counters) != 2 {
		t.Errorf("got %d of %v", n, p.Counters)
	}
	const dump = `{"configs":[{"dynamic_active_clusters":[{"cluster":{"name":"a"},"last_updated":"2026-11-22T18:51:27.675123456Z"}]},{"cluster":{"name":"b"},"last_updated":"2026-11-22T18:51:28Z"}]}`
	got, err := ConfigDump([]byte(dump))
	if err != nil || len(got) != 2 || got[0].Cluster != "a" || got[0].At.Nanosecond() != 675123456 || got[1].Cluster != "b" {
		t.Errorf("%+v %v", got, err)
	}
}
