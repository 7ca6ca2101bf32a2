package kindup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/yaml"

	"github.com/faildrill/faildrill/harness/binaries"
	"github.com/faildrill/faildrill/harness/images"
)

// Contents are the images that a cluster is made of and drills use, as they are here, or,
// with usual, as they are pulled where there is a registry: for who fills a mirror.
func Contents(ctx context.Context, o Options, usual bool) ([]images.Listed, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if usual {
		im := images.Usual(binaries.IstioVersion, o.Mirror)
		if im.Node == "" {
			im.Node = defaults.Image
		}
		return im.List(), nil
	}
	x, err := open(ctx)
	if err != nil {
		return nil, err
	}
	_, s, err := x.plan(ctx, o)
	if err != nil {
		return nil, err
	}
	s.Images.Node = s.pulled
	list := s.Images.List()
	for _, o := range []struct {
		what  string
		image ownImage
		base  string
	}{{"clients of drills", agentImage, s.Images.Base}, {"upstreams of drills", mockImage, ""}} {
		name, err := o.image.build(ctx, o.base, quiet, false)
		if err != nil && !errors.Is(err, ErrDown) {
			return nil, err
		}
		list = append(list, images.Listed{Image: name, What: o.what, From: images.FromHere})
	}
	for i := range list {
		l := &list[i]
		if l.From == images.FromNode {
			l.Present = list[0].Present // the node is the first
			continue
		}
		name := withoutDigest(l.Image)
		id, size, err := inspect(ctx, name)
		if err == nil && id == "" && name != l.Image {
			id, size, err = inspect(ctx, l.Image)
		}
		if err != nil {
			return nil, err
		}
		l.Present, l.Size = id != "", size
	}
	return list, nil
}

func quiet(string, ...any) {}

// Save writes all images into one file, as docker save does; what Docker lacks it gets before.
// The file is there whole or not at all.
func Save(ctx context.Context, o Options, file string, say Say) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	x, err := open(ctx)
	if err != nil {
		return err
	}
	c, s, err := x.plan(ctx, o)
	if err != nil {
		return err
	}
	// A folder that is not there is found before an image is pulled.
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err == nil {
			err = os.Rename(out.Name(), file)
		}
		if err != nil {
			_ = os.Remove(out.Name()) // what went wrong is told
		}
	}()
	if err := c.prepare(ctx, &s, say); err != nil {
		return err
	}
	if err := get(ctx, s.Images.Base, s.Images.Archives[s.Images.Base], say); err != nil {
		return err
	}
	names := []string{s.Images.Node, s.Images.Base, c.Agent, c.Mock}
	if !s.Images.Baked {
		names = append(names, s.Images.Pilot(), s.Images.Proxy())
	}
	manifest, err := images.ReadManifest(x.cache)
	if err != nil {
		return err
	}
	say("saving %s", strings.Join(names, ", "))
	var size int64
	err = saved(ctx, names, func(in io.Reader) error {
		size, err = images.Label(out, in, images.About{Images: names, Airgap: manifest})
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = out.Sync()
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := out.Chmod(0o644); err != nil {
		return err
	}
	say("%s has %d images, %d MB: faildrill images load takes it", file, len(names), size/1e6)
	return nil
}

// Load has Docker load an archive, after a look at all that is in it.
func Load(ctx context.Context, file string, say Say) error {
	f, err := os.Open(file)
	if err != nil {
		return UsageError{err}
	}
	defer f.Close()
	names, about, err := images.Verify(f)
	if err != nil {
		return UsageError{fmt.Errorf("%s: %w", file, err)}
	}
	x, err := open(ctx)
	if err != nil {
		return err
	}
	if _, err := docker(ctx, nil, "load", "--quiet", "--input", file); err != nil {
		return err
	}
	for _, name := range names {
		id, size, err := inspect(ctx, name)
		if err != nil {
			return err
		}
		if id == "" {
			return fmt.Errorf("loading %s: Docker has no %s afterwards", file, name)
		}
		say("%s: %d MB", name, size/1e6)
	}
	own, err := images.ReadManifest(x.cache)
	switch {
	case err != nil:
		return err
	case len(about.Airgap) == 0:
	case len(own) == 0:
		if err := replaceFile(images.ManifestFile(x.cache), string(about.Airgap)); err != nil {
			return err
		}
		say("faildrill kind up uses them from now on, in place of the usual images")
	case string(own) != string(about.Airgap):
		say("faildrill kind up uses those that hack/airgap built here: %s", images.ManifestFile(x.cache))
	}
	return nil
}

// Hand is what makes the same cluster by hand: kind create cluster with this configuration and node
// image, then istioctl with these arguments.
type Hand struct {
	Config   string   `json:"config"`
	Node     string   `json:"node"`
	Istioctl string   `json:"istioctl"`
	Install  []string `json:"install"`
}

// ByHand says how; it makes nothing.
func ByHand(ctx context.Context, o Options) (*Hand, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	x, err := open(ctx)
	if err != nil {
		return nil, err
	}
	c, s, err := x.plan(ctx, o)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(config(s))
	return &Hand{Config: string(text), Node: s.Images.Node, Istioctl: c.Istioctl, Install: s.Install}, err
}
