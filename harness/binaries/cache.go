package binaries

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Cache is the folder that programs are kept in, and the machine they have to
// run on.
type Cache struct {
	Dir          string // $XDG_CACHE_HOME/faildrill
	GOOS, GOARCH string // as Go spells them
}

// Default is the cache of the user on this machine: below XDG_CACHE_HOME when it
// is set, else below the system's own folder for caches.
func Default() (Cache, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) { // the specification of XDG has relative paths ignored
		var err error
		if base, err = os.UserCacheDir(); err != nil {
			return Cache{}, fmt.Errorf("no folder for the cache, set XDG_CACHE_HOME: %w", err)
		}
	}
	return Cache{Dir: filepath.Join(base, "faildrill"), GOOS: runtime.GOOS, GOARCH: runtime.GOARCH}, nil
}

// unfinished begins the names of folders that are being filled.
const unfinished = ".unfinished-"

// abandonedAfter is the age of a folder that nobody fills any more.
const abandonedAfter = 24 * time.Hour

// Place makes the folder dir with what fill puts into a temporary one beside it,
// and removes that one when fill fails. The files are on the disk before the
// folder appears. When another program places the same folder at the same time,
// the first one stays if ok says so of it, else it is replaced.
func Place(dir string, fill func(tmp string) error, ok func(dir string) bool) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	removeAbandoned(parent, time.Now())
	tmp, err := os.MkdirTemp(parent, unfinished)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if err := syncAll(tmp); err != nil {
		return err
	}
	// A damaged folder is moved out of the way first. Of several programs that
	// find it damaged, each may move what another one has just placed: that is
	// as good as the own one, and is placed again.
	for try := 0; ; try++ {
		err := os.Rename(tmp, dir)
		if err == nil {
			return syncFile(parent)
		}
		if _, there := os.Stat(dir); there != nil || try == 3 {
			return err
		}
		if ok(dir) {
			return nil
		}
		if err := moveAway(parent, dir); err != nil {
			return err
		}
	}
}

func moveAway(parent, dir string) error {
	old, err := os.MkdirTemp(parent, unfinished)
	if err != nil {
		return err
	}
	defer os.RemoveAll(old)
	err = os.Rename(dir, filepath.Join(old, filepath.Base(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeAbandoned removes what programs left that were killed.
func removeAbandoned(parent string, now time.Time) {
	entries, _ := os.ReadDir(parent) // what cannot be read is not removed
	for _, e := range entries {
		i, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), unfinished) && now.Sub(i.ModTime()) > abandonedAfter {
			_ = os.RemoveAll(filepath.Join(parent, e.Name()))
		}
	}
}

// syncAll puts the files of a folder and the folder itself on the disk.
func syncAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := syncFile(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return syncFile(dir)
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return cmp.Or(f.Sync(), f.Close())
}

// Envoys are the releases of Envoy in the cache that run on this machine, oldest
// first.
func (c Cache) Envoys() []Binary {
	var found []Binary
	for _, r := range pinned {
		if b, err := c.Envoy(r.version); err == nil {
			found = append(found, b)
		}
	}
	return found
}

// Envoys are those in the user's cache.
func Envoys() []Binary {
	c, err := Default()
	if err != nil {
		return nil // there is no cache
	}
	return c.Envoys()
}

// Known are the releases of Envoy that can be fetched, oldest first.
func Known() []string {
	var vs []string
	for _, r := range pinned {
		vs = append(vs, r.version)
	}
	return vs
}

// Resolve makes a release of "1.40.0", or of "1.40": the newest known one of it.
func Resolve(version string) (string, error) {
	for _, r := range slices.Backward(pinned) {
		if r.version == version || strings.HasPrefix(r.version, version+".") && strings.Count(version, ".") == 1 {
			return r.version, nil
		}
	}
	return "", &UnknownVersionError{Version: version, Known: Known()}
}
