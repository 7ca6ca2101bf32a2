// Package images says which container images a kind cluster with Istio is made of:
// those that hack/airgap built, where it did, else the usual ones.
package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/faildrill/faildrill/harness/binaries"
)

// Images are what a cluster is made of.
type Images struct {
	Node string `json:"node"` // kind's
	Hub  string `json:"hub"`  // of pilot and proxyv2
	Tag  string `json:"tag"`
	Base string `json:"base"` // of the client's image: it has curl
	// Vanilla says that proxyv2 has an unmodified Envoy, without Istio's own filters.
	Vanilla bool `json:"vanilla"`
	// Baked says that Istio's images are in the node already.
	Baked bool   `json:"baked"`
	Envoy string `json:"envoy"` // the release in proxyv2
	// Archives are files to load into Docker, by image, when it lacks the image.
	Archives map[string]string `json:"-"`
}

// NodeVariable names kind's node image, and with it the release of Kubernetes, where hack/airgap
// has built none: kindest/node:v1.37.0.
const NodeVariable = "FAILDRILL_NODE_IMAGE"

// The usual images. Istio's version is that of istioctl; without NodeVariable the node
// image is kind's own choice for its release.
const (
	usualHub  = "docker.io/istio"
	usualBase = "docker.io/curlimages/curl:8.16.0"
	// usualEnvoy is the release line of Istio 1.31's own Envoy.
	usualEnvoy = "1.39.0"
)

// manifestFile is what hack/airgap writes into the cache.
const manifestFile = "airgap/images.json"

// Find says which images a cluster is made of: those of hack/airgap if it has built them.
func Find(c binaries.Cache, istio string) (Images, error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Images{Node: os.Getenv(NodeVariable), Hub: usualHub, Tag: istio, Base: usualBase, Envoy: usualEnvoy}, nil
	}
	if err != nil {
		return Images{}, err
	}
	type archive struct{ Image, Archive string }
	var doc struct {
		Schema, Istio, Envoy, Hub, Tag string
		Node, Curl                     archive
	}
	if err := json.Unmarshal(text, &doc); err != nil || doc.Schema != "faildrill.dev/airgap/v1" {
		return Images{}, fmt.Errorf("%s is not what this version of hack/airgap writes: build again, go -C hack/airgap run . in a checkout", filepath.Join(c.Dir, manifestFile))
	}
	im := Images{Envoy: doc.Envoy, Node: doc.Node.Image, Hub: doc.Hub, Tag: doc.Tag, Base: doc.Curl.Image, Vanilla: true, Baked: true, Archives: map[string]string{}}
	for _, a := range []archive{doc.Node, doc.Curl} {
		im.Archives[a.Image] = a.Archive
	}
	return im, nil
}
