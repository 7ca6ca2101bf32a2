package scenario

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/faildrill/faildrill/fixtures"
	"github.com/faildrill/faildrill/scenarios"
)

// Limits on what is read.
const (
	maxFileSize = 10 << 20
	maxFiles    = 10_000
)

// Files is where inputs are read from: the disk, what the program carries with
// it, and standard input.
type Files struct {
	// Embedded is the tree that stands in for what is missing on disk, by its
	// first folder: "scenarios", "fixtures".
	Embedded map[string]fs.FS
	// Stdin is what "-" reads.
	Stdin io.Reader
	// Checks are done by packages that this one does not know.
	Checks Checks
}

// Checks are looked at while a scenario is read; each may be nil. Their errors
// are what is said after "field: ".
type Checks struct {
	Profile func(text string) error // is this pair of releases known?
	CEL     func(text string) error // does this expression compile?
}

// Disk is the working directory, with the embedded scenarios and fixtures behind it.
func Disk() Files {
	return Files{
		Embedded: map[string]fs.FS{"scenarios": scenarios.FS, "fixtures": fixtures.FS},
		Stdin:    os.Stdin,
	}
}

// place is a file or folder that exists, on disk or embedded.
type place struct {
	name  string // as messages have it, with slashes
	tree  fs.FS  // nil: the disk
	inner string // the name in tree
	dir   bool
}

const stdinName = "<stdin>"

var errMissing = errors.New("missing")

// find looks for a path that was given on the command line (base ""), or that
// a file in the folder base names.
func (f Files) find(base, name string) (place, error) {
	clean := filepath.ToSlash(filepath.Clean(name))
	joined := clean
	if base != "" && !filepath.IsAbs(name) {
		joined = path.Join(base, clean)
	}
	info, err := os.Stat(filepath.FromSlash(joined))
	switch {
	case err == nil:
		return place{name: joined, dir: info.IsDir()}, nil
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
		return place{}, fmt.Errorf("cannot be read: %w", reason(err))
	}
	up := clean // a copied scenario still names ../../fixtures/
	for strings.HasPrefix(up, "../") {
		up = up[len("../"):]
	}
	for _, candidate := range []string{joined, up} {
		if p, ok := f.embedded(candidate); ok {
			return p, nil
		}
	}
	return place{}, errMissing
}

func (f Files) embedded(name string) (place, bool) {
	top, inner, _ := strings.Cut(name, "/")
	tree := f.Embedded[top]
	if inner == "" {
		inner = "."
	}
	if tree == nil {
		return place{}, false
	}
	info, err := fs.Stat(tree, inner)
	if err != nil {
		return place{}, false
	}
	return place{name: name, tree: tree, inner: inner, dir: info.IsDir()}, true
}

// entries lists a folder, in order of name.
func (p place) entries() ([]fs.DirEntry, error) {
	if p.tree != nil {
		return fs.ReadDir(p.tree, p.inner)
	}
	return os.ReadDir(filepath.FromSlash(p.name))
}

// child is the entry of a folder; a link counts as what it points to, but only
// to a file, so that a walk ends.
func (p place) child(e fs.DirEntry) (place, bool) {
	c := place{name: path.Join(p.name, e.Name()), tree: p.tree, dir: e.IsDir()}
	if p.tree != nil {
		c.inner = path.Join(p.inner, e.Name())
		return c, true
	}
	if e.IsDir() {
		return c, true
	}
	info, err := os.Stat(filepath.FromSlash(c.name))
	return c, err != nil || info.Mode().IsRegular()
}

// walk lists the YAML and JSON files under a folder, in order of name, without
// what is hidden.
func (p place) walk() ([]place, error) {
	var files []place
	var visit func(place, int) error
	visit = func(dir place, depth int) error {
		list, err := dir.entries()
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", dir.name, reason(err))
		}
		for _, e := range list {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			c, ok := dir.child(e)
			switch {
			case !ok:
			case c.dir && depth < maxDepth:
				if err := visit(c, depth+1); err != nil {
					return err
				}
			case !c.dir && isYAML(c.name):
				files = append(files, c)
			}
			if len(files) > maxFiles {
				return fmt.Errorf("%s holds more than %d YAML files", p.name, maxFiles)
			}
		}
		return nil
	}
	err := visit(p, 0)
	return files, err
}

func isYAML(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(name)))
}

// read returns the whole file, if it is not too big.
func (f Files) read(p place) ([]byte, error) {
	var r io.Reader
	switch {
	case p.name == stdinName:
		if f.Stdin == nil {
			return nil, nil
		}
		r = f.Stdin
	case p.tree != nil:
		file, err := p.tree.Open(p.inner)
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", reason(err))
		}
		defer file.Close()
		r = file
	default:
		file, err := os.Open(filepath.FromSlash(p.name))
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", reason(err))
		}
		defer file.Close()
		r = file
	}
	data, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", reason(err))
	case len(data) > maxFileSize:
		return nil, errors.New("is larger than 10 MiB")
	}
	return data, nil
}

// reason is the error without the operation and the path, which the message already has.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// missing says that a path is nowhere, and what is there instead.
func (f Files) missing(base, name string) string {
	clean := filepath.ToSlash(filepath.Clean(name))
	msg := fmt.Sprintf("no file or folder %q", name)
	for dir, last := path.Dir(clean), path.Base(clean); ; dir, last = path.Dir(dir), path.Base(dir) {
		p, err := f.find(base, dir)
		if err == nil {
			return msg + f.beside(p, dir, last)
		}
		if dir == path.Dir(dir) {
			return msg
		}
	}
}

// beside names what a folder has that is close to the missing name.
func (f Files) beside(p place, dir, last string) string {
	if !p.dir {
		return fmt.Sprintf("; %q is a file", dir)
	}
	names := map[string]bool{}
	add := func(p place) {
		list, _ := p.entries()
		for _, e := range list {
			if c, ok := p.child(e); ok && !strings.HasPrefix(e.Name(), ".") && (c.dir || isYAML(c.name)) {
				names[e.Name()] = true
			}
		}
	}
	add(p)
	if e, ok := f.embedded(p.name); ok {
		add(e)
	}
	if p.name == "." {
		for top := range f.Embedded {
			names[top] = true
		}
	}
	all := make([]string, 0, len(names))
	for n := range names {
		all = append(all, n)
	}
	slices.Sort(all)
	if near := nearest(last, all); near != "" {
		return fmt.Sprintf("; did you mean %q?", path.Join(dir, near))
	}
	if len(all) > 0 && len(all) <= listed && dir != "." {
		return fmt.Sprintf("; %s holds %s", dir, strings.Join(all, ", "))
	}
	return ""
}
