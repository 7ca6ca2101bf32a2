package incluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/backend"
	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/kube/kubetest"
)

func theirs(t *testing.T) (*kubetest.Server, *player, *backend.Collector) {
	t.Helper()
	s, sink := kubetest.Start(t), &backend.Collector{}
	k, err := kube.New(s.Kubeconfig(t), kubetest.Context)
	if err != nil {
		t.Fatal(err)
	}
	return s, &player{o: Options{Cluster: k, Settings: Settings{Namespace: "drill", Run: "mine", Agent: "own:1"}}, sink: sink}, sink
}

// The namespace is taken once, and what undoes it is written down before.
func TestBegin(t *testing.T) {
	s, p, sink := theirs(t)
	sink.OnUndo = func(backend.Undo) error {
		if n := s.Names(); len(n) > 0 {
			t.Errorf("%v was made before it was written down", n)
		}
		return nil
	}
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(sink.Journal) != 1 || sink.Journal[0].Args["label"] != RunLabel+"=mine" {
		t.Errorf("got the journal %+v", sink.Journal)
	}
	second := &player{o: p.o, sink: &backend.Collector{}}
	second.o.Settings.Run = "second"
	if err := second.begin(t.Context()); err == nil || !strings.Contains(err.Error(), "namespace drill is taken by the run mine") || !strings.Contains(err.Error(), "faildrill clean --context staging --namespace drill") {
		t.Errorf("got %v", err)
	}
	if err := Sweep(t.Context(), p.o.Cluster, "drill", runSelector("second")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"drill/configmaps/faildrill"}, s.Names()); diff != "" {
		t.Errorf("who was refused undid somebody else's run (-want +got):\n%s", diff)
	}
}

// Undoing an entry of the journal removes what is the run's, the lock last, and nothing else.
func TestUndoObjects(t *testing.T) {
	s, p, sink := theirs(t)
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"drill/pods/sleep-0", "drill/serviceentries/mydb", "drill/envoyfilters/faildrill-logs", "drill/configmaps/faildrill-bootstrap"} {
		s.Put(path, map[string]string{RunLabel: "mine"}, nil)
	}
	s.Put("drill/pods/shop", nil, nil)
	s.Put("drill/configmaps/kube-root-ca.crt", nil, nil)
	done, err := Undo(t.Context(), sink.Journal[0])
	if err != nil || !done {
		t.Fatalf("got %v, %v", done, err)
	}
	if diff := cmp.Diff([]string{"drill/configmaps/kube-root-ca.crt", "drill/pods/shop"}, s.Names()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	u := sink.Journal[0]
	u.Args["context"] = "gone"
	if done, err := Undo(t.Context(), u); !done || err == nil {
		t.Errorf("a context that is gone: got %v, %v; nobody knows what is left there", done, err)
	}
}

// While something of the run cannot be removed others are kept out.
func TestSweepKeepsTheLock(t *testing.T) {
	s, p, _ := theirs(t)
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Put("drill/sidecars/faildrill", map[string]string{RunLabel: "mine"}, nil)
	s.Deny["delete sidecars.networking.istio.io"] = true
	if err := Sweep(t.Context(), p.o.Cluster, "drill", runSelector("mine")); err == nil {
		t.Error("it swept")
	}
	if s.Get("drill/configmaps/faildrill") == nil {
		t.Error("the lock is gone")
	}
}

// Nobody's object is overwritten by a step of the configuration or by what a drill makes.
func TestNothingIsOverwritten(t *testing.T) {
	s, p, _ := theirs(t)
	s.Put("drill/configmaps/"+bootstrapName, nil, nil)
	env, err := environment(&p.o.Settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.make(t.Context(), env...); err == nil || !strings.Contains(err.Error(), kube.ErrThere.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestForwardOf(t *testing.T) {
	for conf, want := range map[string]string{
		"search svc.cluster.local\nnameserver 10.96.0.10\nnameserver 10.96.0.11\noptions ndots:5\n": "10.96.0.10:53",
		"nameserver fd00::a\n": "[fd00::a]:53", "": "", "nameserver none\n": "",
	} {
		if got := forwardOf([]byte(conf)); got != want {
			t.Errorf("%q: got %q, want %q", conf, got, want)
		}
	}
}
