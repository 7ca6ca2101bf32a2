package images_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/images"
)

func TestFind(t *testing.T) {
	c := binaries.Cache{Dir: t.TempDir()}
	im, err := images.Find(c, "1.31.0", images.Mirror{})
	if err != nil || im.Vanilla || im.Tag != "1.31.0" || im.Hub != "docker.io/istio" || len(im.Archives) > 0 {
		t.Errorf("the usual ones: got %+v, %v", im, err)
	}
	t.Setenv(images.NodeVariable, "kindest/node:v1.37.0")
	t.Setenv(images.HubVariable, "mirror.example/istio")
	t.Setenv(images.BaseVariable, "")
	im, err = images.Find(c, "1.31.0", images.FromEnvironment().Or(images.Mirror{Node: "other", Base: "mirror.example/curl:8"}))
	if err != nil || im.Node != "kindest/node:v1.37.0" || im.Pilot() != "mirror.example/istio/pilot:1.31.0" || im.Proxy() != "mirror.example/istio/proxyv2:1.31.0" || im.Base != "mirror.example/curl:8" {
		t.Errorf("from a mirror: got %+v, %v", im, err)
	}
	name := filepath.Join(c.Dir, "airgap", "images.json")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"schema": "faildrill.dev/airgap/v1", "istio": "1.31.0", "envoy": "1.40.0", "hub": "docker.io/istio", "tag": "airgap-1",
		"node": {"image": "faildrill/node:1", "archive": "/a/node.tar"}, "curl": {"image": "faildrill/curl:1", "archive": "/a/curl.tar"}}`)
	im, err = images.Find(c, "1.31.0", images.Mirror{})
	if err != nil || !im.Vanilla || !im.Baked || im.Tag != "airgap-1" || im.Envoy != "1.40.0" || im.Node != "faildrill/node:1" || im.Archives["faildrill/curl:1"] != "/a/curl.tar" {
		t.Errorf("built ones: got %+v, %v", im, err)
	}
	for _, text := range []string{"{", `{"schema": "faildrill.dev/airgap/v9"}`} {
		write(text)
		if _, err := images.Find(c, "1.31.0", images.Mirror{}); err == nil || !strings.Contains(err.Error(), "build again: go -C hack/airgap run .") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
