package inside

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faildrill/faildrill/harness/backend/usercluster"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/kube/kubetest"
)

// injecting makes a server one with Istio.
func injecting(t *testing.T, image string) *kubetest.Server {
	t.Helper()
	s := kubetest.Start(t)
	s.Admit = func(o map[string]any) error {
		spec := o["spec"].(map[string]any)
		labels := o["metadata"].(map[string]any)["labels"].(map[string]any)
		if labels["sidecar.istio.io/inject"] != "false" && image != "" {
			spec["initContainers"] = []any{map[string]any{
				"name": "istio-proxy", "image": image, "restartPolicy": "Always", "resources": map[string]any{"requests": map[string]any{"cpu": "100m"}},
			}}
		}
		return nil
	}
	return s
}

func look(t *testing.T, s *kubetest.Server, change func(*usercluster.Settings)) usercluster.Report {
	t.Helper()
	set := usercluster.Settings{Context: kubetest.Context, Kubeconfig: s.Kubeconfig(t), Namespace: "drill", Image: "registry.example/faildrill:1"}
	if change != nil {
		change(&set)
	}
	began := time.Now()
	r, err := Preflight(t.Context(), usercluster.Question{Settings: set, Size: usercluster.Smallest})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	return r
}

func TestPreflight(t *testing.T) {
	s := injecting(t, "docker.io/istio/proxyv2:1.31.0-distroless")
	r := look(t, s, nil)
	if err := r.Refusal(); err != nil || r.Istio != "1.31.0" || r.Kubernetes != "1.36.3" || !r.NetAdmin {
		t.Errorf("got %+v, %v", r, err)
	}
	if n := s.Names(); len(n) > 0 {
		t.Errorf("it made %v", n)
	}
}

// Each thing that is missing is one sentence.
func TestPreflightRefuses(t *testing.T) {
	const istio = "docker.io/istio/proxyv2:1.31.0"
	held := map[string]string{incluster.RunLabel: "abc"}
	for want, change := range map[string]func(*kubetest.Server, *usercluster.Settings){
		"no such context \"other\"": func(_ *kubetest.Server, set *usercluster.Settings) { set.Context = "other" },
		"no namespace nowhere":      func(_ *kubetest.Server, set *usercluster.Settings) { set.Namespace = "nowhere" },
		"no right in namespace drill to create envoyfilters.networking.istio.io: faildrill doctor --role": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Deny["create envoyfilters.networking.istio.io"] = true
		},
		"no sidecars injected: kubectl label namespace drill": func(s *kubetest.Server, _ *usercluster.Settings) { s.Admit = nil },
		"violates PodSecurity": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Admit = func(map[string]any) error { return errors.New("violates PodSecurity") }
		},
		"namespace drill has other things than drills, Pod/shop, ServiceEntry/theirs": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Put("drill/pods/shop", nil, nil)
			s.Put("drill/serviceentries/theirs", nil, nil)
		},
		"namespace drill has what the run abc left: faildrill clean --context staging --namespace drill": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Put("drill/sidecars/faildrill", held, nil)
		},
		"namespace drill is taken by the run abc of elsewhere, since noon": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Put("drill/configmaps/faildrill", held, map[string]any{"data": map[string]any{"run": "abc", "host": "elsewhere", "since": "noon"}})
		},
		"ResourceQuota small leaves 3 of 5 pods, and it needs 4": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Put("drill/resourcequotas/small", nil, map[string]any{"status": map[string]any{"hard": map[string]any{"pods": "5"}, "used": map[string]any{"pods": "2"}}})
		},
		"ResourceQuota small leaves 130m of 130m requests.cpu, and it needs 140m": func(s *kubetest.Server, _ *usercluster.Settings) {
			s.Put("drill/resourcequotas/small", nil, map[string]any{"status": map[string]any{"hard": map[string]any{"requests.cpu": "130m"}}})
		},
	} {
		s := injecting(t, istio)
		err := look(t, s, func(set *usercluster.Settings) { change(s, set) }).Refusal()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// What the user names and is not there is told apart from what is underneath.
func TestPreflightWrong(t *testing.T) {
	var ue usercluster.UserError
	s := injecting(t, "")
	if err := look(t, s, func(set *usercluster.Settings) { set.Context = "other" }).Refusal(); !errors.As(err, &ue) {
		t.Errorf("a context: got %v", err)
	}
	s.URL = "http://127.0.0.1:1"
	if err := look(t, s, nil).Refusal(); err == nil || errors.As(err, &ue) || !strings.Contains(err.Error(), "asking for its version") {
		t.Errorf("a dead server: got %v", err)
	}
}

// A namespace without NET_ADMIN is played in all the same.
func TestPreflightWithoutNetAdmin(t *testing.T) {
	s := injecting(t, "istio/proxyv2:1.31.0")
	inject := s.Admit
	s.Admit = func(o map[string]any) error {
		for _, c := range o["spec"].(map[string]any)["containers"].([]any) {
			if sc, ok := c.(map[string]any)["securityContext"].(map[string]any); ok && sc["capabilities"].(map[string]any)["add"] != nil {
				return errors.New("violates PodSecurity")
			}
		}
		return inject(o)
	}
	if r := look(t, s, nil); r.Refusal() != nil || r.NetAdmin {
		t.Errorf("got %+v", r)
	}
}

// The preflight asks for no right that the Role does not have, and the Role has no kind that a drill does not make.
func TestRoleIsEnough(t *testing.T) {
	rights, err := Rights()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, r := range rights {
		have = append(have, r.String())
	}
	s := injecting(t, "istio/proxyv2:1.31.0")
	if err := look(t, s, nil).Refusal(); err != nil {
		t.Fatal(err)
	}
	asked := s.Asked()
	if len(asked) < 10 {
		t.Errorf("it asked %v alone", asked)
	}
	for _, a := range asked {
		if !slices.Contains(have, a) {
			t.Errorf("the preflight wants to %s, which is not in the Role", a)
		}
	}
	for _, r := range incluster.Made {
		for _, verb := range []string{"create ", "delete ", "list "} {
			if right := strings.TrimSuffix(verb+r.GroupResource().String(), "."); !slices.Contains(have, right) {
				t.Errorf("a drill wants to %s, which is not in the Role", right)
			}
		}
	}
}

// Every rule of the Role is one that the preflight misses.
func TestPreflightChecksEveryRight(t *testing.T) {
	rights, err := Rights()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rights {
		s := injecting(t, "istio/proxyv2:1.31.0")
		s.Deny[r.String()] = true
		if err := look(t, s, nil).Refusal(); err == nil || !strings.Contains(err.Error(), "no right in namespace drill to "+r.String()+": ") {
			t.Errorf("without the right to %s: got %v", r, err)
		}
	}
}

func TestReleaseOf(t *testing.T) {
	for image, want := range map[string]string{
		"docker.io/istio/proxyv2:1.31.0": "1.31.0", "gcr.io/istio-release/proxyv2:1.27.1-distroless": "1.27.1", "localhost:5000/istio/proxyv2": "",
		"istio/proxyv2:v1.31": "1.31", "istio/proxyv2:1.31.2@sha256:00": "1.31.2", "istio/proxyv2:airgap-1.31": "", "istio/proxyv2:latest": "",
	} {
		if got := releaseOf(image); got != want {
			t.Errorf("%s: got %q, want %q", image, got, want)
		}
	}
}
