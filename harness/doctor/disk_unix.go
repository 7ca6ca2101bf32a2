//go:build unix

package doctor

import (
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// probeDisk looks at the folder of the cache, or at the first one above it that
// exists.
func probeDisk(dir string) Disk {
	for at := dir; ; at = filepath.Dir(at) {
		var s unix.Statfs_t
		err := unix.Statfs(at, &s)
		if err == nil && unix.Access(at, unix.W_OK) != nil {
			return Disk{Dir: dir, Free: -1, Error: at + " cannot be written"}
		}
		if err == nil {
			return Disk{Dir: dir, Free: int64(s.Bavail) * int64(s.Bsize)}
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return Disk{Dir: dir, Free: -1, Error: at + ": " + err.Error()}
		}
	}
}
