// Package images says which container images a kind cluster with Istio is made of:
// those that hack/airgap built, where it did, else the usual ones.
package images

import (
	"cmp"
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

// The variables that name other places for the usual images, where hack/airgap has built none.
const (
	// NodeVariable names kind's node image, and with it the release of Kubernetes: kindest/node:v1.37.0.
	NodeVariable = "FAILDRILL_NODE_IMAGE"
	// HubVariable names the registry and folder of pilot and proxyv2: mirror.example/istio.
	HubVariable = "FAILDRILL_HUB"
	// BaseVariable names the base of the client's image, which has curl.
	BaseVariable = "FAILDRILL_CURL_IMAGE"
)

// Mirror is where the usual images come from instead; "": from the usual place.
type Mirror struct {
	Node string `json:"node,omitempty"`
	Hub  string `json:"hub,omitempty"`
	Base string `json:"base,omitempty"`
}

// Or is the mirror with what it leaves open from another one.
func (m Mirror) Or(other Mirror) Mirror {
	return Mirror{Node: cmp.Or(m.Node, other.Node), Hub: cmp.Or(m.Hub, other.Hub), Base: cmp.Or(m.Base, other.Base)}
}

// FromEnvironment is the mirror that the variables name.
func FromEnvironment() Mirror {
	return Mirror{Node: os.Getenv(NodeVariable), Hub: os.Getenv(HubVariable), Base: os.Getenv(BaseVariable)}
}

// The usual images. Istio's version is that of istioctl; the node image is kind's own choice
// for its release, which who knows kind fills in.
const (
	usualHub  = "docker.io/istio"
	usualBase = "docker.io/curlimages/curl:8.16.0"
	// usualEnvoy is the release line of Istio 1.31's own Envoy.
	usualEnvoy = "1.39.0"
)

// Usual are the images that Docker pulls where there is a registry.
func Usual(istio string, m Mirror) Images {
	return Images{Node: m.Node, Hub: cmp.Or(m.Hub, usualHub), Tag: istio, Base: cmp.Or(m.Base, usualBase), Envoy: usualEnvoy}
}

// Pilot is istiod's image.
func (im Images) Pilot() string { return im.Hub + "/pilot:" + im.Tag }

// Proxy is the sidecar's image.
func (im Images) Proxy() string { return im.Hub + "/proxyv2:" + im.Tag }

// manifestFile is what hack/airgap writes into the cache.
const manifestFile = "airgap/images.json"

// manifest is what hack/airgap writes.
type manifest struct {
	Schema     string  `json:"schema"`
	Kubernetes string  `json:"kubernetes"`
	Istio      string  `json:"istio"`
	Envoy      string  `json:"envoy"`
	Node       archive `json:"node"`
	Curl       archive `json:"curl"`
	Hub        string  `json:"hub"`
	Tag        string  `json:"tag"`
}

type archive struct {
	Image   string `json:"image"`
	Archive string `json:"archive,omitempty"`
}

// ManifestFile is its place in the cache.
func ManifestFile(c binaries.Cache) string { return filepath.Join(c.Dir, manifestFile) }

// readManifest is nil where hack/airgap has built nothing.
func readManifest(c binaries.Cache) (*manifest, error) {
	text, err := os.ReadFile(ManifestFile(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var doc manifest
	if err := json.Unmarshal(text, &doc); err != nil || doc.Schema != "faildrill.dev/airgap/v1" {
		return nil, fmt.Errorf("%s is not what this version of hack/airgap writes; build again: go -C hack/airgap run . in a checkout of faildrill", ManifestFile(c))
	}
	return &doc, nil
}

// ReadManifest is what hack/airgap says of the images that it has built, without the places of their
// archives: to be taken to another machine. Empty: it has built none.
func ReadManifest(c binaries.Cache) ([]byte, error) {
	m, err := readManifest(c)
	if m == nil || err != nil {
		return nil, err
	}
	m.Node.Archive, m.Curl.Archive = "", ""
	return json.Marshal(m)
}

// Find says which images a cluster is made of: those of hack/airgap if it has built them, else
// the usual ones, from the mirror.
func Find(c binaries.Cache, istio string, m Mirror) (Images, error) {
	doc, err := readManifest(c)
	if err != nil {
		return Images{}, err
	}
	if doc == nil {
		return Usual(istio, m), nil
	}
	im := Images{Envoy: doc.Envoy, Node: doc.Node.Image, Hub: doc.Hub, Tag: doc.Tag, Base: doc.Curl.Image, Vanilla: true, Baked: true, Archives: map[string]string{}}
	for _, a := range []archive{doc.Node, doc.Curl} {
		im.Archives[a.Image] = a.Archive
	}
	return im, nil
}

// Where images come from.
const (
	FromRegistry = "registry"
	FromCache    = "hack/airgap"
	FromNode     = "in the node's image"
	FromHere     = "built here"
)

// Listed is an image as people see it.
type Listed struct {
	Image   string `json:"image"`
	What    string `json:"what"` // what it is for
	From    string `json:"from"`
	Archive string `json:"archive,omitempty"` // the file that it is loaded from
	Present bool   `json:"present"`           // Docker has it
	Size    int64  `json:"size,omitempty"`    // in Docker, bytes
}

// List are the images, the node's first. Those of Kubernetes itself are in the node's.
func (im Images) List() []Listed {
	from, istio := FromRegistry, FromRegistry
	if im.Vanilla {
		from = FromCache
	}
	if im.Baked {
		istio = FromNode
	}
	return []Listed{
		{Image: im.Node, What: "nodes, with Kubernetes", From: from, Archive: im.Archives[im.Node]},
		{Image: im.Pilot(), What: "istiod", From: istio},
		{Image: im.Proxy(), What: "sidecars", From: istio},
		{Image: im.Base, What: "base of the clients' image", From: from, Archive: im.Archives[im.Base]},
	}
}
