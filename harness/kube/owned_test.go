package kube_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faildrill/faildrill/harness/kube"
	"github.com/faildrill/faildrill/harness/kube/kubetest"
)

const label = "faildrill.dev/run"

func client(t *testing.T, s *kubetest.Server) *kube.Client {
	t.Helper()
	k, err := kube.New(s.Kubeconfig(t), kubetest.Context)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func entry(t *testing.T, run, host string) *kube.Object {
	t.Helper()
	o, err := kube.Parse("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: mydb, namespace: drill, labels: {" + label + ": " + run + "}}\nspec: {hosts: [" + host + "]}\n")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// What is there is never made again.
func TestCreate(t *testing.T) {
	s := kubetest.Start(t)
	k := client(t, s)
	if err := k.Create(t.Context(), entry(t, "a", "one.com")); err != nil {
		t.Fatal(err)
	}
	err := k.Create(t.Context(), entry(t, "a", "two.com"))
	if !errors.Is(err, kube.ErrThere) || !strings.Contains(err.Error(), "ServiceEntry/mydb of namespace drill") {
		t.Errorf("got %v", err)
	}
	if _, err := k.DryRun(t.Context(), entry(t, "a", "two.com")); !errors.Is(err, kube.ErrThere) {
		t.Errorf("tried: got %v", err)
	}
}

// A trial leaves nothing.
func TestDryRun(t *testing.T) {
	s := kubetest.Start(t)
	s.Admit = func(o map[string]any) error { o["spec"] = map[string]any{"hosts": []any{"injected"}}; return nil }
	o, err := client(t, s).DryRun(t.Context(), entry(t, "a", "one.com"))
	if err != nil || o.Object["spec"].(map[string]any)["hosts"].([]any)[0] != "injected" {
		t.Errorf("got %v, %v: want what a webhook made of it", o, err)
	}
	if n := s.Names(); len(n) > 0 {
		t.Errorf("it made %v", n)
	}
}

// The run's own objects change; those of others do not.
func TestApplyOwn(t *testing.T) {
	s := kubetest.Start(t)
	k := client(t, s)
	for _, host := range []string{"one.com", "two.com"} {
		if err := k.ApplyOwn(t.Context(), label, entry(t, "a", host)); err != nil {
			t.Fatal(err)
		}
		if got := s.Get("drill/serviceentries/mydb")["spec"].(map[string]any)["hosts"].([]any)[0]; got != host {
			t.Errorf("got %v, want %s", got, host)
		}
	}
	if err := k.ApplyOwn(t.Context(), label, entry(t, "b", "three.com")); !errors.Is(err, kube.ErrThere) {
		t.Errorf("got %v", err)
	}
	if got := s.Get("drill/serviceentries/mydb")["spec"].(map[string]any)["hosts"].([]any)[0]; got != "two.com" {
		t.Errorf("somebody else's became %v", got)
	}
}

// Only what has the labels goes.
func TestDeleteAll(t *testing.T) {
	s := kubetest.Start(t)
	for name, labels := range map[string]map[string]string{"a": {label: "a"}, "b": {label: "b"}, "theirs": nil} {
		s.Put("drill/pods/"+name, labels, nil)
	}
	k, pods := client(t, s), kube.Resource{Version: "v1", Resource: "pods"}
	if err := k.DeleteAll(t.Context(), pods, "drill", label+"=a"); err != nil {
		t.Fatal(err)
	}
	if err := k.Gone(t.Context(), pods, "drill", label+"=a"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"drill/pods/b", "drill/pods/theirs"}, s.Names()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A right is lacking if no rule has it and the server says no.
func TestLacking(t *testing.T) {
	wanted := []kube.Right{{Verb: "create", Resource: "pods"}, {Verb: "create", Resource: "pods/exec"}, {Verb: "create", Group: "networking.istio.io", Resource: "envoyfilters"}}
	for _, incomplete := range []bool{false, true} {
		s := kubetest.Start(t)
		s.Incomplete = incomplete
		k := client(t, s)
		if lacking, err := k.Lacking(t.Context(), "drill", wanted); err != nil || len(lacking) > 0 {
			t.Errorf("got %v, %v", lacking, err)
		}
		s.Deny["create envoyfilters.networking.istio.io"] = true
		s.Deny["create pods/exec"] = true
		lacking, err := k.Lacking(t.Context(), "drill", wanted)
		if err != nil || !slices.Equal(lacking, wanted[1:]) {
			t.Errorf("got %v, %v", lacking, err)
		}
	}
}
