package images_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/faildrill/faildrill/harness/images"
)

type file struct{ name, text, link string }

func archive(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.text))}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// saved are the files that docker save writes for an image of one layer: as it has always, and
// as it does since it keeps the OCI's layout, with a layer that is compressed.
func saved(tag string, oci bool) []file {
	const layer, compressed = "the layer's files", "the same, compressed"
	config := fmt.Sprintf(`{"rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}}`, sum(layer))
	c, l := file{name: sum(config) + ".json", text: config}, file{name: "ab/layer.tar", text: layer}
	if oci {
		c.name, l = "blobs/sha256/"+sum(config), file{name: "blobs/sha256/" + sum(compressed), text: compressed}
	}
	return []file{c, l, {name: "manifest.json", text: fmt.Sprintf(`[{"Config": %q, "RepoTags": [%q], "Layers": [%q]}]`, c.name, tag, l.name)}}
}

func TestVerify(t *testing.T) {
	for _, oci := range []bool{false, true} {
		if tags, _, err := images.Verify(bytes.NewReader(archive(t, saved("a/b:1", oci)...))); err != nil || len(tags) != 1 || tags[0] != "a/b:1" {
			t.Errorf("OCI %v: got %v, %v", oci, tags, err)
		}
	}
	// hack/airgap names everything by what is in it, and compresses layers.
	named := saved("a/b:1", true)
	for i, prefix := range []string{"sha256:", ""} {
		name := prefix + sum(named[i].text) + []string{"", ".tar"}[i]
		named[2].text = strings.Replace(named[2].text, named[i].name, name, 1)
		named[i].name = name
	}
	if _, _, err := images.Verify(bytes.NewReader(archive(t, named...))); err != nil {
		t.Errorf("of hack/airgap: %v", err)
	}
	// A layer that two images have is there once.
	shared := saved("a/b:1", false)
	shared[1].name = "cd/layer.tar"
	shared = append(shared, file{name: "ab/layer.tar", link: "../cd/layer.tar"})
	if _, _, err := images.Verify(bytes.NewReader(archive(t, shared...))); err != nil {
		t.Errorf("a link: %v", err)
	}
	for want, change := range map[string]func([]file) []file{
		"it is empty":                                        func([]file) []file { return nil },
		"it has no manifest.json":                            func(f []file) []file { return f[:2] },
		"its configuration":                                  func(f []file) []file { return f[1:] },
		"a/b:1: its layer ab/layer.tar is m":                 func(f []file) []file { return []file{f[0], f[2]} },
		"a/b:1: its layer ab/layer.tar has another checksum": func(f []file) []file { f[1].text += "."; return f },
		"json has another checksum":                          func(f []file) []file { f[0].text += " "; return f },
		"does not tell of 1 layers": func(f []file) []file {
			f[2].text = strings.Replace(f[2].text, f[0].name, "c.json", 1)
			return append(f, file{name: "c.json", text: "{}"})
		},
		"has no name": func(f []file) []file { f[2].text = strings.Replace(f[2].text, `"a/b:1"`, "", 1); return f },
	} {
		_, _, err := images.Verify(bytes.NewReader(archive(t, change(saved("a/b:1", false))...)))
		if !errors.Is(err, images.ErrArchive) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	whole := archive(t, saved("a/b:1", false)...)
	for _, text := range [][]byte{[]byte("no archive"), whole[:700]} {
		if _, _, err := images.Verify(bytes.NewReader(text)); !errors.Is(err, images.ErrArchive) {
			t.Errorf("%.20q: got %v", text, err)
		}
	}
}

// An archive that says what it is is held to that.
func TestLabel(t *testing.T) {
	for image, missing := range map[string]string{"docker.io/a/b:1": "", "a/c:1": "a/c:1 is missing"} {
		var b bytes.Buffer
		in := archive(t, saved("a/b:1", true)...)
		n, err := images.Label(&b, bytes.NewReader(in), images.About{Images: []string{image}, Airgap: []byte(`{"tag":"1"}`)})
		if err != nil || n != int64(len(in)) {
			t.Fatalf("got %d of %d, %v", n, len(in), err)
		}
		tags, about, err := images.Verify(&b)
		switch {
		case missing != "":
			if !errors.Is(err, images.ErrArchive) || !strings.Contains(err.Error(), missing) {
				t.Errorf("got %v", err)
			}
		case err != nil || len(tags) != 1 || string(about.Airgap) != `{"tag":"1"}`:
			t.Errorf("got %v, %+v, %v", tags, about, err)
		}
	}
	_, err := images.Label(&bytes.Buffer{}, strings.NewReader("no archive"), images.About{})
	if err == nil {
		t.Error("what is no archive is labelled")
	}
}
