package kindup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

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
	Baked bool `json:"baked"`
	// Archives are files to load into Docker, by image, when it lacks the image.
	Archives map[string]string `json:"-"`
}

// The usual images. Istio's version is that of istioctl.
const (
	usualNode = "" // kind's own choice for its release
	usualHub  = "docker.io/istio"
	usualBase = "docker.io/curlimages/curl:8.16.0"
)

// manifestFile is what hack/airgap writes into the cache.
const manifestFile = "airgap/images.json"

// Find says which images a cluster is made of: those of hack/airgap if it has built them.
func Find(c binaries.Cache, istio string) (Images, error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Images{Node: usualNode, Hub: usualHub, Tag: istio, Base: usualBase}, nil
	}
	if err != nil {
		return Images{}, err
	}
	type archive struct{ Image, Archive string }
	var doc struct {
		Schema, Istio, Hub, Tag string
		Node, Curl              archive
	}
	if err := json.Unmarshal(text, &doc); err != nil || doc.Schema != "faildrill.dev/airgap/v1" {
		return Images{}, fmt.Errorf("%s is not what this version of hack/airgap writes: build again, go -C hack/airgap run .", filepath.Join(c.Dir, manifestFile))
	}
	im := Images{Node: doc.Node.Image, Hub: doc.Hub, Tag: doc.Tag, Base: doc.Curl.Image, Vanilla: true, Baked: true, Archives: map[string]string{}}
	for _, a := range []archive{doc.Node, doc.Curl} {
		im.Archives[a.Image] = a.Archive
	}
	return im, nil
}

// docker runs the command line of Docker, whose words are the error.
func docker(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("docker is not installed")
	}
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("docker %s: %s", args[0], lastLine(said.String(), err))
	}
	return strings.TrimSpace(out.String()), nil
}

func lastLine(text string, err error) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if l := lines[len(lines)-1]; l != "" {
		return l
	}
	return err.Error()
}

// imageID is what Docker calls an image; "": it has none of the name.
func imageID(ctx context.Context, image string) (string, error) {
	return docker(ctx, nil, "image", "ls", "--quiet", "--no-trunc", "--filter", "reference="+image)
}

// ensure has Docker load the archives that it lacks.
func (im Images) ensure(ctx context.Context, say Say) error {
	for image, archive := range im.Archives {
		id, err := imageID(ctx, image)
		if err != nil {
			return err
		}
		if id != "" {
			continue
		}
		say("loading %s into Docker", image)
		if _, err := docker(ctx, nil, "load", "--quiet", "--input", archive); err != nil {
			return fmt.Errorf("%w; the archive is %s", err, archive)
		}
	}
	return nil
}
