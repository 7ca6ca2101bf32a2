package mockupstreams

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask talks to the control API.
func ask(t *testing.T, s *Server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.ControlAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := newClient(t, "HTTP/1.1").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func TestControl(t *testing.T) {
	s := startTest(t, func(cfg *Config) { cfg.Control = "127.0.0.1:0" })
	client := newClient(t, "HTTP/1.1")
	for _, step := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/healthz", "", 200, `"refusing": []`},
		{"GET", "/faults", "", 200, `"faults": []`},
		{"GET", "/attempts", "", 200, `"attempts": []`},
		{"POST", "/faults", `{"name": "flaky", "status": 503, "first": 1}`, 201, `"status": 503`},
		{"POST", "/faults", `{"name": "flaky", "status": 500}`, 409, `already applied`},
		{"POST", "/faults", `{"name": "b", "resett": true}`, 400, `did you mean \"reset\"?`},
		{"POST", "/faults", `{"name": "b", "tls": "expired"}`, 422, `has no TLS`},
		{"POST", "/faults", `{"name": "b", "status": 500, "port": 1}`, 400, `port: found 1`},
		{"POST", "/faults", `{"name": "` + strings.Repeat("x", controlBody) + `"}`, 413, `too large`},
		{"GET", "/faults", "", 200, `"first": 1`},
		{"GET", "drive", "", 503, ``},
		{"GET", "drive", "", 200, ``},
		{"GET", "/counts", "", 200, `"503": 1`},
		{"GET", "/attempts", "", 200, `"fault": "flaky"`},
		{"DELETE", "/faults/flaky", "", 204, ``},
		{"DELETE", "/faults/flaky", "", 404, `not applied; applied: none`},
		{"POST", "/reset", "", 204, ``},
		{"GET", "/counts", "", 200, `"requests": 0`},
		{"POST", "/faults", `{"name": "down", "refuse": true}`, 201, `"refuse": true`},
		{"GET", "/healthz", "", 200, s.Addrs()[0] + `"` + "\n  ]\n}"}, // refusing comes last
		{"DELETE", "/faults/down", "", 204, ``},
		{"GET", "drive", "", 200, ``},
		{"PUT", "/faults", "", 405, ``},
		{"GET", "/nothing", "", 404, ``},
	} {
		if step.path == "drive" {
			wantStatus(t, client, s, "/", step.code)
			continue
		}
		code, body := ask(t, s, step.method, step.path, step.body)
		if code != step.code || !strings.Contains(body, step.want) {
			t.Errorf("%s %s %.60s:\n got %d %s\nwant %d with %s", step.method, step.path, step.body, code, body, step.code, step.want)
		}
		if code < 400 && body != "" && !json.Valid([]byte(body)) {
			t.Errorf("%s %s: not JSON: %s", step.method, step.path, body)
		}
	}
}
