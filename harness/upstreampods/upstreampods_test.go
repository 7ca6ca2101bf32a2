package upstreampods

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/faildrill/faildrill/harness/certificates"
	"github.com/faildrill/faildrill/harness/incluster"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/kube/kubetest"
	"github.com/faildrill/faildrill/harness/schedule"
)

func upstreams(t *testing.T, k *kube.Client, s *schedule.Schedule) *Upstreams {
	t.Helper()
	c, err := certificates.New()
	if err != nil {
		t.Fatal(err)
	}
	return New(s, c, k, Options{Namespace: "drill", Run: "mine", Image: "own:1"})
}

func east() *schedule.Schedule {
	return &schedule.Schedule{Seed: 7, Upstreams: []schedule.Upstream{{
		Name: "east", Address: "east.example", IPs: []netip.Addr{netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")}, Ports: []uint32{80},
	}}}
}

func pods(t *testing.T, os []*kube.Object) (out []corev1.Pod) {
	t.Helper()
	for _, o := range os {
		b, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var p corev1.Pod
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatal(err)
		}
		if o.GetKind() == "Pod" {
			out = append(out, p)
		}
	}
	return out
}

// A pod has no sidecar and no rights, and its control API is nobody else's.
func TestObjects(t *testing.T) {
	os, err := upstreams(t, nil, east()).objects(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := pods(t, os)[0]
	c := p.Spec.Containers[0]
	if len(os) != 1 || p.Name != "faildrill-upstream-0-1" || p.Labels[incluster.RunLabel] != "mine" || p.Labels["sidecar.istio.io/inject"] != "false" {
		t.Errorf("got %d objects, %s with %v", len(os), p.Name, p.Labels)
	}
	if c.SecurityContext.Capabilities.Add != nil || !*c.SecurityContext.RunAsNonRoot || *p.Spec.AutomountServiceAccountToken {
		t.Errorf("got %+v", c.SecurityContext)
	}
	if args := strings.Join(c.Args, " "); !strings.Contains(args, "-control 127.0.0.1:") || !strings.Contains(args, "-listen :80") || !strings.Contains(args, "-seed 7") || c.Command[0] != program {
		t.Errorf("got %s %s", c.Command, args)
	}
}

// One that loses SYNs may change its network; the others may not.
func TestBlackHole(t *testing.T) {
	s := east()
	s.Steps = []schedule.Step{{Fault: &schedule.Fault{Behaviour: schedule.Blackhole}}}
	os, err := upstreams(t, nil, s).objects(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if add := pods(t, os)[0].Spec.Containers[0].SecurityContext.Capabilities.Add; !slices.Contains(add, "NET_ADMIN") {
		t.Errorf("got %v", add)
	}
}

// What an upstream shows is there before its pod is, and every file that a flag names is mounted.
func TestTLS(t *testing.T) {
	s := east()
	s.Upstreams[0].TLS = &schedule.TLS{Ports: []uint32{80}, Names: []string{"east.example"}}
	os, err := upstreams(t, nil, s).objects(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(os) != 2 || os[0].GetKind() != "ConfigMap" || os[0].GetLabels()[incluster.RunLabel] != "mine" {
		t.Fatalf("got %v", os)
	}
	files := slices.Collect(maps.Keys(os[0].Object["binaryData"].(map[string]any)))
	c := pods(t, os)[0].Spec.Containers[0]
	if c.VolumeMounts[0].MountPath != certificatesAt || !slices.Contains(c.Args, "-listen-tls") {
		t.Errorf("got %+v", c)
	}
	named := 0
	for _, a := range c.Args {
		if _, name, ok := strings.Cut(a, certificatesAt+"/"); ok {
			if named++; !slices.Contains(files, name) {
				t.Errorf("%s is not among %v", name, files)
			}
		}
	}
	if named < 2 {
		t.Errorf("got %v", c.Args)
	}
}

// A pod that somebody else made under the name stays as it is.
func TestStartTouchesNothing(t *testing.T) {
	api := kubetest.Start(t)
	api.Put("drill/pods/faildrill-upstream-0-0", nil, nil)
	k, err := kube.New(api.Kubeconfig(t), kubetest.Context)
	if err != nil {
		t.Fatal(err)
	}
	u := upstreams(t, k, east())
	if err := u.start(t.Context(), 0, 0, netip.MustParseAddr("198.18.0.1")); err == nil || !strings.Contains(err.Error(), kube.ErrThere.Error()) {
		t.Errorf("got %v", err)
	}
	if n := api.Names(); len(n) != 1 || len(u.Addresses()) > 0 {
		t.Errorf("got %v", n)
	}
}
