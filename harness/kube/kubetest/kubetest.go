// Package kubetest is an API server of Kubernetes for tests: objects in memory, behind a socket, so
// that the real client asks it.
//
//	s := kubetest.Start(t)
//	s.Deny["create envoyfilters.networking.istio.io"] = true
//	s.Admit = func(o map[string]any) error { ... }         // what webhooks do to an object
//	k, err := kube.New(s.Kubeconfig(t), kubetest.Context)
//
// It knows the kinds that a drill makes, pods and quotas, takes dry runs, and says who may do what. It leaves
// out watches, logs and streams, and merges nothing: what is applied replaces what was there.
package kubetest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	authv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// Context is the name of the only context of its kubeconfig.
const Context = "staging"

// Server is one API server.
type Server struct {
	URL string
	// Deny are rights that nobody has, as kube.Right prints them. They are refused, too.
	Deny map[string]bool
	// Admit sees each object that is made or tried, and may change or refuse it.
	Admit func(o map[string]any) error
	// Namespaces that there are; what is made in another one is not found.
	Namespaces []string
	// Incomplete has it list no rules: each right has to be asked for.
	Incomplete bool

	mu      sync.Mutex
	objects map[string]map[string]any // by path
	made    int
	asked   []string
}

// kinds are what it has, by group and version.
var kinds = map[string][]string{
	"v1":                           {"Pod pods", "ConfigMap configmaps", "Event events", "ResourceQuota resourcequotas"},
	"networking.istio.io/v1":       {"DestinationRule destinationrules", "ServiceEntry serviceentries", "Sidecar sidecars", "VirtualService virtualservices", "Gateway gateways", "WorkloadEntry workloadentries", "WorkloadGroup workloadgroups"},
	"networking.istio.io/v1alpha3": {"EnvoyFilter envoyfilters"},
	"networking.istio.io/v1beta1":  {"ProxyConfig proxyconfigs"},
}

// Start starts a server that ends with the test.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{Deny: map[string]bool{}, Namespaces: []string{"drill"}, objects: map[string]map[string]any{}}
	h := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Kubeconfig is a file that leads to the server.
func (s *Server) Kubeconfig(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncontexts: [{name: %s, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: %q}}]\nusers: [{name: u, user: {}}]\n", Context, s.URL)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Put has an object be there; path is namespace/resource/name.
func (s *Server) Put(path string, labels map[string]string, more map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(path, "/")
	version, kind := of(parts[1])
	o := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": parts[2], "namespace": parts[0], "labels": anys(labels)}}
	maps.Copy(o, more)
	s.put(path, o)
}

// put writes an object down under a new identity, unless it has one.
func (s *Server) put(path string, o map[string]any) {
	meta := o["metadata"].(map[string]any)
	if meta["uid"] == nil {
		s.made++
		meta["uid"] = fmt.Sprintf("u%d", s.made)
	}
	s.objects[path] = o
}

// Names are the paths of what is there, sorted.
func (s *Server) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

// Get is an object that is there, or nil.
func (s *Server) Get(path string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// Asked are the rights that were used so far, as kube.Right prints them, each once, and every path that is in no namespace.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.asked)
	return slices.Compact(slices.Clone(s.asked))
}

func anys(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func of(resource string) (version, kind string) {
	for v, ks := range kinds {
		for _, k := range ks {
			if name, r, _ := strings.Cut(k, " "); r == resource {
				return v, name
			}
		}
	}
	return "v1", "Unknown"
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, 400, "BadRequest", err.Error())
		return
	}
	path := strings.Trim(r.URL.Path, "/")
	switch {
	case path == "version":
		answer(w, 200, map[string]any{"gitVersion": "v1.36.3"})
	case path == "api":
		answer(w, 200, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
	case path == "apis":
		answer(w, 200, groups())
	case strings.HasSuffix(path, "/selfsubjectrulesreviews"):
		s.rules(w)
	case strings.HasSuffix(path, "/selfsubjectaccessreviews"):
		s.access(w, body)
	default:
		s.resource(w, r, path, body)
	}
}

func groups() any {
	var vs []any
	for _, v := range slices.Sorted(maps.Keys(kinds)) {
		if strings.Contains(v, "/") {
			vs = append(vs, map[string]any{"groupVersion": v, "version": strings.Split(v, "/")[1]})
		}
	}
	return map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{map[string]any{"name": "networking.istio.io", "versions": vs, "preferredVersion": vs[0]}}}
}

func (s *Server) rules(w http.ResponseWriter) {
	rules := []any{}
	if !s.Incomplete {
		for _, version := range slices.Sorted(maps.Keys(kinds)) {
			group, _, grouped := strings.Cut(version, "/")
			if !grouped {
				group = ""
			}
			for _, k := range kinds[version] {
				_, resource, _ := strings.Cut(k, " ")
				for _, verb := range []string{"create", "delete", "get", "list", "patch"} {
					if !s.Deny[right(verb, group, resource)] {
						rules = append(rules, map[string]any{"verbs": []string{verb}, "apiGroups": []string{group}, "resources": []string{resource}})
					}
				}
			}
		}
	}
	answer(w, 201, map[string]any{"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "status": map[string]any{"resourceRules": rules, "incomplete": s.Incomplete}})
}

func (s *Server) access(w http.ResponseWriter, body []byte) {
	// The client may write it as protobuf.
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	q, ok := o.(*authv1.SelfSubjectAccessReview)
	if err != nil || !ok {
		refuse(w, 400, "BadRequest", fmt.Sprintf("%T: %v", o, err))
		return
	}
	a := *q.Spec.ResourceAttributes
	if a.Subresource != "" {
		a.Resource += "/" + a.Subresource
	}
	answer(w, 201, map[string]any{"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": map[string]any{"allowed": !s.Deny[right(a.Verb, a.Group, a.Resource)]}})
}

func right(verb, group, resource string) string {
	if group == "" {
		return verb + " " + resource
	}
	return verb + " " + resource + "." + group
}

// resource serves api/v1/namespaces/N/RESOURCE[/NAME] and apis/GROUP/VERSION/the same, and what a version has.
func (s *Server) resource(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	version, rest := strings.TrimPrefix(path, "api/"), ""
	if after, ok := strings.CutPrefix(path, "apis/"); ok {
		version = after
	}
	version, rest, scoped := strings.Cut(version, "/namespaces/")
	if !scoped {
		if ks, ok := kinds[version]; ok {
			answer(w, 200, resources(version, ks))
			return
		}
		s.asked = append(s.asked, path)
		refuse(w, 404, "NotFound", "the server could not find "+path)
		return
	}
	group, _, grouped := strings.Cut(version, "/")
	if !grouped {
		group = ""
	}
	parts := strings.Split(rest, "/")
	verb := map[string]string{http.MethodPost: "create", http.MethodDelete: "delete", http.MethodPatch: "patch", http.MethodGet: "get"}[r.Method]
	if len(parts) == 2 && r.Method == http.MethodGet {
		verb = "list"
	}
	may := right(verb, group, parts[1])
	s.asked = append(s.asked, may)
	switch {
	case s.Deny[may]:
		refuse(w, 403, "Forbidden", "it is forbidden to "+may)
	case verb == "list":
		s.list(w, rest, r.URL.Query().Get("labelSelector"))
	case !slices.Contains(s.Namespaces, parts[0]):
		refuse(w, 404, "NotFound", fmt.Sprintf("namespaces %q not found", parts[0]))
	case verb == "create":
		s.create(w, rest, body, r.URL.Query().Get("dryRun") != "")
	default:
		s.one(w, verb, rest, body)
	}
}

func resources(version string, ks []string) any {
	var rs []any
	for _, k := range ks {
		kind, name, _ := strings.Cut(k, " ")
		rs = append(rs, map[string]any{"name": name, "kind": kind, "namespaced": true, "verbs": []string{"create", "delete", "get", "list", "patch"}})
	}
	return map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": rs}
}

func (s *Server) list(w http.ResponseWriter, under, selector string) {
	items := []any{}
	for _, p := range slices.Sorted(maps.Keys(s.objects)) {
		if strings.HasPrefix(p, under+"/") && selected(s.objects[p], selector) {
			items = append(items, s.objects[p])
		}
	}
	version, kind := of(strings.Split(under, "/")[1])
	answer(w, 200, map[string]any{"kind": kind + "List", "apiVersion": version, "metadata": map[string]any{}, "items": items})
}

// selected knows KEY and KEY=VALUE, with commas.
func selected(o map[string]any, selector string) bool {
	labels, _ := o["metadata"].(map[string]any)["labels"].(map[string]any) // none is none
	for _, part := range strings.Split(selector, ",") {
		key, value, equal := strings.Cut(part, "=")
		is, there := labels[key]
		if part != "" && (!there || equal && is != value) {
			return false
		}
	}
	return true
}

func (s *Server) create(w http.ResponseWriter, under string, body []byte, dry bool) {
	var o map[string]any
	if err := json.Unmarshal(body, &o); err != nil {
		refuse(w, 400, "BadRequest", err.Error())
		return
	}
	if s.Admit != nil {
		if err := s.Admit(o); err != nil {
			refuse(w, 403, "Forbidden", err.Error())
			return
		}
	}
	path := under + "/" + fmt.Sprint(o["metadata"].(map[string]any)["name"])
	if s.objects[path] != nil {
		refuse(w, 409, "AlreadyExists", path+" already exists")
		return
	}
	if !dry {
		s.put(path, o)
	}
	answer(w, 201, o)
}

// one gets, deletes or applies an object.
func (s *Server) one(w http.ResponseWriter, verb, path string, body []byte) {
	o := s.objects[path]
	if o == nil {
		refuse(w, 404, "NotFound", path+" not found")
		return
	}
	switch verb {
	case "delete":
		delete(s.objects, path)
	case "patch":
		var now map[string]any
		if err := json.Unmarshal(body, &now); err != nil {
			refuse(w, 400, "BadRequest", err.Error())
			return
		}
		if now["metadata"].(map[string]any)["uid"] != o["metadata"].(map[string]any)["uid"] {
			refuse(w, 409, "Conflict", path+" has another uid")
			return
		}
		s.put(path, now)
		o = now
	}
	answer(w, 200, o)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked may have hung up
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}
