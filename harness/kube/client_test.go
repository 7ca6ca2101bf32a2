package kube

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kubeconfig is a file with one context, that of a server.
func kubeconfig(t *testing.T, server string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "kubeconfig")
	text := `apiVersion: v1
kind: Config
current-context: staging
contexts: [{name: staging, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "` + server + `"}}]
users: [{name: u, user: {}}]
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A context has to be named, even if it is the current one.
func TestContextIsNamed(t *testing.T) {
	for _, name := range []string{"", "production"} {
		if _, err := New(kubeconfig(t, "http://127.0.0.1:1"), name); !errors.Is(err, ErrNoContext) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if _, err := New(filepath.Join(t.TempDir(), "none"), "staging"); err == nil {
		t.Error("there is no kubeconfig, and no error")
	}
}

func TestVersion(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"gitVersion": "v1.36.3"}`))
	}))
	defer s.Close()
	c, err := New(kubeconfig(t, s.URL), "staging")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v != "1.36.3" {
		t.Errorf("got %q, %v", v, err)
	}
}

// A cluster that does not answer is one sentence that names it.
func TestDeadCluster(t *testing.T) {
	c, err := New(kubeconfig(t, "http://127.0.0.1:1"), "staging")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Version(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "the cluster of context staging: asking for its version: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := c.Ready(ctx, "drill", "app=sleep"); err == nil || !strings.Contains(err.Error(), "waiting until a pod app=sleep is ready") {
		t.Errorf("got %v", err)
	}
}
