package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// An image is layers, bottom first, and how it starts.
type image struct {
	tag        string
	layers     []layer
	user       string
	entrypoint []string
	env        []string
	stopSignal string
}

// A layer is files in their places.
type layer struct {
	dir   string            // a whole tree, or
	files map[string]string // where in the image: which file here
}

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// write writes images as one archive that docker load and ctr import read. The
// same files make the same archive, whenever it is written. tmp is for layers.
func write(to, tmp string, images ...image) error {
	made := map[name.Tag]v1.Image{}
	layers := map[string]v1.Layer{}
	for _, im := range images {
		tag, err := name.NewTag(im.tag)
		if err != nil {
			return err
		}
		var built v1.Image = empty.Image
		built = mutate.MediaType(built, types.DockerManifestSchema2)
		built = mutate.ConfigMediaType(built, types.DockerConfigJSON)
		for _, l := range im.layers {
			id := fmt.Sprint(l.dir, l.files)
			if layers[id] == nil {
				if layers[id], err = l.build(tmp); err != nil {
					return err
				}
			}
			if built, err = mutate.AppendLayers(built, layers[id]); err != nil {
				return err
			}
		}
		f, err := built.ConfigFile()
		if err != nil {
			return err
		}
		f = f.DeepCopy()
		f.OS, f.Architecture = "linux", "amd64"
		f.Config = v1.Config{User: im.user, Entrypoint: im.entrypoint, Env: append([]string{searchPath}, im.env...), StopSignal: im.stopSignal}
		if made[tag], err = mutate.ConfigFile(built, f); err != nil {
			return err
		}
	}
	return tarball.MultiWriteToFile(to, made)
}

func (l layer) build(tmp string) (v1.Layer, error) {
	f, err := os.CreateTemp(tmp, "layer-*.tar")
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(f)
	if l.dir != "" {
		err = addTree(w, l.dir)
	} else {
		err = addFiles(w, l.files)
	}
	if err := errors.Join(err, w.Close(), f.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(f.Name(), tarball.WithCompression(compression.None), tarball.WithMediaType(types.DockerUncompressedLayer))
}

// built is the time of every file, so that it is no input.
var built = time.Unix(0, 0)

func addFiles(w *tar.Writer, files map[string]string) error {
	made := map[string]bool{}
	for _, to := range sortedKeys(files) {
		var parents []string
		for d := path.Dir(to); d != "/" && d != "."; d = path.Dir(d) {
			parents = append(parents, d)
		}
		for i := len(parents) - 1; i >= 0; i-- {
			if made[parents[i]] {
				continue
			}
			made[parents[i]] = true
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: parents[i][1:] + "/", Mode: 0o755, ModTime: built}); err != nil {
				return err
			}
		}
		if err := addFile(w, to[1:], files[to]); err != nil {
			return err
		}
	}
	return nil
}

func addFile(w *tar.Writer, to, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: to, Size: i.Size(), Mode: mode(i), ModTime: built}); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// mode is a file's mode as tar has it.
func mode(i fs.FileInfo) int64 {
	m := int64(i.Mode().Perm())
	for bit, flag := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if i.Mode()&bit != 0 {
			m |= flag
		}
	}
	return m
}

// addTree adds files, folders and symbolic links; devices are the container's.
// Everything belongs to root.
func addTree(w *tar.Writer, dir string) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		to, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		i, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: to + "/", Mode: mode(i), ModTime: built})
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: to, Linkname: target, Mode: 0o777, ModTime: built})
		case e.Type().IsRegular():
			return addFile(w, to, name)
		}
		return nil
	})
}
