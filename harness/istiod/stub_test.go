package istiod

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestStubAnswers(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string // fields of the answer, as JSON
	}{
		{"GET", "/version", "", 200, `{"gitVersion":"v1.34.0"}`},
		{"GET", "/api", "", 200, `{"kind":"APIVersions","versions":["v1"]}`},
		{"GET", "/apis", "", 200, `{"kind":"APIGroupList"}`},
		{"GET", "/api/v1", "", 200, `{"kind":"APIResourceList"}`},
		{"GET", "/api/v1/services?limit=500", "", 200, `{"kind":"List","apiVersion":"v1","items":[],"metadata":{"resourceVersion":"1"}}`},
		{"GET", "/api/v1/namespaces", "", 200, `{"kind":"List","apiVersion":"v1"}`},
		{"GET", "/api/v1/namespaces/istio-system/configmaps", "", 200, `{"kind":"List","apiVersion":"v1"}`},
		{"GET", "/apis/networking.k8s.io/v1/ingresses", "", 200, `{"kind":"IngressList","apiVersion":"networking.k8s.io/v1"}`},
		{"GET", "/apis/networking.k8s.io/v1/ingressclasses", "", 200, `{"kind":"IngressClassList"}`},
		{"GET", "/apis/discovery.k8s.io/v1/endpointslices", "", 200, `{"kind":"EndpointSliceList"}`},
		{"GET", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "", 200, `{"kind":"MutatingWebhookConfigurationList"}`},
		{"GET", "/api/v1/pods?watch=true&sendInitialEvents=true", "", 422, `{"kind":"Status","reason":"Invalid"}`},
		{"GET", "/api/v1/namespaces/istio-system/secrets/cacerts", "", 404, `{"kind":"Status","reason":"NotFound","code":404}`},
		{"GET", "/healthz", "", 404, `{"reason":"NotFound"}`},
		{"POST", "/api/v1/namespaces/istio-system/secrets", `{"kind":"Secret","data":{"a":"b"}}`, 201, `{"kind":"Secret","data":{"a":"b"}}`},
		{"PUT", "/api/v1/namespaces/istio-system/secrets/x", `{"kind":"Secret"}`, 200, `{"kind":"Secret"}`},
	} {
		w := httptest.NewRecorder()
		Stub{}.ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		var got, want map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.code {
			t.Errorf("%s %s: got %d %s (%v), want %d", c.method, c.path, w.Code, w.Body, err, c.code)
			continue
		}
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if a, b := text(got[k]), text(v); a != b {
				t.Errorf("%s %s: %s: got %s, want %s", c.method, c.path, k, a, b)
			}
		}
	}
}

func text(v any) string { b, _ := json.Marshal(v); return string(b) }

// A watch is open from the first moment, and stays silent until the client goes.
func TestStubWatch(t *testing.T) {
	s := httptest.NewServer(Stub{})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/pods?watch=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); len(b) > 0 || ctx.Err() == nil || err == nil {
		t.Errorf("got %q and %v, want silence until the deadline", b, err)
	}
}

func TestKubeconfig(t *testing.T) {
	var doc struct {
		Clusters []struct{ Cluster struct{ Server string } }
		Contexts []struct{ Name string }
		Current  string `yaml:"current-context"`
	}
	if err := yaml.Unmarshal(Kubeconfig("127.0.0.1:16443"), &doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.Clusters[0].Cluster.Server; got != "http://127.0.0.1:16443" || doc.Current != doc.Contexts[0].Name {
		t.Errorf("got %q in %+v", got, doc)
	}
}
