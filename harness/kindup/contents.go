package kindup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	osexec "os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/exec"
)

// prepare has Docker get all that the cluster is made of, and says what takes time.
func (c *Cluster) prepare(ctx context.Context, s *settings, say Say) error {
	im := s.Images
	node := s.pulled
	if id, err := imageID(ctx, im.Node); err != nil {
		return err
	} else if id != "" {
		node = im.Node // it may have come in an archive, where no checksum is
	}
	wanted := []string{node}
	if !im.Baked {
		wanted = append(wanted, im.Pilot(), im.Proxy())
	}
	for _, image := range wanted {
		if err := get(ctx, image, im.Archives[image], say); err != nil {
			return err
		}
	}
	if node != im.Node {
		if _, err := docker(ctx, nil, "tag", node, im.Node); err != nil {
			return err
		}
	}
	err := c.find(ctx, s)
	if !errors.Is(err, ErrDown) {
		return err
	}
	if err := get(ctx, im.Base, im.Archives[im.Base], say); err != nil {
		return err
	}
	if _, err = mockImage.build(ctx, "", say, true); err != nil {
		return err
	}
	if _, err = agentImage.build(ctx, im.Base, say, true); err != nil {
		return err
	}
	return c.find(ctx, s)
}

// get has Docker get an image that it lacks: from an archive, or from where its name says.
func get(ctx context.Context, image, archive string, say Say) error {
	if id, err := imageID(ctx, image); err != nil || id != "" {
		return err
	}
	start := time.Now()
	doing := "pulled"
	if archive != "" {
		doing = "loaded"
		say("loading %s into Docker", image)
		if _, err := docker(ctx, nil, "load", "--quiet", "--input", archive); err != nil {
			return lacking(ctx, image, fmt.Errorf("%w (its archive %s is of no use: remove its folder)", err, archive))
		}
	} else {
		say("pulling %s", image)
		if _, err := docker(ctx, nil, "pull", "--quiet", image); err != nil {
			return lacking(ctx, image, err)
		}
	}
	id, size, err := inspect(ctx, image)
	if err == nil && id == "" {
		err = lacking(ctx, image, fmt.Errorf("%s has another image: remove its folder", archive))
	}
	if err != nil {
		return err
	}
	say("%s %s: %d MB, %.0f s", doing, image, size/1e6, time.Since(start).Seconds())
	return nil
}

// lacking says how an image can be had that could be neither pulled nor loaded.
func lacking(ctx context.Context, image string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("there is no image %s: %w. Where there is no registry, build the images in a checkout of faildrill (go -C hack/airgap run . takes about 30 min the first time), or bring them in a file: faildrill images save, images load", image, err)
}

// withoutDigest is the name that an image has in Docker, also where it came in an archive.
func withoutDigest(image string) string {
	name, _, digest := strings.Cut(image, "@")
	if digest && strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") {
		return name
	}
	return image
}

// inNode is an image's name in a node's containerd, which leaves nothing out.
func inNode(image string) string {
	first, _, path := strings.Cut(image, "/")
	switch {
	case path && (strings.ContainsAny(first, ".:") || first == "localhost"):
		return image
	case path:
		return "docker.io/" + image
	}
	return "docker.io/library/" + image
}

// load puts images into the nodes that lack them.
func (x *site) load(ctx context.Context, say Say, images ...string) error {
	all, err := x.p.ListInternalNodes(x.name)
	if err != nil {
		return kindSays(err)
	}
	errs := make([]error, len(all))
	var loading sync.WaitGroup
	for i, n := range all {
		loading.Go(func() { errs[i] = loadInto(ctx, n, say, images) })
	}
	loading.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

func loadInto(ctx context.Context, n nodes.Node, say Say, images []string) error {
	var lacks []string
	for _, image := range images {
		have, err := exec.OutputLines(n.CommandContext(ctx, "ctr", "--namespace=k8s.io", "images", "list", "--quiet", "name=="+inNode(image)))
		if err != nil || len(have) == 0 {
			lacks = append(lacks, image)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	say("loading %s into %s", strings.Join(lacks, ", "), n)
	err := saved(ctx, lacks, func(archive io.Reader) error { return nodeutils.LoadImageArchive(n, archive) })
	if err != nil {
		return fmt.Errorf("loading %s into %s: %w", strings.Join(lacks, ", "), n, kindSays(err))
	}
	return nil
}

// saved streams images out of Docker.
func saved(ctx context.Context, images []string, to func(io.Reader) error) error {
	cmd := osexec.CommandContext(ctx, "docker", append([]string{"save"}, images...)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	toErr := to(out)
	_, _ = io.Copy(io.Discard, out) // so that docker ends by itself
	if err := cmd.Wait(); err != nil && toErr == nil {
		return fmt.Errorf("docker save: %s", lastLine(said.String(), err))
	}
	return toErr
}

// kept is how long an image of faildrill's own programs is kept that this checkout does not
// use: another one may.
const kept = 24 * time.Hour

// listed is an image as Docker lists it.
type listed struct {
	Repository, Tag, CreatedAt string
}

func (l listed) name() string { return l.Repository + ":" + l.Tag }

// ours are the images that Docker has of some repositories, all of faildrill's: faildrill/*.
func ours(ctx context.Context, pattern string) ([]listed, error) {
	out, err := docker(ctx, nil, "image", "ls", "--format", "{{json .}}", "--filter", "reference="+pattern)
	if err != nil {
		return nil, err
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("docker image ls: %w", err)
		}
		all = append(all, l)
	}
}

// old are the images of earlier builds.
func old(all []listed, now time.Time, keep ...string) []string {
	var names []string
	for _, l := range all {
		made, err := time.Parse("2006-01-02 15:04:05 -0700 MST", l.CreatedAt)
		if err != nil || now.Sub(made) < kept || l.Tag == "<none>" {
			continue
		}
		if name := l.name(); !slices.Contains(keep, name) {
			names = append(names, name)
		}
	}
	return names
}

// prune removes images of earlier builds that no container uses. That it cannot is no reason to fail.
func prune(ctx context.Context, now time.Time, say Say, keep ...string) {
	var names []string
	for _, o := range []ownImage{mockImage, agentImage} {
		all, err := ours(ctx, "faildrill/"+o.programs[0].name)
		if err != nil {
			return
		}
		names = append(names, old(all, now, keep...)...)
	}
	if gone, _ := remove(ctx, names); gone > 0 {
		say("removed %d images of earlier builds", gone)
	}
}

// removeAll removes all images of faildrill's that no container uses.
func removeAll(ctx context.Context, say Say) error {
	all, err := ours(ctx, "faildrill/*")
	if err != nil {
		return err
	}
	var names []string
	for _, l := range all {
		names = append(names, l.name())
	}
	gone, used := remove(ctx, names)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	say("removed %d images", gone)
	if used > 0 {
		say("left %d images that containers use", used)
	}
	return nil
}

// remove removes images; Docker refuses those that a container uses.
func remove(ctx context.Context, names []string) (gone, used int) {
	for _, name := range names {
		if _, err := docker(ctx, nil, "image", "rm", name); err != nil {
			used++
			continue
		}
		gone++
	}
	return gone, used
}
