package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faildrill/faildrill/harness/binaries"
)

// An artifact is a folder of the cache. Its name there ends in a hash of all
// that decides what is in it, so that what is there is never stale.
type artifact struct {
	name   string
	inputs []string    // texts that decide its contents
	files  []string    // files and folders that do, from the repository's root
	needs  []*artifact // built before it; their hashes are part of its own
	// build fills dir. It finds what it needs with s.path, and its own tag in tag.
	build func(ctx context.Context, s *store, dir, tag string) error
}

// A store is the part of the cache that artifacts are kept in.
type store struct {
	dir, root string // root: of the repository
	keys      map[*artifact]string
}

// key is the name of the artifact's folder.
func (s *store) key(a *artifact) (string, error) {
	if k, ok := s.keys[a]; ok {
		return k, nil
	}
	h := sha256.New()
	part := func(text string) { fmt.Fprintf(h, "%d %s\n", len(text), text) }
	for _, text := range a.inputs {
		part(text)
	}
	for _, f := range a.files {
		err := filepath.WalkDir(filepath.Join(s.root, f), func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(s.root, name)
			part(rel)
			part(string(text))
			return err
		})
		if err != nil {
			return "", err
		}
	}
	for _, n := range a.needs {
		k, err := s.key(n)
		if err != nil {
			return "", err
		}
		part(k)
	}
	k := a.name + "-" + hex.EncodeToString(h.Sum(nil))[:12]
	s.keys[a] = k
	return k, nil
}

// tag is the hash in the key.
func (s *store) tag(a *artifact) string { return strings.TrimPrefix(s.keys[a], a.name+"-") }

// path is the artifact's folder; the key is known since check or make.
func (s *store) path(a *artifact, elem ...string) string {
	return filepath.Join(append([]string{s.dir, s.keys[a]}, elem...)...)
}

// state of an artifact in the cache.
type state string

const (
	present state = "present"
	stale   state = "stale"   // there is one of other inputs
	missing state = "missing" // there is none
)

func (s *store) state(a *artifact) (state, error) {
	k, err := s.key(a)
	if err != nil {
		return "", err
	}
	if there(filepath.Join(s.dir, k)) {
		return present, nil
	}
	older, err := filepath.Glob(filepath.Join(s.dir, a.name+"-????????????"))
	if err != nil {
		return "", err
	}
	if len(older) > 0 {
		return stale, nil
	}
	return missing, nil
}

func there(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// make builds what is not there, and says so and how long it took.
func (s *store) make(ctx context.Context, a *artifact, say func(string, ...any)) error {
	k, err := s.key(a)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, k)
	if there(dir) {
		return nil
	}
	for _, n := range a.needs {
		if err := s.make(ctx, n, say); err != nil {
			return err
		}
	}
	say("%s: building", a.name)
	start := time.Now()
	err = binaries.Place(dir, func(tmp string) error { return a.build(ctx, s, tmp, s.tag(a)) }, there)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.name, err)
	}
	say("%s: %.0f s", k, time.Since(start).Seconds())
	return nil
}

// prune removes the folders of other inputs.
func (s *store) prune(all []*artifact) ([]string, error) {
	var wanted, gone []string
	for _, a := range all {
		k, err := s.key(a)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, k)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := e.Name()
		known := slices.ContainsFunc(all, func(a *artifact) bool { return strings.HasPrefix(name, a.name+"-") })
		if !known || slices.Contains(wanted, name) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return gone, err
		}
		gone = append(gone, name)
	}
	return gone, nil
}
