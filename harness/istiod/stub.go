package istiod

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Stub answers as a Kubernetes API server without a single object does.
//
// Lists are empty, watches are open and silent, objects are not found, and what
// is written is echoed and forgotten. A request is served until its client
// hangs up or its server closes.
type Stub struct{}

// Kubeconfig is the text of a kubeconfig for an API server at that address (host:port), plain HTTP and no credentials.
func Kubeconfig(addr string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: stub
  cluster: {server: "http://%s"}
users:
- name: nobody
  user: {}
contexts:
- name: stub
  context: {cluster: stub, user: nobody}
current-context: stub
`, addr)
}

// ServeHTTP implements http.Handler.
func (Stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.Trim(r.URL.Path, "/")
	query := r.URL.Query()
	switch {
	case r.Method != http.MethodGet:
		echo(w, r)
	case path == "version":
		answer(w, http.StatusOK, map[string]any{"major": "1", "minor": "34", "gitVersion": "v1.34.0"})
	case path == "api":
		answer(w, http.StatusOK, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case path == "apis":
		answer(w, http.StatusOK, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{}})
	case path == "api/v1":
		answer(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "groupVersion": "v1", "resources": []any{}})
	case query.Get("sendInitialEvents") == "true":
		// The client falls back to a list and a watch.
		failure(w, http.StatusUnprocessableEntity, "Invalid", "sendInitialEvents is not supported")
	case query.Get("watch") == "true" || query.Get("watch") == "1":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		<-r.Context().Done()
	default:
		c, ok := parseCollection(path)
		if !ok {
			failure(w, http.StatusNotFound, "NotFound", path+" is not found")
			return
		}
		answer(w, http.StatusOK, map[string]any{
			"kind": c.kind(), "apiVersion": c.apiVersion,
			"metadata": map[string]any{"resourceVersion": "1"}, "items": []any{},
		})
	}
}

// collection is what a list request asks for.
type collection struct{ apiVersion, resource string }

// parseCollection takes the path of a list apart; one of a named object, or of anything else, is none.
//
//	api/v1[/namespaces/NS]/RESOURCE    apis/GROUP/VERSION[/namespaces/NS]/RESOURCE
func parseCollection(path string) (collection, bool) {
	parts := strings.Split(path, "/")
	var c collection
	switch {
	case parts[0] == "api" && len(parts) > 2:
		c.apiVersion, parts = parts[1], parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		c.apiVersion, parts = parts[1]+"/"+parts[2], parts[3:]
	default:
		return c, false
	}
	if len(parts) == 3 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	if len(parts) != 1 {
		return c, false
	}
	c.resource = parts[0]
	return c, true
}

// kind of the list; istiod's client takes the general one for most resources.
func (c collection) kind() string {
	switch c.resource {
	case "ingresses":
		return "IngressList"
	case "ingressclasses":
		return "IngressClassList"
	case "endpointslices":
		return "EndpointSliceList"
	case "validatingwebhookconfigurations":
		return "ValidatingWebhookConfigurationList"
	case "mutatingwebhookconfigurations":
		return "MutatingWebhookConfigurationList"
	case "leases":
		return "LeaseList"
	}
	return "List"
}

const maxBody = 1 << 20 // bytes; istiod writes a secret of some kilobytes

// echo pretends that the object was stored.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		failure(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	_, _ = w.Write(body) // the client has gone: nobody to tell
}

func failure(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, map[string]any{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
	})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody to tell
}
